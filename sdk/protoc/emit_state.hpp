// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What the options about state add to the generated C++: named states, indexes, journals, versions.
#pragma once

#include <google/protobuf/io/printer.h>

#include <map>
#include <string>

#include "model.hpp"

namespace orbit::protoc {

using Variables = std::map<std::string, std::string>;

// Inside the traits struct.
void emit_state_traits(const Service& service, google::protobuf::io::Printer& out);
// Inside the proxy: by_name().
void emit_queries(const Service& service, google::protobuf::io::Printer& out);
// Inside the base class.
void emit_state_accessors(const Service& service, google::protobuf::io::Printer& out);

}  // namespace orbit::protoc
