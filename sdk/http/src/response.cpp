// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "orbit/http/response.hpp"

#include <zlib.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <limits>
#include <memory>

#include "text.hpp"

namespace orbit::http {

std::string_view reason_phrase(int status) noexcept {
  switch (status) {
    case 200:
      return "OK";
    case 101:
      return "Switching Protocols";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 302:
      return "Found";
    case 304:
      return "Not Modified";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 422:
      return "Unprocessable Content";
    case 426:
      return "Upgrade Required";
    case 428:
      return "Precondition Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 499:
      return "Client Closed Request";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Error";
  }
}

int status_of(Code code) noexcept {
  switch (code) {
    case Code::ok:
      return 200;
    case Code::invalid_argument:
    case Code::failed_precondition:
    case Code::out_of_range:
      return 400;
    case Code::unauthenticated:
      return 401;
    case Code::permission_denied:
      return 403;
    case Code::not_found:
      return 404;
    case Code::already_exists:
    case Code::aborted:
      return 409;
    case Code::resource_exhausted:
      return 429;
    case Code::cancelled:
      return 499;
    case Code::unimplemented:
      return 501;
    case Code::unavailable:
      return 503;
    case Code::deadline_exceeded:
      return 504;
    case Code::unknown:
    case Code::internal:
    case Code::data_loss:
      return 500;
  }
  return 500;
}

namespace {

// Length of the valid UTF-8 sequence that `text` begins with, 0 if it begins with none (RFC 3629: no surrogates, no
// overlong forms, nothing above U+10FFFF).
size_t utf8_sequence(std::string_view text) noexcept {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto continuation = [&](size_t i) { return i < text.size() && (byte(i) & 0xC0u) == 0x80u; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return continuation(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    if (!continuation(1) || !continuation(2)) return 0;
    if (first == 0xE0 && byte(1) < 0xA0) return 0;
    if (first == 0xED && byte(1) > 0x9F) return 0;
    return 3;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if (!continuation(1) || !continuation(2) || !continuation(3)) return 0;
    if (first == 0xF0 && byte(1) < 0x90) return 0;
    if (first == 0xF4 && byte(1) > 0x8F) return 0;
    return 4;
  }
  return 0;
}

// Locale-independent, as RFC 9110 section 5.6.7 wants it.
std::string make_date(std::time_t seconds) {
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::tm tm{};
  gmtime_r(&seconds, &tm);
  char out[40];
  std::snprintf(out, sizeof out, "%s, %02d %s %04d %02d:%02d:%02d GMT", kDays[tm.tm_wday], tm.tm_mday,
                kMonths[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
  return out;
}

// Made once a second and thread.
const std::string& http_date(uint64_t unix_ms) {
  thread_local std::time_t made_for = std::numeric_limits<std::time_t>::min();
  thread_local std::string text;
  const auto seconds = static_cast<std::time_t>(unix_ms / 1000);
  if (seconds != made_for) {
    text = make_date(seconds);
    made_for = seconds;
  }
  return text;
}

void append_number(std::string& out, uint64_t number) {
  char digits[20];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
}

std::string_view media_type(std::string_view content_type) noexcept {
  return trimmed(content_type.substr(0, content_type.find(';')));
}

bool ends_with_ignoring_case(std::string_view text, std::string_view end) noexcept {
  return text.size() >= end.size() && equal_ignoring_case(text.substr(text.size() - end.size()), end);
}

struct Deflate {
  z_stream stream{};
  bool ready = false;
  Deflate() {
    constexpr int kLevel = 5, kGzip = 15 + 16, kMemory = 8;
    ready = deflateInit2(&stream, kLevel, Z_DEFLATED, kGzip, kMemory, Z_DEFAULT_STRATEGY) == Z_OK;
  }
  ~Deflate() {
    if (ready) deflateEnd(&stream);
  }
  Deflate(const Deflate&) = delete;
  Deflate& operator=(const Deflate&) = delete;
};

}  // namespace

bool is_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    const size_t size = utf8_sequence(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

std::string valid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t size = utf8_sequence(text);
    if (size == 0)
      out += "\xEF\xBF\xBD";
    else
      out += text.substr(0, size);
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return out;
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const size_t size = utf8_sequence(text);
    const auto byte = static_cast<unsigned char>(text[0]);
    if (size == 0) {
      out += "\xEF\xBF\xBD";
    } else if (byte == '"' || byte == '\\') {
      out += '\\';
      out += text[0];
    } else if (byte < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", byte);
      out += escaped;
    } else {
      out += text.substr(0, size);
    }
    text.remove_prefix(size == 0 ? 1 : size);
  }
  out += '"';
}

Response json_response(int status, std::string body) { return {status, std::string(kJson), std::move(body), {}}; }

Response problem(int status, Code code, std::string_view detail, std::string_view instance) {
  // RFC 9457 section 4.2.1: "about:blank" means that the title is the status's own; `code` tells more.
  std::string body = R"({"type":"about:blank","title":)";
  append_json_string(body, reason_phrase(status));
  body += R"(,"status":)";
  append_number(body, static_cast<uint64_t>(status));
  body += R"(,"detail":)";
  append_json_string(body, detail);
  if (!instance.empty()) {
    body += R"(,"instance":)";
    append_json_string(body, instance);
  }
  body += R"(,"code":)";
  append_json_string(body, code_name(code));
  body += '}';
  return {status, std::string(kProblemJson), std::move(body), {}};
}

Response problem(const Error& error, std::string_view instance) {
  return problem(status_of(error.code), error.code, error.message, instance);
}

bool is_json(std::string_view content_type) noexcept {
  const std::string_view media = media_type(content_type);
  return equal_ignoring_case(media, kJson) || ends_with_ignoring_case(media, "+json");
}

bool is_compressible(std::string_view content_type) noexcept {
  const std::string_view media = media_type(content_type);
  return is_json(media) || equal_ignoring_case(media.substr(0, 5), "text/") || ends_with_ignoring_case(media, "javascript") ||
         ends_with_ignoring_case(media, "+xml");
}

bool accepts_gzip(std::string_view accept_encoding) noexcept {
  bool any = false;
  while (!accept_encoding.empty()) {
    const size_t comma = std::min(accept_encoding.find(','), accept_encoding.size());
    const std::string_view one = accept_encoding.substr(0, comma);
    accept_encoding.remove_prefix(std::min(comma + 1, accept_encoding.size()));
    const std::string_view coding = media_type(one);
    bool refused = false;
    if (const size_t semicolon = one.find(';'); semicolon != std::string_view::npos) {
      std::string_view weight = trimmed(one.substr(semicolon + 1));
      if (equal_ignoring_case(weight.substr(0, 2), "q=")) {
        weight.remove_prefix(2);
        refused = !weight.empty() && weight.find_first_not_of("0.") == std::string_view::npos;
      }
    }
    if (equal_ignoring_case(coding, "gzip") || equal_ignoring_case(coding, "x-gzip")) return !refused;
    if (coding == "*") any = !refused;
  }
  return any;
}

std::optional<std::string> gzip(std::string_view text) {
  if (text.size() > std::numeric_limits<uInt>::max()) return std::nullopt;
  // Its quarter of a megabyte is kept: setting it up costs more than compressing a small answer.
  thread_local const auto deflate_state = std::make_unique<Deflate>();
  if (!deflate_state->ready || deflateReset(&deflate_state->stream) != Z_OK) return std::nullopt;
  z_stream& stream = deflate_state->stream;
  std::string out(text.size(), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));  // zlib does not write there
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) return std::nullopt;
  out.resize(stream.total_out);
  return out;
}

void serialize(std::string& out, const Response& response, const Framing& framing) {
  const bool streamed = framing.chunked || framing.until_close;
  out.reserve(out.size() + 320 + (framing.head_only || streamed ? 0 : response.body.size()));
  out += "HTTP/1.1 ";
  append_number(out, static_cast<uint64_t>(response.status));
  out += ' ';
  out += reason_phrase(response.status);
  out += "\r\nServer: orbit\r\n";
  if (framing.unix_ms != 0) out.append("Date: ").append(http_date(framing.unix_ms)).append("\r\n");
  bool cached = false;
  for (const auto& [name, value] : response.headers) {
    out.append(name).append(": ").append(value).append("\r\n");
    cached = cached || equal_ignoring_case(name, "cache-control");
  }
  if (!cached) out += "Cache-Control: no-store\r\n";
  out += "X-Content-Type-Options: nosniff\r\n";
  if (!response.content_type.empty()) out.append("Content-Type: ").append(response.content_type).append("\r\n");
  if (framing.chunked) {
    out += "Transfer-Encoding: chunked\r\n";
  } else if (!streamed && response.status != 204 && response.status != 304 && response.status >= 200) {
    // What has no body must not carry Content-Length (RFC 9110 section 8.6).
    out += "Content-Length: ";
    append_number(out, response.body.size());
    out += "\r\n";
  }
  if (response.status != 101) {
    if (!framing.keep_alive)
      out += "Connection: close\r\n";
    else if (framing.version < 11)
      out += "Connection: keep-alive\r\n";
  }
  out += "\r\n";
  if (!framing.head_only && !streamed && response.status != 304) out += response.body;
}

}  // namespace orbit::http
