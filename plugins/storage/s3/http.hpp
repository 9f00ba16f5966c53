// SPDX-License-Identifier: MIT OR BSD-3-Clause
// One HTTP request at a time on each of a bounded number of kept connections, with libcurl.
#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "sigv4.hpp"

namespace orbit::s3 {

struct HttpOptions {
  size_t connections_max = 16;
  uint64_t connect_timeout_ms = 3'000;
  uint64_t request_timeout_ms = 30'000;
  std::string proxy;    // empty: none, whatever the environment says
  std::string ca_file;  // empty: the system's
};

struct HttpRequest {
  std::string method;
  std::string url;
  Pairs headers;
  Bytes body;  // borrowed
  uint64_t answer_bytes_max = 1 << 20;
};

struct HttpAnswer {
  long status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? std::string() : found->second;
  }
};

class HttpClient {
 public:
  explicit HttpClient(HttpOptions options);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Nothing: no whole answer came, and `error` says why; the server may have done what was asked all the same.
  std::optional<HttpAnswer> send(const HttpRequest& request, std::string& error);
  // Requests under way and later ones fail soon.
  void shut_down() noexcept { stopping_.store(true, std::memory_order_relaxed); }

 private:
  struct Transfer;
  void* take(std::string& error);
  void give(void* handle);

  const HttpOptions options_;
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;
  std::condition_variable returned_;
  std::vector<void*> idle_;
  size_t handles_ = 0;
};

}  // namespace orbit::s3
