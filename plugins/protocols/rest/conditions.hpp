// SPDX-License-Identifier: MIT OR BSD-3-Clause
// If-Match and If-None-Match (RFC 9110 section 13) over the versions of an actor's state.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "orbit/http/message.hpp"
#include "orbit/result.hpp"

namespace orbit::rest {

// "\"17\""
std::string etag_of(uint64_t version);

class Conditions {
 public:
  // INVALID_ARGUMENT for a header that is no list of entity tags.
  static Result<Conditions> parse(const http::Request& request);

  bool any() const noexcept { return if_match_ || if_none_match_; }
  // version 0: there is no state.
  bool if_match_holds(uint64_t version) const noexcept { return !if_match_ || contains(match_, match_any_, version); }
  bool if_none_match_holds(uint64_t version) const noexcept { return !if_none_match_ || !contains(none_match_, none_match_any_, version); }

 private:
  static bool contains(const std::vector<uint64_t>& versions, bool any, uint64_t version) noexcept;

  bool if_match_ = false, match_any_ = false;
  bool if_none_match_ = false, none_match_any_ = false;
  std::vector<uint64_t> match_, none_match_;
};

}  // namespace orbit::rest
