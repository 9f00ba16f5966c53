// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Writes the C++ of one .proto file.
#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/printer.h>

#include <string>
#include <vector>

#include "model.hpp"

namespace orbit::protoc {

// <name>.orbit.hpp: for each service a traits struct, a proxy and a base to derive from.
void emit_header(const google::protobuf::FileDescriptor& file, const std::vector<Service>& services,
                 google::protobuf::io::Printer& out);

// <name>.orbit.cpp: the descriptor set, as data.
void emit_source(const google::protobuf::FileDescriptor& file, const std::vector<Service>& services,
                 google::protobuf::io::Printer& out);

// <name>.client.hpp: for each service a proxy for clients outside the node (orbit/client/client.hpp). On a mistake returns false and
// sets *error to a sentence that names the method.
bool emit_client(const google::protobuf::FileDescriptor& file, const std::vector<Service>& services,
                 google::protobuf::io::Printer& out, std::string* error);

}  // namespace orbit::protoc
