// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "uri_template.hpp"

#include <algorithm>

namespace orbit::mcp {
namespace {

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_letter_or_digit(char c) noexcept {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

}  // namespace

std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hex_digit(text[i + 1]);
    const int low = hex_digit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return out;
}

std::string percent_encode(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : bytes) {
    if (is_letter_or_digit(c) || c == '-' || c == '.' || c == '_' || c == '~') {
      out.push_back(c);
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out.append({'%', kDigits[byte >> 4], kDigits[byte & 15]});
  }
  return out;
}

Result<UriTemplate> UriTemplate::parse(std::string_view text) {
  UriTemplate out;
  out.text_ = text;
  std::string literal;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '}') return fail(Code::invalid_argument, "'" + out.text_ + "' has a '}' without a '{'");
    if (text[i] != '{') {
      literal.push_back(text[i]);
      continue;
    }
    const size_t end = text.find('}', i);
    if (end == std::string_view::npos) return fail(Code::invalid_argument, "'" + out.text_ + "' has a '{' without a '}'");
    const std::string_view name = text.substr(i + 1, end - i - 1);
    const bool plain = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) { return is_letter_or_digit(c) || c == '_'; });
    if (!plain)
      return fail(Code::invalid_argument, "'{" + std::string(name) + "}' in '" + out.text_ +
                                              "' is no plain variable (letters, digits, '_'); operators are not supported");
    if (literal.empty() && !out.variables_.empty())
      return fail(Code::invalid_argument, "'" + out.text_ + "' has two variables without text between them");
    out.literals_.push_back(std::exchange(literal, {}));
    out.variables_.emplace_back(name);
    i = end;
  }
  out.literals_.push_back(std::move(literal));
  return out;
}

std::optional<UriTemplate::Values> UriTemplate::match(std::string_view uri) const {
  if (!uri.starts_with(literals_.front())) return std::nullopt;
  uri.remove_prefix(literals_.front().size());
  Values values;
  for (size_t i = 0; i < variables_.size(); ++i) {
    const std::string& after = literals_[i + 1];
    const bool last = i + 1 == variables_.size();
    size_t size = std::string_view::npos;
    if (last)
      size = uri.ends_with(after) ? uri.size() - after.size() : std::string_view::npos;
    else
      size = uri.find(after);
    if (size == std::string_view::npos || size == 0) return std::nullopt;
    const std::string_view value = uri.substr(0, size);
    if (value.find_first_of("/?#") != std::string_view::npos) return std::nullopt;
    auto decoded = percent_decode(value);
    if (!decoded) return std::nullopt;
    values.emplace_back(variables_[i], std::move(*decoded));
    uri.remove_prefix(size + after.size());
  }
  if (!uri.empty()) return std::nullopt;
  return values;
}

}  // namespace orbit::mcp
