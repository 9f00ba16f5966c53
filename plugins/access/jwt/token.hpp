// SPDX-License-Identifier: MIT OR BSD-3-Clause
// JSON Web Tokens (RFC 7519) in compact form, signed (RFC 7515), looked at as RFC 8725 advises: what algorithm counts is for the
// key to say, and never for the token alone.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "jwks.hpp"
#include "orbit/result.hpp"

namespace orbit::jwt {

inline constexpr size_t kTokenBytesMax = 16 * 1024;
inline constexpr size_t kRolesMax = 64;

struct Expected {
  std::string issuer;                   // empty: any
  std::vector<std::string> audiences;   // one of them; empty: any
  std::string name_claim = "sub";
  std::string roles_claim = "roles";    // a path of members: "realm_access.roles"
  uint64_t leeway_ms = 30'000;          // of clocks that differ
  bool needs_expiry = true;
};

struct Claims {
  std::string name;
  std::vector<std::string> roles;
  uint64_t expires_at_ms = 0;  // leeway included; 0: never
  std::string id;              // jti; empty: it has none
};

// Three parts with dots between: what is meant for somebody else is not looked at.
bool looks_like_token(std::string_view text) noexcept;

// UNAUTHENTICATED says what is wrong, for a log and not for the client.
Result<Claims> verify(std::string_view token, const std::vector<Key>& keys, const Expected& expected, uint64_t now_ms);

}  // namespace orbit::jwt
