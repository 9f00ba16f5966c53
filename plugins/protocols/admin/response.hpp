// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Making responses: JSON, errors as RFC 9457 problem details, and the bytes on the wire.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "http.hpp"
#include "orbit/result.hpp"

namespace orbit::admin {

inline constexpr std::string_view kJson = "application/json";
inline constexpr std::string_view kProblemJson = "application/problem+json";

// "Not Found"
std::string_view reason_phrase(int status) noexcept;

// The HTTP status of one of Orbit's codes, as google.rpc.Code documents them.
int status_of(Code code) noexcept;

// `text` with every byte that is no UTF-8 replaced by U+FFFD: keys are bytes, JSON is not.
std::string valid_utf8(std::string_view text);

Response json_response(int status, std::string body);

// An error as RFC 9457 writes it: type, title, status, detail, instance, and Orbit's own `code`. `instance` is the
// request's target; empty leaves the member out.
Response problem(int status, Code code, std::string_view detail, std::string_view instance);
Response problem(const Error& error, std::string_view instance);

// How a response leaves: everything that depends on the request and not on the answer.
struct Framing {
  bool head_only = false;  // the request was HEAD: all headers, no body
  bool keep_alive = true;
  unsigned version = 11;  // of the request
  uint64_t unix_ms = 0;   // for the Date header; 0 leaves it out
};

// The response as bytes.
std::string serialize(const Response& response, const Framing& framing);

}  // namespace orbit::admin
