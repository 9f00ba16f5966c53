// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The client's certificate as gRPC tells it.
#pragma once

#include <string>
#include <string_view>

namespace orbit::grpc_wire {

// The first certificate of PEM text as DER; empty when there is none.
std::string der_of_pem(std::string_view pem);

}  // namespace orbit::grpc_wire
