// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "jwks.hpp"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>

namespace orbit::jwt {

namespace {

namespace json = boost::json;

constexpr size_t kModulusBytesMin = 256;   // 2048 bits, RFC 7518 section 3.3
constexpr size_t kModulusBytesMax = 1024;  // verifying with more takes long
constexpr size_t kP256Bytes = 32;
constexpr size_t kEd25519Bytes = 32;

template <auto Free>
struct Freeing {
  template <class T>
  void operator()(T* pointer) const noexcept {
    Free(pointer);
  }
};
using Bignum = std::unique_ptr<BIGNUM, Freeing<&BN_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Freeing<&EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Freeing<&EVP_MD_CTX_free>>;
using ParamsBuilder = std::unique_ptr<OSSL_PARAM_BLD, Freeing<&OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, Freeing<&OSSL_PARAM_free>>;

const unsigned char* octets(std::string_view text) noexcept { return reinterpret_cast<const unsigned char*>(text.data()); }

std::shared_ptr<EVP_PKEY> own(EVP_PKEY* key) { return {key, [](EVP_PKEY* k) { EVP_PKEY_free(k); }}; }

std::string_view text_of(const json::object& object, std::string_view name) {
  const auto* const value = object.if_contains(name);
  if (value == nullptr || !value->is_string()) return {};
  return {value->get_string().data(), value->get_string().size()};
}

// A member in base64url; nothing when it is missing or something else.
bool bytes_of(const json::object& object, std::string_view name, std::string& out) {
  const std::string_view text = text_of(object, name);
  return !text.empty() && decode_base64url(text, out) && !out.empty();
}

std::shared_ptr<EVP_PKEY> make_key(const char* kind, OSSL_PARAM_BLD* builder) {
  const Params params(OSSL_PARAM_BLD_to_param(builder));
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, kind, nullptr));
  EVP_PKEY* key = nullptr;
  if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1)
    return nullptr;
  return own(key);
}

Result<std::shared_ptr<EVP_PKEY>> rsa_key(const json::object& object) {
  std::string n;
  std::string e;
  if (!bytes_of(object, "n", n) || !bytes_of(object, "e", e)) return fail(Code::invalid_argument, "an RSA key needs n and e in base64url");
  n.erase(0, std::min(n.find_first_not_of('\0'), n.size()));
  if (n.size() < kModulusBytesMin || n.size() > kModulusBytesMax)
    return fail(Code::invalid_argument, "an RSA key of " + std::to_string(n.size() * 8) + " bits, expected 2048 to 8192");
  if (e.size() > 8) return fail(Code::invalid_argument, "an RSA key whose exponent has more than 64 bits");
  const Bignum modulus(BN_bin2bn(octets(n), static_cast<int>(n.size()), nullptr));
  const Bignum exponent(BN_bin2bn(octets(e), static_cast<int>(e.size()), nullptr));
  const ParamsBuilder builder(OSSL_PARAM_BLD_new());
  if (!builder || !modulus || !exponent || !BN_is_odd(exponent.get()) || BN_is_one(exponent.get()) || !BN_is_odd(modulus.get()) ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get()) != 1)
    return fail(Code::invalid_argument, "an RSA key that is none: n and e must be odd, e more than 1");
  auto key = make_key("RSA", builder.get());
  if (!key) return fail(Code::invalid_argument, "an RSA key that OpenSSL does not take");
  return key;
}

Result<std::shared_ptr<EVP_PKEY>> p256_key(const json::object& object) {
  std::string x;
  std::string y;
  if (!bytes_of(object, "x", x) || !bytes_of(object, "y", y) || x.size() != kP256Bytes || y.size() != kP256Bytes)
    return fail(Code::invalid_argument, "a P-256 key needs x and y, 32 bytes each in base64url");
  const std::string point = '\x04' + x + y;  // uncompressed, SEC 1 section 2.3.3
  const ParamsBuilder builder(OSSL_PARAM_BLD_new());
  if (!builder || OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) != 1)
    return fail(Code::resource_exhausted, "no memory for a P-256 key");
  auto key = make_key("EC", builder.get());
  if (!key) return fail(Code::invalid_argument, "a P-256 key that is no point of the curve");
  return key;
}

Result<std::shared_ptr<EVP_PKEY>> ed25519_key(const json::object& object) {
  std::string x;
  if (!bytes_of(object, "x", x) || x.size() != kEd25519Bytes)
    return fail(Code::invalid_argument, "an Ed25519 key needs x, 32 bytes in base64url");
  EVP_PKEY* const key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, octets(x), x.size());
  if (key == nullptr) return fail(Code::invalid_argument, "an Ed25519 key that OpenSSL does not take");
  return own(key);
}

bool parse_algorithm(std::string_view name, Algorithm& out) {
  constexpr std::pair<std::string_view, Algorithm> kNames[] = {
      {"RS256", Algorithm::rs256}, {"PS256", Algorithm::ps256}, {"ES256", Algorithm::es256}, {"EdDSA", Algorithm::eddsa}};
  for (const auto& [known, algorithm] : kNames)
    if (name == known) return out = algorithm, true;
  return false;
}

