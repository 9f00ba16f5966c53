// SPDX-License-Identifier: MIT OR BSD-3-Clause
// AWS Signature Version 4 for S3: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
#pragma once

#include <cstdint>
#include <orbit/result.hpp>
#include <string>
#include <utility>
#include <vector>

namespace orbit::s3 {

struct Credentials {
  std::string access_key;
  std::string secret_key;
  std::string session_token;  // empty: none
  int64_t expires_s = 0;      // seconds since 1970; 0: never
};

using Pairs = std::vector<std::pair<std::string, std::string>>;

std::string sha256(Bytes data);  // 32 bytes
std::string hex(Bytes data);
std::string base64(Bytes data);
std::string md5(Bytes data);  // 16 bytes; what SSE-C wants of its key
// All but letters, digits and -._~ becomes %XX; with `path`, slashes stay.
std::string uri_encode(Bytes text, bool path);
// name=value&..., encoded and in the order that is signed.
std::string canonical_query(Pairs query);
// 20130524T000000Z
std::string amz_date(int64_t seconds);

struct SigningInput {
  std::string method;
  std::string path;   // encoded, begins with a slash
  std::string query;  // from canonical_query
  Pairs headers;      // lower case; all of them are signed; host is among them
  std::string payload_sha256_hex;
  std::string region;
  int64_t now_s;
};
// The headers with x-amz-date, x-amz-content-sha256, the session token and authorization.
Pairs sign(SigningInput input, const Credentials& credentials);

}  // namespace orbit::s3
