// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The target of a request (RFC 9112 section 3.2), taken apart and percent-decoded.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "orbit/result.hpp"

namespace orbit::http {

struct Target {
  std::string authority;              // of an absolute-form target ("GET http://host:1/path"); else empty
  std::vector<std::string> segments;  // "/v1/a%2Fb" is {"v1", "a/b"}; decoded bytes, which may be any
  std::vector<std::pair<std::string, std::string>> query;
};

// INVALID_ARGUMENT for what is no URI: a stray '%', a byte that should have been encoded.
Result<Target> parse_target(std::string_view text);

// Percent-decodes; in a query '+' is a space. INVALID_ARGUMENT for a stray '%'.
Result<std::string> percent_decode(std::string_view text, bool plus_is_space = false);

}  // namespace orbit::http
