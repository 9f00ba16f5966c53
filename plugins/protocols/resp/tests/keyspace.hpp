// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A database without a server: runs commands over values as the wire does.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "command.hpp"
#include "reply.hpp"
#include "value.hpp"

namespace orbit::resp::testing {

using Words = std::vector<std::string>;
// Splits at single spaces.
Words words(std::string_view line);

class Keyspace {
 public:
  explicit Keyspace(int protocol = 2) : protocol_(protocol) {}

  // The reply's bytes.
  std::string run(const Words& args);
  std::string run(std::string_view line) { return run(words(line)); }
  Value& value(const std::string& key);
  // Keys that the last command said it changed.
  const std::vector<std::string>& changed() const { return changed_; }
  std::map<std::string, std::unique_ptr<Value>>& values() { return values_; }

  uint64_t now_ms = 1'700'000'000'000;
  uint64_t random = 1;

 private:
  std::map<std::string, std::unique_ptr<Value>> values_;
  std::vector<std::string> changed_;
  int protocol_;
};

}  // namespace orbit::resp::testing
