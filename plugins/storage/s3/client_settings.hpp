// SPDX-License-Identifier: MIT OR BSD-3-Clause
// How a plugin that talks to an S3 store is configured.
#pragma once

#include <algorithm>
#include <array>
#include <orbit/plugin.hpp>

#include "client.hpp"

namespace orbit::s3 {

inline constexpr const char* kCredentialSources[] = {"auto",      "environment", "file", "web_identity",
                                                     "container", "instance",    nullptr};
inline constexpr const char* kEncryptionModes[] = {"none", "s3", "kms", "customer", nullptr};
inline constexpr Option kClientOptions[] = {
    option_string("region", "\"us-east-1\"", "Region that requests are signed for."),
    option_string("endpoint", "\"\"", "http(s)://HOST[:PORT] of the store; empty: that of Amazon S3 in the region."),
    option_boolean("path_style", "false", "Address the bucket as endpoint/bucket and not as bucket.endpoint."),
    option_string("credentials", "\"auto\"",
                  "Where credentials come from; auto: the environment (AWS_ACCESS_KEY_ID ...), else a web identity "
                  "(AWS_WEB_IDENTITY_TOKEN_FILE ...), else the file if it is there, else the container's endpoint "
                  "(AWS_CONTAINER_CREDENTIALS_RELATIVE_URI ...), else the instance's metadata.",
                  kCredentialSources),
    option_string("credentials_file", "\"\"",
                  "File as the AWS tools write it; empty: $AWS_SHARED_CREDENTIALS_FILE or ~/.aws/credentials."),
    option_string("credentials_profile", "\"default\"", "Section of that file."),
    option_string("sts_endpoint", "\"\"", "Of STS, for web identities; empty: https://sts.REGION.amazonaws.com."),
    option_string("metadata_endpoint", "\"http://169.254.169.254\"", "Of the instance's metadata service (IMDSv2)."),
    option_string("encryption.mode", "\"none\"",
                  "Server-side encryption asked for: none (what the bucket does by itself), s3 (SSE-S3), kms "
                  "(SSE-KMS), customer (SSE-C).",
                  kEncryptionModes),
    option_string("encryption.kms_key", "\"\"", "Key of kms; empty: the account's."),
    option_string("encryption.customer_key_file", "\"\"", "File with the 32 bytes of the key of customer."),
    option_integer("part_bytes", "16777216", 5 << 20, 1 << 30,
                   "Size of the parts in which larger objects are uploaded."),
    option_integer("connections_max", "16", 1, 1'024, "Requests under way at once."),
    option_integer("connect_timeout_ms", "3000", 1, 600'000, "Time for a connection to be made."),
    option_integer("request_timeout_ms", "30000", 1, 3'600'000, "Time for one request and its answer."),
    option_integer("operation_timeout_ms", "60000", 1, 3'600'000,
                   "Time after which a failing request is not tried again."),
    option_integer("attempts_max", "8", 1, 100, "How often a request is tried."),
    option_integer("retry_first_ms", "50", 1, 60'000,
                   "Longest pause before the second attempt; doubles with each, and is random below that."),
    option_integer("retry_pause_max_ms", "5000", 1, 600'000, "Longest random pause between attempts; also the longest that a store's Retry-After is followed, to which "
                   "the random one is added."),
    option_string("proxy", "\"\"", "Proxy for requests to the store; empty: none."),
    option_string("ca_file", "\"\"", "Certificates that the store's is checked with; empty: the system's."),
};

template <size_t A, size_t B>
constexpr std::array<Option, A + B> joined(const Option (&first)[A], const Option (&second)[B]) {
  std::array<Option, A + B> out{};
  std::copy(second, second + B, std::copy(first, first + A, out.begin()));
  return out;
}

// Throws Failure when that is no bucket or no prefix.
void set_place(ClientOptions& options, const std::string& bucket, const std::string& prefix);
// What the settings above say, for a prefix of a bucket.
Result<ClientOptions> client_options(const Config& config, const std::string& bucket, const std::string& prefix);

}  // namespace orbit::s3
