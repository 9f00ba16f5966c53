// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <functional>

#include "token.hpp"

namespace orbit::jwt {

namespace {

constexpr uint64_t kNowMs = 1'700'000'000'000;

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

std::string number(EVP_PKEY* key, const char* name) {
  BIGNUM* value = nullptr;
  REQUIRE(EVP_PKEY_get_bn_param(key, name, &value) == 1);
  std::string out(static_cast<size_t>(BN_num_bytes(value)), '\0');
  BN_bn2bin(value, reinterpret_cast<unsigned char*>(out.data()));
  BN_free(value);
  return out;
}

std::string padded(std::string text, size_t size) { return std::string(size - text.size(), '\0') + text; }

// A key pair with its JWK and its way to sign.
struct Signer {
  std::shared_ptr<EVP_PKEY> key;
  std::string jwk;
  std::string algorithm;

  std::string sign(const std::string& text) const {
    EVP_MD_CTX* const context = EVP_MD_CTX_new();
    EVP_PKEY_CTX* options = nullptr;
    REQUIRE(EVP_DigestSignInit(context, &options, algorithm == "EdDSA" ? nullptr : EVP_sha256(), nullptr, key.get()) == 1);
    if (algorithm == "PS256") {
      EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING);
      EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST);
    }
    std::string out(1024, '\0');
    size_t size = out.size();
    REQUIRE(EVP_DigestSign(context, reinterpret_cast<unsigned char*>(out.data()), &size,
                           reinterpret_cast<const unsigned char*>(text.data()), text.size()) == 1);
    EVP_MD_CTX_free(context);
    out.resize(size);
    if (algorithm != "ES256") return out;
    const auto* at = reinterpret_cast<const unsigned char*>(out.data());
    ECDSA_SIG* const pair = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(out.size()));
    std::string raw(64, '\0');
    BN_bn2binpad(ECDSA_SIG_get0_r(pair), reinterpret_cast<unsigned char*>(raw.data()), 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(pair), reinterpret_cast<unsigned char*>(raw.data()) + 32, 32);
    ECDSA_SIG_free(pair);
    return raw;
  }
  std::string token(const std::string& claims, const std::string& header = {}) const {
    const std::string text =
        encode(header.empty() ? R"({"alg":")" + algorithm + R"(","kid":")" + algorithm + R"("})" : header) + "." + encode(claims);
    return text + "." + encode(sign(text));
  }
};

Signer make(const std::string& algorithm) {
  Signer out;
  out.algorithm = algorithm;
  const std::string id = R"("kid":")" + algorithm + R"(","use":"sig")";
  if (algorithm == "ES256") {
    out.key = {EVP_EC_gen("P-256"), &EVP_PKEY_free};
    out.jwk = R"({"kty":"EC","crv":"P-256",)" + id + R"(,"x":")" + encode(padded(number(out.key.get(), OSSL_PKEY_PARAM_EC_PUB_X), 32)) +
              R"(","y":")" + encode(padded(number(out.key.get(), OSSL_PKEY_PARAM_EC_PUB_Y), 32)) + "\"}";
  } else if (algorithm == "EdDSA") {
    out.key = {EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), &EVP_PKEY_free};
    std::string raw(32, '\0');
    size_t size = raw.size();
    EVP_PKEY_get_raw_public_key(out.key.get(), reinterpret_cast<unsigned char*>(raw.data()), &size);
    out.jwk = R"({"kty":"OKP","crv":"Ed25519",)" + id + R"(,"x":")" + encode(raw) + "\"}";
  } else {
    out.key = {EVP_RSA_gen(2048), &EVP_PKEY_free};
    out.jwk = R"({"kty":"RSA","alg":")" + algorithm + "\"," + id + R"(,"n":")" + encode(number(out.key.get(), OSSL_PKEY_PARAM_RSA_N)) +
              R"(","e":")" + encode(number(out.key.get(), OSSL_PKEY_PARAM_RSA_E)) + "\"}";
  }
  return out;
}

std::vector<Key> keys_of(std::initializer_list<std::string> jwks) {
  std::string text = R"({"keys":[)";
  for (const std::string& jwk : jwks) text += (text.back() == '[' ? "" : ",") + jwk;
  auto parsed = parse_jwks(text + "]}");
  REQUIRE_MESSAGE(parsed.has_value(), parsed.error().message);
  return *parsed;
}

std::string refusal(const Result<Claims>& result) {
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().code == Code::unauthenticated);
  return result.error().message;
}

const std::string kGood = R"({"sub":"alice","exp":1700000100,"roles":["teller","viewer"]})";

}  // namespace

