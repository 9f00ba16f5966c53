// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Making responses: JSON, errors as RFC 9457 problem details, compression, and the bytes on the wire.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "message.hpp"
#include "orbit/result.hpp"

namespace orbit::http {

inline constexpr std::string_view kJson = "application/json";
inline constexpr std::string_view kProblemJson = "application/problem+json";
inline constexpr std::string_view kEventStream = "text/event-stream";

// "Not Found"
std::string_view reason_phrase(int status) noexcept;

// The HTTP status of one of Orbit's codes, as google.rpc.Code documents them.
int status_of(Code code) noexcept;

bool is_utf8(std::string_view text) noexcept;

// `text` with every byte that is no UTF-8 replaced by U+FFFD: keys are bytes, JSON is not.
std::string valid_utf8(std::string_view text);

// Appends `text` as a JSON string, with its quotes; what is no UTF-8 is replaced.
void append_json_string(std::string& out, std::string_view text);

Response json_response(int status, std::string body);

// An error as RFC 9457 writes it: type, title, status, detail, instance, and Orbit's own `code`. `instance` is the
// request's target; empty leaves the member out.
Response problem(int status, Code code, std::string_view detail, std::string_view instance);
Response problem(const Error& error, std::string_view instance);

// Whether a Content-Type is JSON: application/json or any type ending in +json, with whatever parameters.
bool is_json(std::string_view content_type) noexcept;

// Whether Accept-Encoding takes gzip (RFC 9110 section 12.5.3).
bool accepts_gzip(std::string_view accept_encoding) noexcept;

// RFC 1952; nothing when that would not make it smaller.
std::optional<std::string> gzip(std::string_view text);

// Whether compressing that type of content is worth trying: text, JSON, scripts, SVG.
bool is_compressible(std::string_view content_type) noexcept;

// How a response leaves: everything that depends on the request and not on the answer.
struct Framing {
  bool head_only = false;  // the request was HEAD: all headers, no body
  bool keep_alive = true;
  unsigned version = 11;   // of the request
  uint64_t unix_ms = 0;    // for the Date header; 0 leaves it out
  bool chunked = false;    // the body follows as chunks
  bool until_close = false; // the body follows and ends with the connection: what HTTP/1.0 has instead of chunks
};

// Appends the response as bytes. With chunked or until_close only its head.
void serialize(std::string& out, const Response& response, const Framing& framing);
inline std::string serialize(const Response& response, const Framing& framing) {
  std::string out;
  serialize(out, response, framing);
  return out;
}

}  // namespace orbit::http
