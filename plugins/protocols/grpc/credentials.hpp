// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The metadata `authorization`, as HTTP has it: RFC 7617 (Basic), RFC 6750 (Bearer).
#pragma once

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

// The first certificate of PEM text as DER; empty when there is none.
std::string der_of_pem(std::string_view pem);

}  // namespace orbit::grpc_wire