// The key, or nothing when it is of a kind that is left out.
Result<std::vector<Key>> parse_key(const json::object& object) {
  const std::string_view kind = text_of(object, "kty");
  const std::string_view curve = text_of(object, "crv");
  const std::string_view use = text_of(object, "use");
  if (!use.empty() && use != "sig") return std::vector<Key>{};
  Key out;
  out.id = text_of(object, "kid");
  Result<std::shared_ptr<EVP_PKEY>> made = nullptr;
  if (kind == "RSA") {
    out.algorithms = {Algorithm::rs256, Algorithm::ps256};
    made = rsa_key(object);
  } else if (kind == "EC" && curve == "P-256") {
    out.algorithms = {Algorithm::es256};
    made = p256_key(object);
  } else if (kind == "OKP" && curve == "Ed25519") {
    out.algorithms = {Algorithm::eddsa};
    made = ed25519_key(object);
  } else {
    return std::vector<Key>{};
  }
  if (!made) return tl::unexpected<Error>(made.error());
  out.key = std::move(*made);
  if (const std::string_view name = text_of(object, "alg"); !name.empty()) {
    Algorithm only;
    if (!parse_algorithm(name, only) || !out.fits(only)) return std::vector<Key>{};
    out.algorithms = {only};
  }
  return std::vector<Key>{std::move(out)};
}

// ES256's signature, two numbers of 32 bytes (RFC 7518 section 3.4), in DER.
bool to_der(std::string_view signature, std::string& out) {
  if (signature.size() != 2 * kP256Bytes) return false;
  const std::unique_ptr<ECDSA_SIG, Freeing<&ECDSA_SIG_free>> pair(ECDSA_SIG_new());
  Bignum r(BN_bin2bn(octets(signature), kP256Bytes, nullptr));
  Bignum s(BN_bin2bn(octets(signature.substr(kP256Bytes)), kP256Bytes, nullptr));
  if (!pair || !r || !s || ECDSA_SIG_set0(pair.get(), r.get(), s.get()) != 1) return false;
  static_cast<void>(r.release());
  static_cast<void>(s.release());
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(pair.get(), &der);
  if (size > 0) out.assign(reinterpret_cast<const char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return size > 0;
}

}  // namespace

bool decode_base64url(std::string_view text, std::string& out) {
  static constexpr unsigned char kNo = 0xff;
  static constexpr auto kValues = [] {
    std::array<unsigned char, 256> values{};
    values.fill(kNo);
    constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (size_t i = 0; i < kAlphabet.size(); ++i) values[static_cast<unsigned char>(kAlphabet[i])] = static_cast<unsigned char>(i);
    return values;
  }();
  out.clear();
  if (text.size() % 4 == 1) return false;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const unsigned char value = kValues[static_cast<unsigned char>(c)];
    if (value == kNo) return false;
    bits = bits << 6 | value;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out += static_cast<char>(bits >> count & 0xff);
  }
  return (bits & ((1u << count) - 1)) == 0;  // one text for each bytes
}

bool Key::fits(Algorithm algorithm) const { return std::find(algorithms.begin(), algorithms.end(), algorithm) != algorithms.end(); }

bool Key::verifies(Algorithm algorithm, std::string_view text, std::string_view signature) const {
  const DigestContext context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* options = nullptr;
  const EVP_MD* const digest = algorithm == Algorithm::eddsa ? nullptr : EVP_sha256();
  std::string der;
  if (algorithm == Algorithm::es256) {
    if (!to_der(signature, der)) return false;
    signature = der;
  }
  bool good = context && EVP_DigestVerifyInit(context.get(), &options, digest, nullptr, key.get()) == 1;
  if (good && algorithm == Algorithm::ps256)
    good = EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) > 0 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) > 0;
  good = good && EVP_DigestVerify(context.get(), octets(signature), signature.size(), octets(text), text.size()) == 1;
  ERR_clear_error();
  return good;
}

Result<std::vector<Key>> parse_jwks(std::string_view text) {
  json::error_code error;
  json::parse_options how;
  how.max_depth = 8;
  const json::value parsed = json::parse(text, error, {}, how);
  if (error) return fail(Code::invalid_argument, "it is no JSON: " + error.message());
  const json::value* keys = parsed.is_object() ? parsed.get_object().if_contains("keys") : nullptr;
  if (keys == nullptr || !keys->is_array()) return fail(Code::invalid_argument, "expected an object with the array 'keys'");
  if (keys->get_array().size() > kKeysMax)
    return fail(Code::resource_exhausted, std::to_string(keys->get_array().size()) + " keys, expected at most " + std::to_string(kKeysMax));
  std::vector<Key> out;
  for (const json::value& each : keys->get_array()) {
    if (!each.is_object()) return fail(Code::invalid_argument, "'keys' has something else than objects");
    auto key = parse_key(each.get_object());
    if (!key) return fail(key.error().code, "the key '" + std::string(text_of(each.get_object(), "kid")) + "': " + key.error().message);
    for (Key& made : *key) out.push_back(std::move(made));
  }
  ERR_clear_error();
  if (out.empty()) return fail(Code::invalid_argument, "no key for signatures of RS256, PS256, ES256 or EdDSA");
  return out;
}

bool has_all(const std::vector<Key>& now, const std::vector<Key>& before) {
  return std::all_of(before.begin(), before.end(), [&now](const Key& old) {
    return std::any_of(now.begin(), now.end(), [&old](const Key& key) {
      return key.id == old.id && key.algorithms == old.algorithms && EVP_PKEY_eq(key.key.get(), old.key.get()) == 1;
    });
  });
}

}  // namespace orbit::jwt
