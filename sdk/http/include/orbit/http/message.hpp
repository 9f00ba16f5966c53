// SPDX-License-Identifier: MIT OR BSD-3-Clause
// An HTTP request and an HTTP response as plain values (RFC 9110).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace orbit::http {

// What a request may be. Each bound is named in the answer to what is over it.
struct Limits {
  uint32_t request_line_bytes_max = 8 * 1024;  // 414
  uint32_t header_bytes_max = 16 * 1024;       // 431: the request line and all header fields; also trailers, and a chunk's line
  uint32_t headers_max = 100;                  // 431: header fields
  uint64_t body_bytes_max = 1024 * 1024;       // 413
};

struct HeaderField {
  std::string_view name;  // as sent
  std::string_view value;
};

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept;

// Whether a comma-separated list (RFC 9110 section 5.6.1) has that token, case ignored: "keep-alive, Upgrade" has "upgrade".
bool list_has(std::string_view list, std::string_view token) noexcept;

// Views point into `head`; moving keeps them valid, copying is not possible.
struct Request {
  Request() = default;
  Request(Request&&) noexcept = default;
  Request& operator=(Request&&) noexcept = default;
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;

  std::string_view method;  // "GET", case as sent
  std::string_view target;  // as sent, not decoded
  std::vector<HeaderField> headers;
  std::string body;
  unsigned version = 11;  // 10 or 11
  bool keep_alive = true;
  bool expects_continue = false;
  bool has_body = false;  // announced by Content-Length above 0 or by Transfer-Encoding

  // The first field of that name, case ignored; empty when there is none.
  std::string_view header(std::string_view name) const noexcept;
  size_t header_count(std::string_view name) const noexcept;
  bool has_header(std::string_view name) const noexcept { return header_count(name) != 0; }

  std::vector<char> head;  // what the views point into
};

struct Response {
  int status = 200;
  std::string content_type;  // empty: no Content-Type
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};

}  // namespace orbit::http
