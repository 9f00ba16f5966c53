// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What a client sends as `Authorization` in HTTP, and as `authorization` in gRPC's metadata: RFC 7617 (Basic), RFC 6750
// (Bearer).
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "access.hpp"
#include "result.hpp"

namespace orbit {

// RFC 4648 section 4, with or without padding. Nothing: it is something else.
inline std::optional<std::string> decode_base64(std::string_view text) {
  const auto digit_of = [](char c) noexcept {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
  };
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
    const int digit = digit_of(c);
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

// How to give credentials, for the header WWW-Authenticate of a 401.
inline constexpr std::string_view kAuthenticateChallenge = "Bearer realm=\"orbit\", Basic realm=\"orbit\"";

struct Authorization {
  bool basic = false;  // else bearer
  std::string name;    // of basic
  std::string secret;  // the password, or the token

  // Borrowed from this.
  Credentials credentials(const char* peer) const noexcept {
    return {.mechanism = basic ? ORBIT_MECHANISM_PASSWORD : ORBIT_MECHANISM_BEARER,
            .name = name,
            .secret = secret,
            .peer = peer};
  }
};

// UNAUTHENTICATED when it is neither, without repeating what it holds.
inline Result<Authorization> parse_authorization(std::string_view value) {
  const size_t blank = std::min(value.find(' '), value.size());
  const std::string_view scheme = value.substr(0, blank);
  std::string_view rest = value.substr(blank);
  while (rest.starts_with(' ')) rest.remove_prefix(1);
  const auto is = [scheme](std::string_view wanted) {
    return std::equal(scheme.begin(), scheme.end(), wanted.begin(), wanted.end(), [](char a, char b) {
      return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
    });
  };
  if (is("bearer") && !rest.empty()) return Authorization{.basic = false, .name = {}, .secret = std::string(rest)};
  if (is("basic")) {
    const auto decoded = decode_base64(rest);
    const size_t colon = decoded ? decoded->find(':') : std::string::npos;
    if (colon != std::string::npos)
      return Authorization{.basic = true, .name = decoded->substr(0, colon), .secret = decoded->substr(colon + 1)};
  }
  return fail(
      Code::unauthenticated,
      "what was sent as authorization is neither 'Bearer TOKEN' nor 'Basic' with the base64 of 'NAME:PASSWORD'");
}

}  // namespace orbit
