// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A blocking HTTP client for the admin API; only the .cpp sees Boost.Beast.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace orbit::ctl {

struct ClientOptions {
  std::string url;                            // "https://node.example:7080"; a path in it is put before every request's
  std::string token;                          // empty: none is sent
  std::chrono::milliseconds timeout{30'000};  // for one request, from connect to the last byte of the answer
  std::string ca;                             // PEM files, see tls.hpp; empty: the system's authorities
  std::string certificate;                    // of the client; empty: none
  std::string key;
};

struct Answer {
  int status = 0;
  std::string body;
  bool ok() const noexcept { return status >= 200 && status < 300; }
};

// Percent-encodes every byte that is not unreserved (RFC 3986 section 2.3).
std::string encode(std::string_view bytes);

class Client {
 public:
  static constexpr size_t kAnswerBytesMax = 256 * 1024 * 1024;

  // Throws Failure (usage) when the URL is neither http nor https.
  explicit Client(ClientOptions options);

  // One request on a connection of its own. `path` is encoded already. Throws Failure (unreachable) when no HTTP answer
  // comes; an answer of any status is returned.
  Answer request(std::string_view method, std::string_view path, std::string_view json = {}) const;

  const std::string& url() const noexcept { return options_.url; }

 private:
  ClientOptions options_;
  bool tls_;
  std::string host_;
  std::string port_;
  std::string authority_;
  std::string base_path_;
};

}  // namespace orbit::ctl
