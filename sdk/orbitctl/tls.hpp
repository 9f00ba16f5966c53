// SPDX-License-Identifier: MIT OR BSD-3-Clause
// TLS as orbitctl speaks it: 1.2 or newer, and only with a node whose certificate is good and has the name that was
// asked for.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <optional>
#include <string>

namespace orbit::ctl {

// PEM files of --ca, --cert and --key. Empty: the system's authorities; no certificate of its own.
struct TlsFiles {
  std::string ca;
  std::string certificate;
  std::string key;
};

// A URL taken apart. Throws Failure (usage) when it is neither http nor https.
struct Url {
  explicit Url(const std::string& url, const char* example);
  bool tls = false;
  std::string host;
  std::string port;
  std::string authority;
  std::string path;  // encoded; may be empty
};

// TLS over a socket that outlives it.
class TlsLayer {
 public:
  // Throws Failure (usage) for files that are no good.
  TlsLayer(const TlsFiles& files, boost::asio::ip::tcp::socket& socket, const std::string& host);
  boost::asio::ssl::stream<boost::asio::ip::tcp::socket&>& stream() noexcept { return *stream_; }

 private:
  boost::asio::ssl::context context_;
  std::optional<boost::asio::ssl::stream<boost::asio::ip::tcp::socket&>> stream_;
};

// What to do about an error of a handshake; may be empty.
std::string tls_advice(const boost::system::error_code& error);

}  // namespace orbit::ctl
