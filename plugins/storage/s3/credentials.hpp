// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Where credentials come from: the environment, a profile in a file as the AWS tools write it, a web identity (STS),
// the endpoint of a container, or the metadata service of the machine (IMDSv2). SSO, credential_process and a profile
// that takes the role of another are not there, and said so.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "coding.hpp"
#include "http.hpp"

namespace orbit::s3 {

// Empty: it is not set.
std::string environment_variable(const char* name);
// Of a small file. Throws Failure.
std::string text_of_file(const std::string& path);
// Seconds since 1970 of 2026-11-28T18:26:10Z; 0: it is not of that form.
int64_t time_of(const std::string& text);

// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN. Throws Failure.
Credentials credentials_from_environment();
// What a section of an INI file says. Throws Failure.
struct Profile {
  Credentials keys;  // aws_access_key_id, aws_secret_access_key, aws_session_token; none: web identity
  std::string role_arn;
  std::string role_session_name;
  std::string web_identity_token_file;
};
Profile profile_from_file(const std::string& path, const std::string& name);
Profile parse_profile(Bytes text, const std::string& path, const std::string& name);

// What EKS and others give a process: a token in a file, that STS gives credentials of a role for.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
struct WebIdentity {
  std::string token_file;
  std::string role_arn;
  std::string session_name;  // empty: "orbit"
};
// AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN, AWS_ROLE_SESSION_NAME. Nothing: the first is not set.
std::optional<WebIdentity> web_identity_from_environment();
// Throws Failure.
Credentials credentials_from_web_identity(HttpClient& http, const std::string& sts_endpoint,
                                          const WebIdentity& identity);

// AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI, with AWS_CONTAINER_AUTHORIZATION_TOKEN or _TOKEN_FILE (ECS, EKS
// Pod Identity). https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
bool container_is_in_environment();
// Throws Failure. Plain http goes to this machine and to the endpoints of ECS and EKS only.
Credentials credentials_from_container(HttpClient& http);

// Throws Failure.
Credentials credentials_from_instance(HttpClient& http, const std::string& endpoint);
// Of the JSON document that the metadata service and containers answer.
Credentials parse_role_credentials(Bytes json, const std::string& url);

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
