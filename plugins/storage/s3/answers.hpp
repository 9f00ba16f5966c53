// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The XML documents that S3 and STS answer.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "coding.hpp"
#include "sigv4.hpp"

namespace orbit::s3 {

struct S3Error {
  std::string code;  // empty: the answer is no error document
  std::string message;
  std::string request_id;
};
S3Error parse_error(Bytes xml);
// The same of STS.
S3Error parse_service_error(Bytes xml);
// Nothing: it is no AssumeRoleWithWebIdentityResponse with all of them.
std::optional<Credentials> parse_assumed_role(Bytes xml);

struct Listing {
  struct Entry {
    std::string key;
    uint64_t size;
  };
  std::vector<Entry> entries;
  bool truncated = false;
  std::string next_token;
};
// Nothing: it is no whole ListBucketResult.
std::optional<Listing> parse_listing(Bytes xml);
// Empty: it is no InitiateMultipartUploadResult.
std::string parse_upload_id(Bytes xml);
bool is_completed_upload(Bytes xml);
std::string make_completion(const std::vector<std::string>& part_etags);

}  // namespace orbit::s3
