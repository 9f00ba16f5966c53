// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Options, checked and turned into what gRPC wants.
#pragma once

#include <grpcpp/security/credentials.h>

#include <memory>
#include <string>

#include "orbit/client/client.hpp"

namespace orbit::client::detail {

// Throws std::invalid_argument: what was found and what is expected.
void check_options(const ClientOptions& options);
// Reads the files. Throws std::invalid_argument.
std::shared_ptr<grpc::ChannelCredentials> channel_credentials(const ClientOptions& options);
// Value of the metadata `authorization`; empty: none.
std::string authorization_of(const Credentials& credentials);

}  // namespace orbit::client::detail
