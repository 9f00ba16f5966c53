// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A table of orbit_option, applied: validation of a TOML table against it, defaults, and the values as they cross the
// edge. The node's own sections and every plugin use the same tables.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/tree.hpp"
#include "orbit/abi.h"

namespace orbit::kernel {

// The options of a schema, copied out of a descriptor whose elements may be larger than ours (a newer minor). The texts
// stay the plugin's, whose code is never unmapped.
using Options = std::vector<orbit_option>;

// What is wrong with the schema itself (a default that is no TOML, or out of its own bounds); empty when nothing is.
std::string schema_fault(std::span<const orbit_option> options);

// One key with its value.
struct Value {
  std::string key;
  orbit_option_type type = 0;
  bool secret = false;
  std::string string;
  int64_t integer = 0;  // BOOLEAN as 0 or 1
  double number = 0;
  std::vector<std::string> list;
};

// A validated table: every key of its schema is there. Asking for another key is a bug and asserts.
class Values {
 public:
  const std::string& string(std::string_view key) const { return find(key, ORBIT_OPTION_STRING).string; }
  int64_t integer(std::string_view key) const { return find(key, ORBIT_OPTION_INTEGER).integer; }
  bool boolean(std::string_view key) const { return find(key, ORBIT_OPTION_BOOLEAN).integer != 0; }
  const std::vector<std::string>& strings(std::string_view key) const {
    return find(key, ORBIT_OPTION_STRING_LIST).list;
  }
  const std::vector<Value>& all() const noexcept { return values_; }
  void add(Value value) { values_.push_back(std::move(value)); }
  // A JSON object; secrets as "(set)" or "(unset)".
  std::string json() const;

 private:
  const Value& find(std::string_view key, orbit_option_type type) const;
  std::vector<Value> values_;
};

// The value of an environment variable, or null.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
Environment process_environment();

// Replaces ${NAME} in every string below `tree`; "$${" stands for "${". What is not set is a mistake.
void substitute_environment(Tree& tree, const Environment& environment, Mistakes& mistakes);

// The values of `table`, defaults filled in. Adds every mistake: unknown keys (with the nearest known one), wrong
// types, out of bounds, bad choices, missing required keys. `where` names the table in messages, e.g. "[limits]". Keys
// in `reserved` are left to the caller. What is mistaken has its default.
Values validate(const Tree& table, std::span<const orbit_option> options, std::string_view where, Mistakes& mistakes,
                std::span<const std::string_view> reserved = {});

// "; did you mean 'x'?" when one of the known words is near, otherwise the list of them.
std::string nearest_hint(std::string_view word, std::span<const std::string_view> known);

// The values as `create` gets them; valid while `values` and this object live.
class EdgeConfig {
 public:
  EdgeConfig(const Values& values, const std::string& instance);
  EdgeConfig(const EdgeConfig&) = delete;
  EdgeConfig& operator=(const EdgeConfig&) = delete;
  const orbit_config* get() const noexcept { return &config_; }

 private:
  std::vector<orbit_value> values_;
  std::vector<std::vector<orbit_bytes>> lists_;
  orbit_config config_;
};

}  // namespace orbit::kernel
