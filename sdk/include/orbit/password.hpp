// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What is stored of passwords and tokens. Whoever includes this links OpenSSL's libcrypto (3.0 or later).
//
//   $scrypt$ln=15,r=8,p=1$SALT$HASH   a password: scrypt (RFC 7914), salt and hash in base64 without padding
//   $sha256$HEX                       a token of high entropy: SHA-256, which is no protection for what a person thought up
#pragma once

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "result.hpp"

namespace orbit {

// The work of one hash: 2^log2_n rounds over 128 * r * 2^log2_n bytes of memory, p times.
struct PasswordCost {
  uint32_t log2_n = 15;  // 32 MiB
  uint32_t r = 8;
  uint32_t p = 1;

  static constexpr uint64_t kMemoryMax = 256ULL * 1024 * 1024;
  uint64_t memory_bytes() const noexcept { return (uint64_t{128} * r) << log2_n; }
  bool bounded() const noexcept {
    return log2_n >= 10 && log2_n <= 24 && r >= 1 && r <= 32 && p >= 1 && p <= 16 && memory_bytes() <= kMemoryMax;
  }
};

namespace detail {

inline constexpr size_t kPasswordHashBytes = 32;
inline constexpr size_t kPasswordSaltBytes = 16;
using PasswordHash = std::array<unsigned char, kPasswordHashBytes>;

inline std::string base64_without_padding(const unsigned char* data, size_t size) {
  std::string out((size + 2) / 3 * 4 + 1, '\0');
  const int written = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), data, static_cast<int>(size));
  out.resize(static_cast<size_t>(written));
  while (out.ends_with('=')) out.pop_back();
  return out;
}

inline std::optional<std::string> bytes_of_base64(std::string_view text) {
  std::string padded(text);
  if (text.empty() || text.size() > 1024 || text.size() % 4 == 1 || text.find('=') != std::string_view::npos) return std::nullopt;
  const size_t padding = (4 - text.size() % 4) % 4;
  padded.append(padding, '=');
  std::string out(padded.size() / 4 * 3, '\0');
  const int got = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                  reinterpret_cast<const unsigned char*>(padded.data()), static_cast<int>(padded.size()));
  if (got < 0) return std::nullopt;
  out.resize(static_cast<size_t>(got) - padding);
  return out;
}

inline std::optional<PasswordHash> scrypt(std::string_view password, std::string_view salt, const PasswordCost& cost) {
  PasswordHash out{};
  // OpenSSL counts some more than the algorithm's own memory.
  const bool done = EVP_PBE_scrypt(password.data(), password.size(), reinterpret_cast<const unsigned char*>(salt.data()),
                                   salt.size(), uint64_t{1} << cost.log2_n, cost.r, cost.p,
                                   cost.memory_bytes() + (uint64_t{cost.r} * cost.p + 64) * 1024, out.data(), out.size()) == 1;
  if (!done) return std::nullopt;
  return out;
}

inline std::string sha256_hex(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  unsigned char digest[32] = {};
  unsigned size = 0;
  if (EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha256(), nullptr) != 1) return {};
  std::string out;
  for (const unsigned char byte : digest) out += {kHex[byte >> 4], kHex[byte & 15]};
  return out;
}

inline bool same_bytes(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace detail

// Something stored that a secret can be compared with.
class StoredSecret {
 public:
  enum class Kind { password, token };

  static Result<StoredSecret> parse(std::string_view text) {
    StoredSecret out;
    constexpr std::string_view kToken = "$sha256$";
    constexpr std::string_view kScrypt = "$scrypt$";
    if (text.starts_with(kToken)) {
      out.kind_ = Kind::token;
      out.hash_ = text.substr(kToken.size());
      if (out.hash_.size() != 64 || out.hash_.find_first_not_of("0123456789abcdef") != std::string::npos)
        return fail(Code::invalid_argument, "a token's hash: expected $sha256$ and 64 hexadecimal digits in lower case");
      return out;
    }
    if (!text.starts_with(kScrypt))
      return fail(Code::invalid_argument, "expected $scrypt$... (`orbitd --hash-password` makes one) or $sha256$...");
    text.remove_prefix(kScrypt.size());
    if (!take(text, "ln=", ',', out.cost_.log2_n) || !take(text, "r=", ',', out.cost_.r) || !take(text, "p=", '$', out.cost_.p))
      return fail(Code::invalid_argument, "a password's hash: expected $scrypt$ln=15,r=8,p=1$SALT$HASH");
    if (!out.cost_.bounded())
      return fail(Code::invalid_argument, "a password's hash: ln, r and p ask for more work than one may, or for too little; "
                                          "expected ln 10 to 24, r 1 to 32, p 1 to 16, at most 256 MiB");
    const size_t dollar = text.find('$');
    const auto salt = detail::bytes_of_base64(text.substr(0, dollar));
    const auto hash = dollar == std::string_view::npos ? std::nullopt : detail::bytes_of_base64(text.substr(dollar + 1));
    if (!salt || !hash || hash->size() != detail::kPasswordHashBytes)
      return fail(Code::invalid_argument, "a password's hash: salt or hash is no base64 without padding of 32 bytes");
    out.salt_ = *salt;
    out.hash_ = *hash;
    return out;
  }

  Kind kind() const noexcept { return kind_; }
  // Takes as long for a wrong secret as for the right one. A password's takes long: not on a worker.
  bool matches(std::string_view secret) const {
    if (kind_ == Kind::token) return detail::same_bytes(detail::sha256_hex(secret), hash_);
    const auto made = detail::scrypt(secret, salt_, cost_);
    return made && detail::same_bytes({reinterpret_cast<const char*>(made->data()), made->size()}, hash_);
  }
  // Of a token: what `token_hash` makes of the right one, for finding it.
  const std::string& hash() const noexcept { return hash_; }

 private:
  static bool take(std::string_view& text, std::string_view key, char end, uint32_t& value) noexcept {
    if (!text.starts_with(key)) return false;
    text.remove_prefix(key.size());
    const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || at == text.data() + text.size() || *at != end) return false;
    text.remove_prefix(static_cast<size_t>(at - text.data()) + 1);
    return true;
  }

  Kind kind_ = Kind::password;
  PasswordCost cost_;
  std::string salt_;
  std::string hash_;
};

// What to store of a password, with a new salt.
inline Result<std::string> hash_password(std::string_view password, const PasswordCost& cost = {}) {
  if (!cost.bounded()) return fail(Code::invalid_argument, "this cost of a password's hash is out of bounds");
  unsigned char salt[detail::kPasswordSaltBytes];
  if (RAND_bytes(salt, sizeof salt) != 1) return fail(Code::unavailable, "the system has no random numbers");
  const auto hash = detail::scrypt(password, {reinterpret_cast<const char*>(salt), sizeof salt}, cost);
  if (!hash) return fail(Code::resource_exhausted, "no memory for a password's hash");
  return "$scrypt$ln=" + std::to_string(cost.log2_n) + ",r=" + std::to_string(cost.r) + ",p=" + std::to_string(cost.p) + "$" +
         detail::base64_without_padding(salt, sizeof salt) + "$" + detail::base64_without_padding(hash->data(), hash->size());
}

inline std::string hash_token(std::string_view token) { return "$sha256$" + detail::sha256_hex(token); }

}  // namespace orbit
