// SPDX-License-Identifier: MIT OR BSD-3-Clause
// google.api.http: paths that the author of a service chose for its methods. The annotation is read from the option's bytes by
// its number (72295728), so it works with whichever copy of google/api/annotations.proto a module was made with.
#pragma once

#include <google/protobuf/descriptor.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "orbit/result.hpp"

namespace orbit::rest {

struct PathPart {
  enum class Kind { literal, one, rest };  // "v1", "*", "**"
  Kind kind = Kind::literal;
  std::string literal;
};

// A field that parts of the path are the value of: "{book.name=shelves/*}" is field book.name, parts [1, 3) of
// "/v1/shelves/*".
struct PathVariable {
  std::string field;
  size_t begin = 0;
  size_t end = 0;
};

struct HttpRule {
  std::string method;         // "GET"
  std::string path;           // as written
  std::vector<PathPart> parts;
  std::vector<PathVariable> variables;
  std::string verb;           // "cancel" of "/v1/jobs/*:cancel"
  std::string body;           // a field's name, "*" for the whole request, empty: no body
  std::string response_body;  // a field's name; empty: the whole answer

  // The variables' values, when the path (as sent, still percent-encoded) is one of these.
  std::optional<std::vector<std::pair<std::string_view, std::string>>> match(std::string_view method_sent,
                                                                             std::string_view path_sent) const;
};

// The method's rules with their additional_bindings; rules that make no sense are left out and told to `complain`.
std::vector<HttpRule> http_rules(const google::protobuf::MethodDescriptor& method, std::vector<std::string>& complaints);

// A template by itself: "/v1/{name=shelves/*}:read".
Result<> parse_template(std::string_view text, HttpRule& rule);

}  // namespace orbit::rest
