// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Credentials that somebody on the network gives: STS for a web identity, a container's endpoint, the instance's
// metadata.
#include "answers.hpp"
#include "credentials.hpp"

namespace orbit::s3 {

namespace {

constexpr uint64_t kAnswerBytesMax = 64 << 10;
constexpr int kTries = 3;

// The body of a 200. Tries again what may have been chance.
std::string ask(HttpClient& http, const HttpRequest& request, const char* of_whom) {
  std::string error;
  for (int i = 0; i < kTries; ++i) {
    const auto answer = http.send(request, error);
    if (answer && answer->status == 200) return answer->body;
    if (!answer) continue;
    error = "HTTP " + std::to_string(answer->status);
    if (const S3Error told = parse_service_error(answer->body); !told.code.empty())
      error += " " + told.code + ": " + told.message;
    if (answer->status >= 400 && answer->status < 500 && answer->status != 429) break;
  }
  raise(Code::unauthenticated,
        "no credentials: " + request.method + " " + request.url + " of " + of_whom + ": " + error);
}

std::string first_line(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return {};
  return text.substr(begin, std::min(text.find_first_of(" \t\r\n", begin), text.size()) - begin);
}

// The host and the rest of http://HOST[:PORT]/...
std::string host_of(const std::string& url) {
  const size_t begin = url.find("://");
  if (begin == std::string::npos) return {};
  std::string host = url.substr(begin + 3, url.find('/', begin + 3) - begin - 3);
  if (host.starts_with('[')) return host.substr(0, host.find(']') + 1);
  return host.substr(0, host.find(':'));
}

bool may_be_plain(const std::string& host) {
  return host == "localhost" || host == "[::1]" || host.starts_with("127.") || host == "169.254.170.2" ||
         host == "169.254.170.23" || host == "[fd00:ec2::23]";
}

}  // namespace

// ---- web identity --------------------------------------------------------------------------------------------------

std::optional<WebIdentity> web_identity_from_environment() {
  WebIdentity out{environment_variable("AWS_WEB_IDENTITY_TOKEN_FILE"), environment_variable("AWS_ROLE_ARN"),
                  environment_variable("AWS_ROLE_SESSION_NAME")};
  if (out.token_file.empty()) return std::nullopt;
  return out;
}

Credentials credentials_from_web_identity(HttpClient& http, const std::string& sts_endpoint,
                                          const WebIdentity& identity) {
  if (identity.token_file.empty() || identity.role_arn.empty())
    raise(Code::unauthenticated, "no credentials: a web identity needs AWS_WEB_IDENTITY_TOKEN_FILE (found \"" +
                                     identity.token_file + "\") and AWS_ROLE_ARN (found \"" + identity.role_arn +
                                     "\")");
  const std::string token = first_line(text_of_file(identity.token_file));  // the file changes: it is read each time
  if (token.empty())
    raise(Code::unauthenticated, "no credentials: the token file " + identity.token_file + " is empty");
  const std::string body =
      canonical_query({{"Action", "AssumeRoleWithWebIdentity"},
                       {"Version", "2011-06-15"},
                       {"RoleArn", identity.role_arn},
                       {"RoleSessionName", identity.session_name.empty() ? "orbit" : identity.session_name},
                       {"WebIdentityToken", token}});
  const std::string url = sts_endpoint.ends_with('/') ? sts_endpoint : sts_endpoint + "/";
  const HttpRequest request{
      "POST", url, {{"Content-Type", "application/x-www-form-urlencoded"}}, body, kAnswerBytesMax};
  const std::optional<Credentials> found = parse_assumed_role(ask(http, request, "STS"));
  if (!found)
    raise(Code::unauthenticated,
          "no credentials: " + url + " answered no AssumeRoleWithWebIdentityResponse with credentials");
  return *found;
}

// ---- containers ----------------------------------------------------------------------------------------------------

bool container_is_in_environment() {
  return !environment_variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").empty() ||
         !environment_variable("AWS_CONTAINER_CREDENTIALS_FULL_URI").empty();
}

Credentials credentials_from_container(HttpClient& http) {
  const std::string relative = environment_variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  const std::string url =
      relative.empty() ? environment_variable("AWS_CONTAINER_CREDENTIALS_FULL_URI") : "http://169.254.170.2" + relative;
  if (url.empty())
    raise(Code::unauthenticated,
          "no credentials: neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor AWS_CONTAINER_CREDENTIALS_FULL_URI is "
          "set in the environment");
  if (!url.starts_with("https://") && (!url.starts_with("http://") || !may_be_plain(host_of(url))))
    raise(Code::unauthenticated, "no credentials: AWS_CONTAINER_CREDENTIALS_FULL_URI is " + url +
                                     "; expected https, or http to this machine or to the endpoints of ECS and EKS");
  std::string token = environment_variable("AWS_CONTAINER_AUTHORIZATION_TOKEN");
  if (const std::string file = environment_variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); !file.empty())
    token = first_line(text_of_file(file));
  Pairs headers;
  if (!token.empty()) headers.emplace_back("Authorization", token);
  return parse_role_credentials(ask(http, {"GET", url, headers, {}, kAnswerBytesMax}, "the container"), url);
}

// ---- the instance --------------------------------------------------------------------------------------------------

Credentials credentials_from_instance(HttpClient& http, const std::string& endpoint) {
  const auto ask_it = [&](const char* method, const std::string& path, Pairs headers) {
    return ask(http, {method, endpoint + path, std::move(headers), {}, kAnswerBytesMax}, "the instance metadata");
  };
  const std::string token = ask_it("PUT", "/latest/api/token", {{"X-aws-ec2-metadata-token-ttl-seconds", "21600"}});
  const Pairs with_token = {{"X-aws-ec2-metadata-token", token}};
  const std::string base = "/latest/meta-data/iam/security-credentials/";
  const std::string role = first_line(ask_it("GET", base, with_token));
  if (role.empty()) raise(Code::unauthenticated, "no credentials: the instance metadata knows no role");
  const std::string path = base + uri_encode(role, false);
  return parse_role_credentials(ask_it("GET", path, with_token), endpoint + path);
}

}  // namespace orbit::s3
