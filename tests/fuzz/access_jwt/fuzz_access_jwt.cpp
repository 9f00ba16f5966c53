// SPDX-License-Identifier: MIT OR BSD-3-Clause
// JSON Web Tokens and key sets. The first byte says what the rest is: a key set; a token for keys that are there; or, so that what
// lies behind a signature is reached, the header and the claims (with a NUL between) of a token that is signed here.
#include <openssl/evp.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "token.hpp"

using namespace orbit::jwt;

namespace {

std::string encode(std::string_view bytes) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    for (count += 8; count >= 6; count -= 6) out += kAlphabet[bits >> (count - 6) & 63];
  }
  if (count > 0) out += kAlphabet[bits << (6 - count) & 63];
  return out;
}

struct Signer {
  std::shared_ptr<EVP_PKEY> key{EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), &EVP_PKEY_free};
  std::vector<Key> keys;

  Signer() {
    std::string raw(32, '\0');
    size_t size = raw.size();
    EVP_PKEY_get_raw_public_key(key.get(), reinterpret_cast<unsigned char*>(raw.data()), &size);
    auto parsed = parse_jwks(R"({"keys":[{"kty":"OKP","crv":"Ed25519","x":")" + encode(raw) + "\"}]}");
    if (!parsed) std::abort();
    keys = std::move(*parsed);
  }
  std::string sign(const std::string& text) const {
    std::string out(64, '\0');
    size_t size = out.size();
    EVP_MD_CTX* const context = EVP_MD_CTX_new();
    if (EVP_DigestSignInit(context, nullptr, nullptr, nullptr, key.get()) != 1 ||
        EVP_DigestSign(context, reinterpret_cast<unsigned char*>(out.data()), &size,
                       reinterpret_cast<const unsigned char*>(text.data()), text.size()) != 1)
      std::abort();
    EVP_MD_CTX_free(context);
    return out;
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Signer signer;
  static const Expected expected{.issuer = "me", .audiences = {"orbit"}, .roles_claim = "realm.roles"};
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  constexpr uint64_t kNowMs = 1'700'000'000'000;
  if (data[0] % 3 == 0) {
    const auto keys = parse_jwks(bytes);
    if (keys && keys->empty()) std::abort();
  } else if (data[0] % 3 == 1) {
    static_cast<void>(verify(bytes, signer.keys, expected, kNowMs));
  } else {
    const size_t end = std::min(bytes.find('\0'), bytes.size());
    const std::string text = encode(bytes.substr(0, end)) + "." + encode(bytes.substr(std::min(end + 1, bytes.size())));
    const auto claims = verify(text + "." + encode(signer.sign(text)), signer.keys, (data[0] & 128u) != 0 ? expected : Expected{}, kNowMs);
    if (claims && (claims->name.empty() || claims->roles.size() > kRolesMax || claims->expires_at_ms <= kNowMs)) std::abort();
  }
  return 0;
}
