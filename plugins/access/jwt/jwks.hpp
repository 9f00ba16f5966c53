// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A set of public keys, JSON Web Key Set (RFC 7517, 7518, 8037): RSA, EC P-256 and Ed25519.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "orbit/result.hpp"

struct evp_pkey_st;

namespace orbit::jwt {

inline constexpr size_t kKeysMax = 100;
inline constexpr size_t kJwksBytesMax = 1024 * 1024;

enum class Algorithm { rs256, ps256, es256, eddsa };

struct Key {
  std::string id;                    // kid; empty: it has none
  std::vector<Algorithm> algorithms;  // that it may be used with
  std::shared_ptr<evp_pkey_st> key;

  bool fits(Algorithm algorithm) const;
  // Whether `signature` (as in a JWS) is that of `text`.
  bool verifies(Algorithm algorithm, std::string_view text, std::string_view signature) const;
};

// Keys of other kinds, or for encryption, are left out, as RFC 7517 section 5 wants it; a broken one refuses the whole set, and so
// does a set without any that can be used.
Result<std::vector<Key>> parse_jwks(std::string_view json);

// Whether each key of `before` is in `now` as well, for the same uses.
bool has_all(const std::vector<Key>& now, const std::vector<Key>& before);

// Base64url without padding, RFC 7515 section 2. False: it is something else.
bool decode_base64url(std::string_view text, std::string& out);

}  // namespace orbit::jwt
