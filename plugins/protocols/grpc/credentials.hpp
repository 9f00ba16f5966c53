// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The metadata `authorization`, as HTTP has it: RFC 7617 (Basic), RFC 6750 (Bearer).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "orbit/result.hpp"

namespace orbit::grpc_wire {

struct Authorization {
  bool basic = false;  // else bearer
  std::string name;    // of basic
  std::string secret;  // the password, or the token
};

// UNAUTHENTICATED when it is neither, without repeating what it holds.
Result<Authorization> parse_authorization(std::string_view value);

// RFC 4648, with or without padding; nothing when it is no base64.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace orbit::grpc_wire
