// SPDX-License-Identifier: MIT OR BSD-3-Clause
// JSON Schema (2020-12, the default dialect of MCP) of protobuf messages in their JSON mapping.
#pragma once

#include <functional>
#include <string>

#include "json.hpp"

namespace google::protobuf {
class Descriptor;
class FieldDescriptor;
}  // namespace google::protobuf

namespace orbit::mcp {

// Requests are written for who writes them (64-bit numbers as numbers or strings, no unknown members); replies say what comes.
enum class SchemaFor { request, reply };

// Messages that are used more than once, and those that contain themselves, are in $defs. `leave_out` fields are not shown.
json::object message_schema(const google::protobuf::Descriptor& message, SchemaFor use,
                            const std::function<bool(const google::protobuf::FieldDescriptor&)>& leave_out);

// The comment before a declaration, without its markers; empty when the descriptors carry none.
template <class Descriptor>
std::string comment_of(const Descriptor& descriptor);

}  // namespace orbit::mcp
