// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "sigv4.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <time.h>

#include <algorithm>
#include <stdexcept>

namespace orbit::s3 {

namespace {

std::string digest_of(const EVP_MD* kind, Bytes data) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (EVP_Digest(data.data(), data.size(), out, &size, kind, nullptr) != 1)
    throw std::runtime_error("OpenSSL cannot make a digest");
  return {reinterpret_cast<const char*>(out), size};
}

std::string hmac(Bytes key, Bytes data) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(data.data()),
           data.size(), out, &size) == nullptr)
    throw std::runtime_error("OpenSSL cannot make an HMAC");
  return {reinterpret_cast<const char*>(out), size};
}

}  // namespace

std::string sha256(Bytes data) { return digest_of(EVP_sha256(), data); }
std::string md5(Bytes data) { return digest_of(EVP_md5(), data); }

std::string hex(Bytes data) {
  std::string out;
  out.reserve(data.size() * 2);
  for (const char c : data) {
    out.push_back("0123456789abcdef"[static_cast<uint8_t>(c) >> 4]);
    out.push_back("0123456789abcdef"[c & 15]);
  }
  return out;
}

std::string base64(Bytes data) {
  std::string out(4 * ((data.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(data.data()), static_cast<int>(data.size()));
  out.resize(static_cast<size_t>(size));
  return out;
}

std::string uri_encode(Bytes text, bool path) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '.' || c == '_' || c == '~' || (path && c == '/');
    if (plain) {
      out.push_back(c);
    } else {
      out.push_back('%');
      out.push_back("0123456789ABCDEF"[static_cast<uint8_t>(c) >> 4]);
      out.push_back("0123456789ABCDEF"[c & 15]);
    }
  }
  return out;
}

std::string canonical_query(Pairs query) {
  for (auto& [name, value] : query) {
    name = uri_encode(name, false);
    value = uri_encode(value, false);
  }
  std::sort(query.begin(), query.end());
  std::string out;
  for (const auto& [name, value] : query) out += (out.empty() ? "" : "&") + name + "=" + value;
  return out;
}

std::string amz_date(int64_t seconds) {
  const time_t time = seconds;
  tm parts{};
  gmtime_r(&time, &parts);
  char out[32];
  strftime(out, sizeof out, "%Y%m%dT%H%M%SZ", &parts);
  return out;
}

Pairs sign(SigningInput input, const Credentials& credentials) {
  const std::string date = amz_date(input.now_s);
  const std::string day = date.substr(0, 8);
  Pairs headers = std::move(input.headers);
  headers.emplace_back("x-amz-content-sha256", input.payload_sha256_hex);
  headers.emplace_back("x-amz-date", date);
  if (!credentials.session_token.empty()) headers.emplace_back("x-amz-security-token", credentials.session_token);
  std::sort(headers.begin(), headers.end());

  std::string canonical = input.method + "\n" + input.path + "\n" + input.query + "\n";
  std::string names;
  for (const auto& [name, value] : headers) {
    canonical += name + ":" + value + "\n";
    names += (names.empty() ? "" : ";") + name;
  }
  canonical += "\n" + names + "\n" + input.payload_sha256_hex;

  const std::string scope = day + "/" + input.region + "/s3/aws4_request";
  const std::string to_sign = "AWS4-HMAC-SHA256\n" + date + "\n" + scope + "\n" + hex(sha256(canonical));
  const std::string key =
      hmac(hmac(hmac(hmac("AWS4" + credentials.secret_key, day), input.region), "s3"), "aws4_request");
  headers.emplace_back("authorization", "AWS4-HMAC-SHA256 Credential=" + credentials.access_key + "/" + scope +
                                            ",SignedHeaders=" + names + ",Signature=" + hex(hmac(key, to_sign)));
  return headers;
}

}  // namespace orbit::s3
