// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "orbit/http/target.hpp"

#include <algorithm>
#include <array>

namespace orbit::http {

namespace {

constexpr std::array<bool, 256> make_uri_table() {
  std::array<bool, 256> table{};
  for (int c = '0'; c <= '9'; ++c) table[static_cast<size_t>(c)] = true;
  for (int c = 'a'; c <= 'z'; ++c) table[static_cast<size_t>(c)] = table[static_cast<size_t>(c - 'a' + 'A')] = true;
  // RFC 3986: unreserved, sub-delims, ":" and "@"; "/" and "?" are dealt with where they stand.
  for (const char c : {'-', '.', '_', '~', '!', '$', '&', '\'', '(', ')', '*', '+', ',', ';', '=', ':', '@', '%', '/', '?'})
    table[static_cast<unsigned char>(c)] = true;
  return table;
}
constexpr std::array<bool, 256> kUriChars = make_uri_table();

int hex(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

tl::unexpected<Error> no_uri() {
  return fail(Code::invalid_argument,
              "the request target is no URI: percent-encode every byte that is no letter, digit or one of - . _ ~");
}

}  // namespace

Result<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      const int high = i + 2 < text.size() ? hex(text[i + 1]) : -1, low = high < 0 ? -1 : hex(text[i + 2]);
      if (low < 0) return no_uri();
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      out += plus_is_space && text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

Result<Target> parse_target(std::string_view text) {
  Target out;
  if (!text.starts_with('/')) {
    const size_t scheme = text.find("://");
    if (scheme == std::string_view::npos || scheme == 0) return no_uri();
    text.remove_prefix(scheme + 3);
    const size_t path = std::min(text.find_first_of("/?"), text.size());
    const std::string_view authority = text.substr(0, path);
    // An IPv6 literal's brackets are the only reserved characters of an authority that are not in the table.
    for (const char c : authority)
      if (!kUriChars[static_cast<unsigned char>(c)] && c != '[' && c != ']') return no_uri();
    if (authority.empty()) return no_uri();
    out.authority = authority.substr(authority.rfind('@') + 1);
    text.remove_prefix(path);
  }
  for (const char c : text)
    if (!kUriChars[static_cast<unsigned char>(c)]) return no_uri();
  const size_t question = std::min(text.find('?'), text.size());
  std::string_view path = text.substr(0, question), query = text.substr(std::min(question + 1, text.size()));
  if (path.starts_with('/') && path.size() > 1) {
    path.remove_prefix(1);
    for (size_t end = 0; end != std::string_view::npos;) {
      end = path.find('/');
      auto segment = percent_decode(path.substr(0, end));
      if (!segment) return tl::unexpected<Error>(segment.error());
      out.segments.push_back(std::move(*segment));
      if (end != std::string_view::npos) path.remove_prefix(end + 1);
    }
  }
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (pair.empty()) continue;
    const size_t equals = std::min(pair.find('='), pair.size());
    auto name = percent_decode(pair.substr(0, equals), true);
    auto value = percent_decode(pair.substr(std::min(equals + 1, pair.size())), true);
    if (!name || !value) return no_uri();
    out.query.emplace_back(std::move(*name), std::move(*value));
  }
  return out;
}

}  // namespace orbit::http
