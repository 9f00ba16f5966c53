// SPDX-License-Identifier: MIT OR BSD-3-Clause
// How names of a .proto are spelled in C++.
#pragma once

#include <google/protobuf/descriptor.h>

#include <string>
#include <string_view>
#include <vector>

namespace orbit::protoc {

// "MakeTransfer" -> "make_transfer", "GetURLNow" -> "get_url_now". A C++ keyword gets a trailing '_'.
std::string snake_case(std::string_view name);

// "a.b" -> {"a", "b"}.
std::vector<std::string> split(std::string_view dotted);

// "::bank::DepositRequest", as protoc's own C++ generator names the class.
std::string cpp_class(const google::protobuf::Descriptor& message);

// "dir/bank.proto" -> "dir/bank".
std::string without_proto_ending(std::string_view file);

// Text as the inside of a C++ string literal.
std::string escaped(std::string_view text);

}  // namespace orbit::protoc
