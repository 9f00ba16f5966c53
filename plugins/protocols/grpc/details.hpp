// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Errors as gRPC's clients get them: a code, a message, and google.rpc details for programs.
#pragma once

#include <string_view>

#include "orbit/result.hpp"
#include "rpc.hpp"

namespace orbit::grpc_wire {

// Whom a call was for; parts may be empty.
struct Target {
  std::string_view type;
  std::string_view key;
  std::string_view method;
};

// With an ErrorInfo {reason: the code's name, domain: "orbit", metadata: type, key, method}, and for what is worth trying again
// (UNAVAILABLE, RESOURCE_EXHAUSTED, ABORTED) a RetryInfo.
Outcome outcome_of(const Error& error, const Target& target = {});

}  // namespace orbit::grpc_wire
