// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "credentials.hpp"

#include <algorithm>
#include <optional>

namespace orbit::grpc_wire {

namespace {

int base64_digit(char c) noexcept {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

// RFC 4648; white space is passed over when `lines`.
std::optional<std::string> from_base64(std::string_view text, bool lines) {
  std::string out;
  uint32_t bits = 0;
  int held = 0;
  size_t digits = 0;
  size_t padding = 0;
  for (const char c : text) {
    if (lines && (c == '\n' || c == '\r' || c == ' ' || c == '\t')) continue;
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

bool same_scheme(std::string_view scheme, std::string_view wanted) noexcept {
  return std::equal(scheme.begin(), scheme.end(), wanted.begin(), wanted.end(), [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
  });
}

}  // namespace

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
    const auto decoded = from_base64(rest, false);
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

std::string der_of_pem(std::string_view pem) {
  constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----";
  constexpr std::string_view kEnd = "-----END CERTIFICATE-----";
  const size_t begin = pem.find(kBegin);
  if (begin == std::string_view::npos) return {};
  const size_t from = begin + kBegin.size();
  const size_t end = pem.find(kEnd, from);
  if (end == std::string_view::npos) return {};
  return from_base64(pem.substr(from, end - from), true).value_or(std::string());
}

}  // namespace orbit::grpc_wire
