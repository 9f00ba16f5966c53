// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "credentials.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "pool.hpp"

namespace orbit::client::detail {

namespace {

[[noreturn]] void refuse(const std::string& why) { throw std::invalid_argument(why); }

std::string read(const char* option, const std::string& file) {
  if (file.empty()) return {};
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in || text.str().empty())
    refuse(std::string(option) + ": cannot read '" + file +
           "': " + (errno != 0 ? std::strerror(errno) : "it is empty"));
  return text.str();
}

std::string_view host_of(std::string_view endpoint) {
  if (endpoint.starts_with("unix:")) return "localhost";
  if (endpoint.starts_with('[')) return endpoint.substr(1, endpoint.find(']') - 1);
  return endpoint.substr(0, endpoint.rfind(':'));
}

bool is_loopback(std::string_view endpoint) {
  const std::string_view host = host_of(endpoint);
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

// RFC 4648.
std::string base64(std::string_view bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t three = 0;
    for (size_t j = 0; j < 3; ++j)
      three = three << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    for (size_t j = 0; j < 4; ++j) out += i + j <= bytes.size() ? kDigits[three >> (18 - 6 * j) & 63] : '=';
  }
  return out;
}

}  // namespace

void check_options(const ClientOptions& options) {
  if (options.endpoints.empty()) refuse("endpoints: found none, expected at least one, as 127.0.0.1:7090");
  for (const std::string& endpoint : options.endpoints)
    if (endpoint.rfind(':') == std::string::npos)
      refuse("endpoints: found '" + endpoint + "', expected a host and a port, as 127.0.0.1:7090");
  if (options.connections_per_endpoint == 0 || options.connections_per_endpoint > 64)
    refuse("connections_per_endpoint: found " + std::to_string(options.connections_per_endpoint) +
           ", expected 1 to 64");
  if (options.connections_per_endpoint * options.endpoints.size() > kConnectionsMax)
    refuse("connections_per_endpoint: " + std::to_string(options.endpoints.size()) + " endpoints with " +
           std::to_string(options.connections_per_endpoint) + " connections each are more than " +
           std::to_string(kConnectionsMax));
  if (options.deadline.count() <= 0)
    refuse("deadline: found " + std::to_string(options.deadline.count()) + " ms, expected more than 0");
  if (options.retry.attempts_max == 0) refuse("retry.attempts_max: found 0, expected at least 1, the call itself");
  const TlsOptions& tls = options.tls;
  if (!tls.enabled && !(tls.ca_file + tls.certificate_file + tls.key_file + tls.server_name).empty())
    refuse("tls: there are settings, but tls.enabled is false");
  if (tls.certificate_file.empty() != tls.key_file.empty())
    refuse("tls: certificate_file and key_file belong together; found only one of them");
  const Credentials& who = options.credentials;
  if (who.token && !who.name.empty()) refuse("credentials: found a token and a name; one of them says who calls");
  if (who.name.find(':') != std::string::npos)
    refuse("credentials.name: found '" + who.name + "', expected a name without ':'");
  if ((who.token || !who.name.empty()) && !tls.enabled && !who.in_clear)
    for (const std::string& endpoint : options.endpoints)
      if (!is_loopback(endpoint))
        refuse("credentials would go to " + endpoint + " in clear: enable tls, or set credentials.in_clear");
}

std::shared_ptr<grpc::ChannelCredentials> channel_credentials(const ClientOptions& options) {
  if (!options.tls.enabled) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions ssl;
  ssl.pem_root_certs = read("tls.ca_file", options.tls.ca_file);
  ssl.pem_cert_chain = read("tls.certificate_file", options.tls.certificate_file);
  ssl.pem_private_key = read("tls.key_file", options.tls.key_file);
  return grpc::SslCredentials(ssl);
}

std::string authorization_of(const Credentials& credentials) {
  if (credentials.token) return "Bearer " + credentials.token();
  if (!credentials.name.empty()) return "Basic " + base64(credentials.name + ":" + credentials.password);
  return {};
}

}  // namespace orbit::client::detail
