// SPDX-License-Identifier: MIT OR BSD-3-Clause
// One HTTP request whose answer is read bit by bit; only the .cpp sees Boost.Beast.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client.hpp"

namespace orbit::ctl {

// Where to ask. Throws Failure (usage) when the URL is neither http nor https.
struct Endpoint {
  explicit Endpoint(const ClientOptions& options);
  std::string url;
  bool tls;
  std::string host;
  std::string port;
  std::string authority;
  std::string target;
  std::string ca;
  std::string certificate;
  std::string key;
};

class StreamRequest {
 public:
  using Headers = std::vector<std::pair<std::string, std::string>>;

  StreamRequest();
  ~StreamRequest();

  // Connects, sends, and waits for the head of the answer. Throws std::runtime_error with a sentence. Only connecting has a time
  // limit: a call may take as long as it takes.
  void send(const Endpoint& endpoint, std::string_view method, const Headers& headers, std::string_view body, std::chrono::milliseconds connect_timeout);
  int status() const noexcept;
  std::string header(std::string_view name) const;
  // The next bytes of the body; empty at its end, or when it was closed.
  std::string read();
  // Ends it from another thread.
  void close() noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace orbit::ctl
