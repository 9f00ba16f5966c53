// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "credentials.hpp"

#include <algorithm>

namespace orbit::grpc_wire {

namespace {

int base64_digit(char c) noexcept {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool same_scheme(std::string_view scheme, std::string_view wanted) noexcept {
  return std::equal(scheme.begin(), scheme.end(), wanted.begin(), wanted.end(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b; });
}

}  // namespace

std::optional<std::string> from_base64(std::string_view text) {
  std::string out;
  uint32_t bits = 0;
  int held = 0;
  size_t digits = 0;
  size_t padding = 0;
  for (const char c : text) {
    if (c == '=') {
      ++padding;
      continue;
    }
    const int digit = base64_digit(c);
    if (digit < 0 || padding != 0) return std::nullopt;
    ++digits;
    bits = (bits << 6) | static_cast<uint32_t>(digit);
    held += 6;
    if (held >= 8) {
      held -= 8;
      out.push_back(static_cast<char>((bits >> held) & 0xff));
    }
  }
  if (digits % 4 == 1 || padding > 2 || (padding != 0 && (digits + padding) % 4 != 0)) return std::nullopt;
  return out;
}

Result<Authorization> parse_authorization(std::string_view value) {
  const size_t blank = value.find(' ');
  const std::string_view scheme = value.substr(0, blank);
  std::string_view rest = blank == std::string_view::npos ? std::string_view() : value.substr(blank);
  while (rest.starts_with(' ')) rest.remove_prefix(1);
  Authorization out;
  if (same_scheme(scheme, "bearer") && !rest.empty()) {
    out.secret = rest;
    return out;
  }
  if (same_scheme(scheme, "basic")) {
    const auto decoded = from_base64(rest);
    const size_t colon = decoded ? decoded->find(':') : std::string::npos;
    if (colon != std::string::npos) {
      out.basic = true;
      out.name = decoded->substr(0, colon);
      out.secret = decoded->substr(colon + 1);
      return out;
    }
  }
  return fail(Code::unauthenticated,
              "the metadata 'authorization' is neither 'Bearer TOKEN' nor 'Basic' with the base64 of 'NAME:PASSWORD'");
}

}  // namespace orbit::grpc_wire
