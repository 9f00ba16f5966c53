// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "client_settings.hpp"

#include <unistd.h>

#include <cstdlib>
#include <fstream>

namespace orbit::s3 {

namespace {

CredentialCache::Fetch credentials_of(const Config& config) {
  const std::string kind = config.string("credentials");
  std::string file = config.string("credentials_file");
  if (file.empty()) file = environment_variable("AWS_SHARED_CREDENTIALS_FILE");
  if (file.empty()) file = environment_variable("HOME") + "/.aws/credentials";
  const std::string name = config.string("credentials_profile");
  std::string sts = config.string("sts_endpoint");
  if (sts.empty()) sts = "https://sts." + config.string("region") + ".amazonaws.com";
  const std::string metadata = config.string("metadata_endpoint");
  HttpOptions options;
  options.connections_max = 1;
  options.connect_timeout_ms = 1'000;
  options.request_timeout_ms = 2'000;
  const auto http = std::make_shared<HttpClient>(options);
  // STS is not on this machine: it is reached as the store is.
  options.request_timeout_ms = 10'000;
  options.connect_timeout_ms = static_cast<uint64_t>(config.integer("connect_timeout_ms"));
  options.proxy = config.string("proxy");
  options.ca_file = config.string("ca_file");
  const auto far_http = std::make_shared<HttpClient>(options);
  return [=] {
    if (kind == "environment" || (kind == "auto" && !environment_variable("AWS_ACCESS_KEY_ID").empty()))
      return credentials_from_environment();
    const auto identity = web_identity_from_environment();
    if (kind == "web_identity" || (kind == "auto" && identity))
      return credentials_from_web_identity(*far_http, sts, identity.value_or(WebIdentity{}));
    if (kind == "file" || (kind == "auto" && access(file.c_str(), R_OK) == 0)) {
      const Profile profile = profile_from_file(file, name);
      if (!profile.keys.access_key.empty()) return profile.keys;
      return credentials_from_web_identity(
          *far_http, sts, {profile.web_identity_token_file, profile.role_arn, profile.role_session_name});
    }
    if (kind == "container" || (kind == "auto" && container_is_in_environment()))
      return credentials_from_container(*http);
    return credentials_from_instance(*http, metadata);
  };
}

Result<std::string> key_in(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string out(33, '\0');
  if (file) file.read(out.data(), 33);
  if (!file && !file.eof()) return fail(Code::not_found, "encryption.customer_key_file: " + path + " cannot be read");
  out.resize(static_cast<size_t>(file.gcount()));
  if (out.size() != 32)
    return fail(Code::invalid_argument, "encryption.customer_key_file: " + path + " must have 32 bytes, found " +
                                            (out.size() > 32 ? "more" : std::to_string(out.size())));
  return out;
}

bool is_plain(const std::string& text) {
  return text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./") ==
         std::string::npos;
}

}  // namespace

void set_place(ClientOptions& options, const std::string& bucket, const std::string& prefix) {
  if (bucket.empty() || !is_plain(bucket) || bucket.find('/') != std::string::npos)
    raise(Code::invalid_argument, "bucket: \"" + bucket + "\" is not the name of a bucket");
  if (!is_plain(prefix) || prefix.starts_with('/') || prefix.find("//") != std::string::npos)
    raise(Code::invalid_argument,
          "prefix: found \"" + prefix + "\", expected letters, digits, -_. and single slashes, none at the beginning");
  options.bucket = bucket;
  options.prefix = prefix.empty() || prefix.ends_with('/') ? prefix : prefix + '/';
}

Result<ClientOptions> client_options(const Config& config, const std::string& bucket, const std::string& prefix) {
  const auto number = [&](const char* key) { return static_cast<uint64_t>(config.integer(key)); };
  ClientOptions out;
  if (Result<> good = guarded([&] { set_place(out, bucket, prefix); }); !good)
    return tl::unexpected<Error>(std::move(good.error()));
  out.region = config.string("region");
  out.endpoint = config.string("endpoint");
  if (out.endpoint.empty()) out.endpoint = "https://s3." + out.region + ".amazonaws.com";
  out.path_style = config.boolean("path_style");
  const std::string mode = config.string("encryption.mode");
  out.encryption = mode == "s3"         ? Encryption::s3
                   : mode == "kms"      ? Encryption::kms
                   : mode == "customer" ? Encryption::customer
                                        : Encryption::none;
  out.kms_key = config.string("encryption.kms_key");
  if (out.encryption == Encryption::customer) {
    auto key = key_in(config.string("encryption.customer_key_file"));
    if (!key) return tl::unexpected<Error>(key.error());
    out.customer_key = std::move(*key);
  }
  out.part_bytes = number("part_bytes");
  out.attempts_max = static_cast<int>(config.integer("attempts_max"));
  out.retry_first_ms = number("retry_first_ms");
  out.retry_pause_max_ms = number("retry_pause_max_ms");
  out.operation_timeout_ms = number("operation_timeout_ms");
  out.http.connections_max = number("connections_max");
  out.http.connect_timeout_ms = number("connect_timeout_ms");
  out.http.request_timeout_ms = number("request_timeout_ms");
  out.http.proxy = config.string("proxy");
  out.http.ca_file = config.string("ca_file");
  out.credentials = credentials_of(config);
  return out;
}
}  // namespace orbit::s3
