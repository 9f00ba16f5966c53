// SPDX-License-Identifier: MIT OR BSD-3-Clause
// An HTTP request and an HTTP response as the rest of this plugin sees them: plain values, no library behind them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace orbit::admin {

struct HttpLimits {
  uint32_t header_bytes_max = 16 * 1024;
  uint64_t body_bytes_max = 1024 * 1024;
};

struct Request {
  std::string method;  // "GET", case as sent
  std::string target;  // as sent, not decoded
  std::string host;
  std::string origin;
  std::string authorization;
  std::string content_type;
  std::string body;
  unsigned version = 11;  // 10 or 11
  size_t host_count = 0;
  bool has_origin = false;
  bool keep_alive = true;
  bool expects_continue = false;
  bool has_body = false;  // announced by Content-Length above 0 or by Transfer-Encoding
};

struct Response {
  int status = 200;
  std::string content_type;  // empty: a response without a body
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};

}  // namespace orbit::admin
