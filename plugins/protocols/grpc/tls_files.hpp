// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A look at the files for TLS before the server starts: gRPC's library would only refuse every handshake later.
#pragma once

#include <string>

#include "orbit/result.hpp"

namespace orbit::grpc_wire {

// The file has a certificate that counts today, and the key's file the key for it.
Result<> check_certificate(const std::string& certificate, const std::string& key);
// The file has at least one certificate.
Result<> check_authorities(const std::string& file);

}  // namespace orbit::grpc_wire
