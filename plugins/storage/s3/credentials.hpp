// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Where credentials come from: the environment, a file as the AWS tools write it, or the metadata service of the
// machine (IMDSv2).
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "coding.hpp"
#include "http.hpp"

namespace orbit::s3 {

// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN. Throws Failure.
Credentials credentials_from_environment();
// A section of an INI file with aws_access_key_id, aws_secret_access_key, aws_session_token. Throws Failure.
Credentials credentials_from_file(const std::string& path, const std::string& profile);
Credentials parse_credentials_file(Bytes text, const std::string& path, const std::string& profile);
// Throws Failure.
Credentials credentials_from_instance(HttpClient& http, const std::string& endpoint);
// Of the JSON document that the metadata service answers.
Credentials parse_instance_credentials(Bytes json, const std::string& url);

// Keeps credentials until shortly before they expire, or until the store refuses them.
class CredentialCache {
 public:
  using Fetch = std::function<Credentials()>;
  explicit CredentialCache(Fetch fetch) : fetch_(std::move(fetch)) {}
  // Throws Failure when there are none, and no older ones that are still good.
  Credentials get(int64_t now_s);
  // Those were refused: the next get asks again.
  void refused(const Credentials& credentials);

 private:
  static constexpr int64_t kRefreshBefore_s = 300;
  static constexpr int64_t kRetryAfter_s = 10;
  const Fetch fetch_;
  std::mutex mutex_;
  std::optional<Credentials> current_;
  bool stale_ = false;
  int64_t tried_s_ = 0;
};

}  // namespace orbit::s3
