// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "tls.hpp"

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include "exit_code.hpp"

namespace orbit::ctl {

namespace asio = boost::asio;
using boost::system::error_code;

Url::Url(const std::string& url, const char* example) {
  const auto parsed = boost::urls::parse_uri(url);
  if (!parsed || (parsed->scheme() != "http" && parsed->scheme() != "https") || parsed->host().empty())
    throw Failure(kExitUsage, "the URL '" + url + "' must look like " + example + ", or begin with https://");
  tls = parsed->scheme() == "https";
  host = parsed->host_address();
  port = parsed->has_port() && !parsed->port().empty() ? std::string(parsed->port()) : tls ? "443" : "80";
  authority = std::string(parsed->encoded_host_and_port());
  path = std::string(parsed->encoded_path());
}

TlsLayer::TlsLayer(const TlsFiles& files, asio::ip::tcp::socket& socket, const std::string& host)
    : context_(asio::ssl::context::tls_client) {
  const auto check = [](const char* option, const std::string& file, const error_code& error) {
    if (error) throw Failure(kExitUsage, std::string(option) + " '" + file + "': " + error.message());
  };
  error_code error;
  SSL_CTX_set_min_proto_version(context_.native_handle(), TLS1_2_VERSION);
  if (files.ca.empty())
    context_.set_default_verify_paths(error);
  else
    context_.load_verify_file(files.ca, error);
  check("--ca", files.ca, error);
  if (files.certificate.empty() != files.key.empty())
    throw Failure(kExitUsage, "--cert and --key belong together: the client's certificate and its private key");
  if (!files.certificate.empty()) {
    context_.use_certificate_chain_file(files.certificate, error);
    check("--cert", files.certificate, error);
    context_.use_private_key_file(files.key, asio::ssl::context::pem, error);
    check("--key", files.key, error);
  }
  stream_.emplace(socket, context_);
  stream_->set_verify_mode(asio::ssl::verify_peer);
  stream_->set_verify_callback(asio::ssl::host_name_verification(host));
  // Names are told, so that one address can have several; addresses must not be (RFC 6066 section 3).
  if (asio::ip::make_address(host, error); error) SSL_set_tlsext_host_name(stream_->native_handle(), host.c_str());
}

std::string tls_advice(const error_code& error) {
  if (error.category() != asio::error::get_ssl_category()) return {};
  if (ERR_GET_REASON(static_cast<unsigned long>(error.value())) == SSL_R_CERTIFICATE_VERIFY_FAILED)
    return "; its certificate is of no authority that is known (--ca), is of another name, or has expired";
  return {};
}

}  // namespace orbit::ctl
