// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "credentials.hpp"

#include <time.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace orbit::s3 {

namespace {

constexpr uint64_t kCredentialsFileMax = 1 << 20;

std::string without_space(Bytes text) {
  const size_t begin = text.find_first_not_of(" \t\r");
  if (begin == Bytes::npos) return {};
  return std::string(text.substr(begin, text.find_last_not_of(" \t\r") + 1 - begin));
}

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string() : value;
}

// 2026-11-28T18:26:10Z; 0: it is not of that form.
int64_t time_of(const std::string& text) {
  tm parts{};
  const char* const end = strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  return end == nullptr || *end != 'Z' ? 0 : timegm(&parts);
}

}  // namespace

Credentials credentials_from_environment() {
  Credentials out{variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"), variable("AWS_SESSION_TOKEN"), 0};
  if (out.access_key.empty() || out.secret_key.empty())
    raise(Code::unauthenticated,
          "no credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not both set in the environment");
  return out;
}

Credentials parse_credentials_file(Bytes text, const std::string& path, const std::string& profile) {
  Credentials out;
  bool inside = false;
  bool found = false;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = without_space(text.substr(at, end - at));
    at = end + 1;
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    if (line[0] == '[') {
      inside = line == "[" + profile + "]" || line == "[profile " + profile + "]";
      found = found || inside;
      continue;
    }
    const size_t equals = line.find('=');
    if (!inside || equals == std::string::npos) continue;
    const std::string name = without_space(Bytes(line).substr(0, equals));
    const std::string value = without_space(Bytes(line).substr(equals + 1));
    if (name == "aws_access_key_id") out.access_key = value;
    if (name == "aws_secret_access_key") out.secret_key = value;
    if (name == "aws_session_token") out.session_token = value;
  }
  if (!found) raise(Code::unauthenticated, "no credentials: " + path + " has no section [" + profile + "]");
  if (out.access_key.empty() || out.secret_key.empty())
    raise(Code::unauthenticated, "no credentials: the section [" + profile + "] of " + path +
                                     " has no aws_access_key_id or no aws_secret_access_key");
  return out;
}

Credentials credentials_from_file(const std::string& path, const std::string& profile) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kCredentialsFileMax, '\0');
  if (file) file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file && !file.eof()) raise(Code::unauthenticated, "no credentials: the file " + path + " cannot be read");
  text.resize(static_cast<size_t>(file.gcount()));
  return parse_credentials_file(text, path, profile);
}

Credentials parse_instance_credentials(Bytes json, const std::string& url) {
  boost::json::error_code wrong;
  const boost::json::value document = boost::json::parse(boost::json::string_view(json.data(), json.size()), wrong);
  const auto* const fields = wrong ? nullptr : document.if_object();
  const auto text = [&](const char* name) {
    const auto* const value = fields == nullptr ? nullptr : fields->if_contains(name);
    const auto* const found = value == nullptr ? nullptr : value->if_string();
    return found == nullptr ? std::string() : std::string(found->c_str());
  };
  Credentials out{text("AccessKeyId"), text("SecretAccessKey"), text("Token"), time_of(text("Expiration"))};
  if (out.access_key.empty() || out.secret_key.empty() || out.expires_s == 0)
    raise(Code::unauthenticated,
          "no credentials: " + url + " answered no JSON with AccessKeyId, SecretAccessKey and Expiration");
  return out;
}

Credentials credentials_from_instance(HttpClient& http, const std::string& endpoint) {
  constexpr int kTries = 3;
  const auto ask = [&](const char* method, const std::string& path, Pairs headers) {
    std::string error;
    for (int i = 0; i < kTries; ++i) {
      const auto answer = http.send({method, endpoint + path, headers, {}, 64 << 10}, error);
      if (answer && answer->status == 200) return answer->body;
      if (answer) error = "HTTP " + std::to_string(answer->status);
    }
    raise(Code::unauthenticated,
          "no credentials: " + std::string(method) + " " + endpoint + path + " of the instance metadata: " + error);
  };
  const std::string token = ask("PUT", "/latest/api/token", {{"X-aws-ec2-metadata-token-ttl-seconds", "21600"}});
  const Pairs with_token = {{"X-aws-ec2-metadata-token", token}};
  const std::string base = "/latest/meta-data/iam/security-credentials/";
  const std::string roles = ask("GET", base, with_token);
  const std::string role = without_space(roles.substr(0, roles.find('\n')));
  if (role.empty()) raise(Code::unauthenticated, "no credentials: the instance metadata knows no role");
  const std::string path = base + uri_encode(role, false);
  return parse_instance_credentials(ask("GET", path, with_token), endpoint + path);
}

Credentials CredentialCache::get(int64_t now_s) {
  std::lock_guard lock(mutex_);
  const bool usable = current_ && !stale_ && (current_->expires_s == 0 || current_->expires_s > now_s);
  const bool due = !usable || (current_->expires_s != 0 && current_->expires_s - kRefreshBefore_s <= now_s);
  if (!due || (usable && now_s < tried_s_ + kRetryAfter_s)) return *current_;
  tried_s_ = now_s;
  const Result<Credentials> fresh = guarded([&] { return fetch_(); });
  if (!fresh) {
    if (usable) return *current_;
    throw Failure{fresh.error()};
  }
  current_ = *fresh;
  stale_ = false;
  return *current_;
}

void CredentialCache::refused(const Credentials& credentials) {
  std::lock_guard lock(mutex_);
  if (current_ && current_->access_key == credentials.access_key &&
      current_->session_token == credentials.session_token)
    stale_ = true;
}

}  // namespace orbit::s3
