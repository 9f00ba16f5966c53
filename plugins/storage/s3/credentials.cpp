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

}  // namespace

std::string environment_variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string() : value;
}

int64_t time_of(const std::string& text) {
  tm parts{};
  const char* const end = strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  // Some services write fractions of a second.
  return end == nullptr || (*end != 'Z' && *end != '.') ? 0 : timegm(&parts);
}

std::string text_of_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kCredentialsFileMax, '\0');
  if (file) file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file && !file.eof()) raise(Code::unauthenticated, "no credentials: the file " + path + " cannot be read");
  text.resize(static_cast<size_t>(file.gcount()));
  return text;
}

Credentials credentials_from_environment() {
  Credentials out{environment_variable("AWS_ACCESS_KEY_ID"), environment_variable("AWS_SECRET_ACCESS_KEY"),
                  environment_variable("AWS_SESSION_TOKEN"), 0};
  if (out.access_key.empty() || out.secret_key.empty())
    raise(Code::unauthenticated,
          "no credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not both set in the environment");
  return out;
}

Profile parse_profile(Bytes text, const std::string& path, const std::string& name) {
  Profile out;
  bool inside = false;
  bool found = false;
  std::string other;  // a way to get credentials that is not there
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = without_space(text.substr(at, end - at));
    at = end + 1;
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    if (line[0] == '[') {
      inside = line == "[" + name + "]" || line == "[profile " + name + "]";
      found = found || inside;
      continue;
    }
    const size_t equals = line.find('=');
    if (!inside || equals == std::string::npos) continue;
    const std::string key = without_space(Bytes(line).substr(0, equals));
    const std::string value = without_space(Bytes(line).substr(equals + 1));
    if (key == "aws_access_key_id") out.keys.access_key = value;
    if (key == "aws_secret_access_key") out.keys.secret_key = value;
    if (key == "aws_session_token") out.keys.session_token = value;
    if (key == "role_arn") out.role_arn = value;
    if (key == "role_session_name") out.role_session_name = value;
    if (key == "web_identity_token_file") out.web_identity_token_file = value;
    for (const char* missing :
         {"source_profile", "credential_source", "credential_process", "sso_session", "sso_start_url"})
      if (key == missing) other = missing;
  }
  if (!found) raise(Code::unauthenticated, "no credentials: " + path + " has no section [" + name + "]");
  const bool identity = !out.role_arn.empty() && !out.web_identity_token_file.empty();
  if (identity || (!out.keys.access_key.empty() && !out.keys.secret_key.empty())) return out;
  const std::string section = "the section [" + name + "] of " + path;
  if (!other.empty())
    raise(Code::unauthenticated,
          "no credentials: " + section + " uses " + other +
              ", which is not supported; expected aws_access_key_id and aws_secret_access_key, or role_arn "
              "and web_identity_token_file. `aws configure export-credentials` makes the first of the other");
  raise(Code::unauthenticated,
        "no credentials: " + section +
            " has no aws_access_key_id or no aws_secret_access_key, and no role_arn with a web_identity_token_file");
}

Profile profile_from_file(const std::string& path, const std::string& name) {
  return parse_profile(text_of_file(path), path, name);
}

Credentials parse_role_credentials(Bytes json, const std::string& url) {
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
