// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The C++ faces of orbit.storage.fenced/1 and orbit.storage.shared/1 (orbit/ext/storage_fenced.h). storage.hpp includes this
// file; an engine offers them by having
//
//   orbit::Result<orbit::FencedOutcome> write_if(orbit::Conditions conditions, orbit::WriteOps ops, bool sync);
//   static constexpr bool kShared = true;
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ext/storage_fenced.h"
#include "result.hpp"

namespace orbit {

enum class ConditionKind : uint32_t {
  absent = ORBIT_CONDITION_ABSENT,
  equals = ORBIT_CONDITION_EQUALS,
  fence = ORBIT_CONDITION_FENCE,  // absent or at most `value`; the batch sets it to `value` before its operations
};

struct Condition {
  ConditionKind kind;
  Bytes key;
  Bytes value;

  // Whether it holds where `found` is the key's value, or nothing.
  bool holds(std::optional<Bytes> found) const noexcept {
    switch (kind) {
      case ConditionKind::absent: return !found;
      case ConditionKind::equals: return found && *found == value;
      case ConditionKind::fence: return !found || *found <= value;
    }
    return false;
  }
};

// The conditions of a batch, borrowed for the call. Their kinds have been checked, and that no key comes twice.
class Conditions {
 public:
  Conditions(const orbit_condition* conditions, size_t count) noexcept : conditions_(conditions), count_(count) {}
  size_t size() const noexcept { return count_; }
  Condition operator[](size_t index) const noexcept {
    const orbit_condition& one = conditions_[index];
    return {static_cast<ConditionKind>(one.kind), from_c(one.key), from_c(one.value)};
  }

 private:
  const orbit_condition* conditions_;
  size_t count_;
};

// What became of a fenced write.
struct FencedOutcome {
  std::optional<size_t> failed;      // none: it was applied; otherwise a condition that does not hold, and nothing changed
  std::optional<std::string> found;  // the value of that condition's key; nothing: there is no such key
};

inline orbit_condition absent(Bytes key) noexcept { return {ORBIT_CONDITION_ABSENT, 0, to_c(key), {nullptr, 0}}; }
inline orbit_condition equals(Bytes key, Bytes value) noexcept { return {ORBIT_CONDITION_EQUALS, 0, to_c(key), to_c(value)}; }
inline orbit_condition fence(Bytes key, Bytes epoch) noexcept { return {ORBIT_CONDITION_FENCE, 0, to_c(key), to_c(epoch)}; }

// The puts that the fences among the conditions ask for; an engine applies them before the batch's own operations.
inline std::vector<orbit_write_op> fence_puts(Conditions conditions) {
  std::vector<orbit_write_op> out;
  for (size_t i = 0; i < conditions.size(); ++i)
    if (const Condition one = conditions[i]; one.kind == ConditionKind::fence)
      out.push_back({ORBIT_WRITE_PUT, 0, to_c(one.key), to_c(one.value)});
  return out;
}

namespace detail {

// As a person can read it: escaped, and cut when long.
inline std::string readable(Bytes bytes) {
  constexpr size_t kShownMax = 40;
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : bytes.substr(0, kShownMax)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && c != '"' && c != '\\')
      out += c;
    else
      out.append("\\x").append({kHex[byte >> 4], kHex[byte & 15]});
  }
  out += '"';
  if (bytes.size() > kShownMax) out += "... (" + std::to_string(bytes.size()) + " bytes)";
  return out;
}

inline Result<> check_conditions(std::span<const orbit_condition> conditions) {
  if (conditions.size() > ORBIT_CONDITIONS_MAX)
    return fail(Code::invalid_argument, "the batch has " + std::to_string(conditions.size()) + " conditions, at most " +
                                            std::to_string(ORBIT_CONDITIONS_MAX) + " are allowed");
  for (size_t i = 0; i < conditions.size(); ++i) {
    if (conditions[i].kind < ORBIT_CONDITION_ABSENT || conditions[i].kind > ORBIT_CONDITION_FENCE)
      return fail(Code::invalid_argument,
                  "condition " + std::to_string(i) + " has the unknown kind " + std::to_string(conditions[i].kind));
    for (size_t j = 0; j < i; ++j)
      if (from_c(conditions[i].key) == from_c(conditions[j].key))
        return fail(Code::invalid_argument, "the key " + readable(from_c(conditions[i].key)) + " is in two conditions");
  }
  return {};
}

inline Error condition_failed(Conditions conditions, const FencedOutcome& outcome) {
  const Condition one = conditions[*outcome.failed];
  std::string expected = one.kind == ConditionKind::absent   ? "to be absent"
                         : one.kind == ConditionKind::equals ? "to be " + readable(one.value)
                                                             : "to be at most " + readable(one.value);
  return {Code::aborted, "nothing was written: the key " + readable(one.key) + " is expected " + std::move(expected) +
                             ", found " + (outcome.found ? readable(*outcome.found) : std::string("no such key"))};
}

}  // namespace detail
}  // namespace orbit
