// SPDX-License-Identifier: MIT OR BSD-3-Clause
// URI templates (RFC 6570) of level 1: text with {variables}. Used backwards: which values make this URI of the template?
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "orbit/result.hpp"

namespace orbit::mcp {

// Percent-decodes; nothing when a '%' is not followed by two hexadecimal digits.
std::optional<std::string> percent_decode(std::string_view text);
// Percent-encodes all but unreserved characters (RFC 3986 section 2.3).
std::string percent_encode(std::string_view bytes);

class UriTemplate {
 public:
  using Values = std::vector<std::pair<std::string, std::string>>;

  // The error says what is wrong with it: operators, two variables without text between them, an unclosed brace.
  static Result<UriTemplate> parse(std::string_view text);

  const std::string& text() const noexcept { return text_; }
  const std::vector<std::string>& variables() const noexcept { return variables_; }
  // A variable takes one or more characters other than '/', '?' and '#'; values are percent-decoded.
  std::optional<Values> match(std::string_view uri) const;

 private:
  std::string text_;
  std::vector<std::string> literals_;  // one more than variables: around them
  std::vector<std::string> variables_;
};

}  // namespace orbit::mcp
