// SPDX-License-Identifier: MIT OR BSD-3-Clause
// gRPC's statuses as failures.
#pragma once

#include <grpcpp/support/status.h>

#include "orbit/client/call.hpp"

namespace orbit::client::detail {

// Of an RPC that was begun; status is not OK.
Failure failure_of(const grpc::Status& status);
// One that the client makes itself: no actor has seen the call.
inline Failure own_failure(Code code, std::string message) {
  Failure out;
  out.code = code;
  out.message = std::move(message);
  return out;
}

}  // namespace orbit::client::detail