TEST_CASE("tokens of each algorithm are believed, and no other key of the set makes them good") {
  const Signer signers[] = {make("RS256"), make("PS256"), make("ES256"), make("EdDSA")};
  const auto keys = keys_of({signers[0].jwk, signers[1].jwk, signers[2].jwk, signers[3].jwk});
  CHECK(keys.size() == 4);
  for (const Signer& signer : signers) {
    CAPTURE(signer.algorithm);
    const auto claims = verify(signer.token(kGood), keys, {}, kNowMs);
    REQUIRE_MESSAGE(claims.has_value(), claims.error().message);
    CHECK(claims->name == "alice");
    CHECK(claims->roles == std::vector<std::string>{"teller", "viewer"});
    CHECK(claims->expires_at_ms == 1'700'000'130'000);
    const Signer other = make(signer.algorithm);
    CHECK(refusal(verify(other.token(kGood), keys, {}, kNowMs)) == "its signature is wrong");
    // Each byte of the signed text and of the signature counts.
    const std::string good = signer.token(kGood);
    for (const size_t at : {size_t{0}, good.find('.') + 3, good.rfind('.') + 5}) {
      std::string bad = good;
      bad[at] = bad[at] == 'A' ? 'B' : 'A';
      CHECK_FALSE(verify(bad, keys, {}, kNowMs).has_value());
    }
  }
}

TEST_CASE("what algorithm counts is for the key to say") {
  const Signer rsa = make("RS256");
  const auto keys = keys_of({rsa.jwk});
  for (const char* header : {R"({"alg":"none"})", R"({"alg":"HS256"})", R"({"alg":"rs256"})", R"({"typ":"JWT"})", R"({"alg":["RS256"]})"})
    CHECK(refusal(verify(rsa.token(kGood, header), keys, {}, kNowMs)) == "its alg is none of RS256, PS256, ES256, EdDSA");
  CHECK(refusal(verify(rsa.token(kGood, R"({"alg":"PS256"})"), keys, {}, kNowMs)) == "no key of the set fits its kid and alg");
  CHECK(refusal(verify(rsa.token(kGood, R"({"alg":"RS256","kid":"other"})"), keys, {}, kNowMs)) == "no key of the set fits its kid and alg");
  CHECK(refusal(verify(rsa.token(kGood, R"({"alg":"RS256","crit":["exp"]})"), keys, {}, kNowMs)) ==
        "its header has 'crit', and no extension is known");
  CHECK(verify(rsa.token(kGood, R"({"alg":"RS256"})"), keys, {}, kNowMs).has_value());  // without kid every key is tried
}

