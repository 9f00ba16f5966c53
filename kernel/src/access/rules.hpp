// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The [[rule]]s of a configuration: what each role may do. A denying rule that fits counts more than any that allows, whatever
// their order; what no rule allows is denied.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "access/pattern.hpp"
#include "access/principal.hpp"

namespace orbit::kernel {

struct Rule {
  std::vector<std::string> roles;  // "*": everybody who is not anonymous
  std::vector<Pattern> types;
  std::vector<Pattern> keys;
  std::vector<Pattern> methods;
  std::vector<Pattern> admin;
  bool read_only = false;  // fits only what changes nothing
  bool allow = true;

  std::string json() const;
};

class Rules {
 public:
  // Whether a type's method is read-only; nothing: the type declares none of that name. Asked when an answer is not remembered.
  // [any thread]
  using ReadOnly = std::function<std::optional<bool>(std::string_view type, std::string_view method)>;

  explicit Rules(std::vector<Rule> rules);
  Rules(const Rules&) = delete;
  Rules& operator=(const Rules&) = delete;

  void set_read_only(ReadOnly read_only) { read_only_ = std::move(read_only); }
  // Types have changed: what threads remember counts no more. [any thread]
  void types_changed() noexcept { epoch_.store(next_epoch(), std::memory_order_release); }

  const std::vector<Rule>& all() const noexcept { return rules_; }

  struct Call {
    std::string_view type;
    std::string_view key;
    std::string_view method;
    bool read_only = false;  // counts where the type does not say
  };
  // [any thread]
  bool may_call(const Principal& principal, const Call& call) const;
  // For some key, perhaps.
  bool may_call_some(const Principal& principal, const Call& call) const;
  bool may_administer(const Principal& principal, std::string_view action, bool read_only) const;
  // Whether the rule is for the principal.
  static bool is_for(const Rule& rule, const Principal& principal) noexcept;

 private:
  // What the rules say of one (roles, type, method): the rest depends on the key only.
  struct Fit {
    bool denied = false;   // whatever the key
    bool allowed = false;  // whatever the key that `deny` does not match
    std::vector<const Rule*> deny;
    std::vector<const Rule*> allow;
  };
  struct Remembered;

  static uint64_t next_epoch() noexcept;
  Fit fit(const Principal& principal, const Call& call) const;
  const Fit& remembered(const Principal& principal, const Call& call) const;

  const std::vector<Rule> rules_;
  ReadOnly read_only_;
  std::atomic<uint64_t> epoch_;  // unique in the process
};

}  // namespace orbit::kernel