TEST_CASE("times, issuer and audience must be as expected") {
  const Signer signer = make("EdDSA");
  const auto keys = keys_of({signer.jwk});
  const auto look = [&](const std::string& claims, const Expected& expected) {
    return verify(signer.token(claims), keys, expected, kNowMs);
  };
  CHECK(refusal(look(R"({"sub":"a","exp":1699999970})", {})) == "it has expired");
  CHECK(look(R"({"sub":"a","exp":1699999971})", {}).has_value());  // within the leeway
  CHECK(refusal(look(R"({"sub":"a"})", {})) == "it has no exp");
  CHECK(look(R"({"sub":"a"})", {.needs_expiry = false})->expires_at_ms == 0);
  CHECK(refusal(look(R"({"sub":"a","exp":"soon"})", {})) == "exp is no time");
  CHECK(refusal(look(R"({"sub":"a","exp":1e300})", {})) == "exp is no time");
  CHECK(refusal(look(R"({"sub":"a","exp":-1})", {})) == "exp is no time");
  CHECK(refusal(look(R"({"sub":"a","exp":1700000100,"nbf":1700000031})", {})) == "it is not valid yet");
  CHECK(look(R"({"sub":"a","exp":1700000100.5,"nbf":1700000030})", {}).has_value());
  const Expected strict{.issuer = "https://me/", .audiences = {"orbit", "other"}};
  CHECK(refusal(look(R"({"sub":"a","exp":1700000100,"aud":"orbit"})", strict)) == "iss is not the expected issuer");
  CHECK(refusal(look(R"({"sub":"a","exp":1700000100,"iss":"https://me/","aud":["x"]})", strict)) == "aud has none of the expected audiences");
  CHECK(look(R"({"sub":"a","exp":1700000100,"iss":"https://me/","aud":["x","orbit"]})", strict).has_value());
  CHECK(look(R"({"sub":"a","exp":1700000100,"iss":"https://me/","aud":"other"})", strict).has_value());
}

TEST_CASE("name and roles come from the claims that are asked for") {
  const Signer signer = make("EdDSA");
  const auto keys = keys_of({signer.jwk});
  const auto look = [&](const std::string& claims, const Expected& expected) {
    return verify(signer.token(claims), keys, expected, kNowMs);
  };
  const Expected nested{.name_claim = "user.name", .roles_claim = "a.b", .needs_expiry = false};
  CHECK(look(R"({"user":{"name":"bob"},"a":{"b":["r"]}})", nested)->roles == std::vector<std::string>{"r"});
  CHECK(look(R"({"user.name":"bob","a.b":" x  y "})", nested)->roles == std::vector<std::string>{"x", "y"});
  CHECK(look(R"({"user":{"name":"bob"}})", nested)->roles.empty());
  CHECK(refusal(look(R"({"user":"bob"})", nested)) == "the claim user.name has no name");
  CHECK(refusal(look(R"({"user":{"name":7}})", nested)) == "the claim user.name has no name");
  CHECK(refusal(look(R"({"user":{"name":"b"},"a":{"b":7}})", nested)) == "the claim of the roles is neither an array nor a text");
  CHECK(refusal(look(R"({"user":{"name":"b"},"a":{"b":[7]}})", nested)) == "the claim of the roles has something else than texts");
  std::string many = R"({"user":{"name":"b"},"a":{"b":["r")";
  for (int i = 0; i < 64; ++i) many += R"(,"r")";
  CHECK(refusal(look(many + "]}}", nested)) == "65 roles, expected at most 64");
}

TEST_CASE("what is no token is refused before any key is used") {
  const auto keys = keys_of({make("EdDSA").jwk});
  for (const char* text : {"", ".", "..", "a.b", "a.b.c.d", ".b.c", "a.b."}) {
    CHECK_FALSE(looks_like_token(text));
    CHECK_FALSE(verify(text, keys, {}, kNowMs).has_value());
  }
  CHECK(refusal(verify("!.b.c", keys, {}, kNowMs)) == "its header is no JSON object in base64url");
  CHECK(refusal(verify(encode("[]") + ".b.c", keys, {}, kNowMs)) == "its header is no JSON object in base64url");
  CHECK(refusal(verify(encode(R"({"alg":"EdDSA"})") + ".b.c==", keys, {}, kNowMs)) == "its signature is no base64url");
  CHECK(refusal(verify(std::string(20'000, 'a'), keys, {}, kNowMs)).find("expected at most 16384") != std::string::npos);
}

TEST_CASE("a key set that is broken is refused as a whole, and what it has of no use here is left out") {
  const auto wrong = [](const std::string& text) {
    const auto parsed = parse_jwks(text);
    REQUIRE_FALSE(parsed.has_value());
    return parsed.error().message;
  };
  CHECK(wrong("{").find("it is no JSON") == 0);
  CHECK(wrong("[]") == "expected an object with the array 'keys'");
  CHECK(wrong(R"({"keys":[]})") == "no key for signatures of RS256, PS256, ES256 or EdDSA");
  CHECK(wrong(R"({"keys":[7]})") == "'keys' has something else than objects");
  CHECK(wrong(R"({"keys":[{"kty":"RSA","kid":"a"}]})") == "the key 'a': an RSA key needs n and e in base64url");
  CHECK(wrong(R"({"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]})") == "the key '': an RSA key of 24 bits, expected 2048 to 8192");
  CHECK(wrong(R"({"keys":[{"kty":"EC","crv":"P-256","x":")" + encode(std::string(32, '\1')) + R"(","y":")" + encode(std::string(32, '\1')) +
              R"("}]})") == "the key '': a P-256 key that is no point of the curve");
  CHECK(wrong(R"({"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA"}]})") == "the key '': an Ed25519 key needs x, 32 bytes in base64url");
  CHECK(wrong(R"({"keys":[{"kty":"oct","k":"AA"},{"kty":"EC","crv":"P-521"}]})") == "no key for signatures of RS256, PS256, ES256 or EdDSA");
  const Signer good = make("EdDSA");
  const std::string encryption = good.jwk.substr(0, good.jwk.find("\"sig\"")) + "\"enc\"" + good.jwk.substr(good.jwk.find("\"sig\"") + 5);
  CHECK(keys_of({R"({"kty":"oct","k":"AA"})", encryption, good.jwk}).size() == 1);
}

TEST_CASE("base64url has one text for each bytes") {
  std::string out;
  CHECK(decode_base64url("AQAB", out));
  CHECK(out == std::string("\1\0\1", 3));
  CHECK(decode_base64url("", out));
  CHECK(out.empty());
  for (const char* bad : {"A", "AQ==", "A+==", "A/", "AR", "AQF", "A Q", "AQ\n"}) CHECK_FALSE_MESSAGE(decode_base64url(bad, out), bad);
}

}  // namespace orbit::jwt
