// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "orbit/http/parser.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "text.hpp"

namespace orbit::http {

namespace {

constexpr std::array<bool, 256> make_token_table() {
  std::array<bool, 256> table{};
  for (int c = '0'; c <= '9'; ++c) table[static_cast<size_t>(c)] = true;
  for (int c = 'a'; c <= 'z'; ++c) table[static_cast<size_t>(c)] = table[static_cast<size_t>(c - 'a' + 'A')] = true;
  for (const char c : {'!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~'})
    table[static_cast<unsigned char>(c)] = true;
  return table;
}
constexpr std::array<bool, 256> kTokenChars = make_token_table();  // RFC 9110 section 5.6.2

bool is_token(std::string_view text) noexcept {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return kTokenChars[static_cast<unsigned char>(c)]; });
}

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Printable ASCII without spaces.
bool is_visible(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7F; });
}

// RFC 9110 section 5.5: visible bytes, spaces, tabs, and bytes above ASCII.
bool is_field_value(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 ? byte != 0x7F : byte == '\t';
  });
}

// uri-host [":" port]: what cannot be part of one would let two readers see two hosts.
bool is_host(std::string_view text) noexcept {
  return is_visible(text) && text.find_first_of("/?#,\\\"<>") == std::string_view::npos;
}

std::string quoted(std::string_view text) {
  constexpr size_t kShown = 60;
  std::string out = "'";
  for (const char c : text.substr(0, kShown)) out += c >= 0x20 && c < 0x7F ? c : '?';
  return out + (text.size() > kShown ? "...'" : "'");
}

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

bool list_has(std::string_view list, std::string_view token) noexcept {
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    if (equal_ignoring_case(trimmed(list.substr(0, comma)), token)) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

std::string_view Request::header(std::string_view name) const noexcept {
  for (const HeaderField& field : headers)
    if (equal_ignoring_case(field.name, name)) return field.value;
  return {};
}

size_t Request::header_count(std::string_view name) const noexcept {
  return static_cast<size_t>(std::count_if(headers.begin(), headers.end(), [name](const HeaderField& field) {
    return equal_ignoring_case(field.name, name);
  }));
}

bool RequestParser::fail(int status, std::string detail) {
  failure_ = {status, std::move(detail)};
  stage_ = Stage::failed;
  return false;
}

bool RequestParser::fail_request_line() {
  return fail(414, "the request line is longer than request_line_bytes_max, " +
                       std::to_string(limits_.request_line_bytes_max));
}

bool RequestParser::fail_head() {
  return fail(431, "the request head is longer than header_bytes_max, " + std::to_string(limits_.header_bytes_max));
}

size_t RequestParser::feed(std::string_view data) {
  size_t consumed = 0;
  if (stage_ == Stage::head) {
    // RFC 9112 section 2.2: empty lines before a request line are to be ignored.
    if (scanned_ == 0) {
      while (data.substr(consumed, 2) == "\r\n") consumed += 2;
      if (data.substr(consumed) == "\r") return consumed;
    }
    return consumed + feed_head(data.substr(consumed));
  }
  while (stage_ == Stage::body) {
    const size_t taken = feed_body(data.substr(consumed));
    consumed += taken;
    if (taken == 0) break;
  }
  return consumed;
}

// Consumes a head as a whole, so that its bytes lie side by side.
size_t RequestParser::feed_head(std::string_view data) {
  const size_t from = scanned_ > 3 ? scanned_ - 3 : 0;
  const size_t end = data.find("\r\n\r\n", from);
  if (end == std::string_view::npos) {
    const size_t line_end = std::min(data.find("\r\n"), data.size());
    const std::string_view line = data.substr(0, line_end);
    if (line.size() > limits_.request_line_bytes_max) return fail_request_line(), 0;
    if (data.size() > limits_.header_bytes_max) return fail_head(), 0;
    // What is no HTTP is told at once, or a client that speaks something else (TLS, say) would wait for the timeout.
    const size_t word = std::min(line.find(' '), line.size());
    for (const char c : line.substr(0, word))
      if (!kTokenChars[static_cast<unsigned char>(c)] && !(c == '\r' && line_end == data.size() && &c == &line.back()))
        return fail(400, "this is no HTTP/1.1 request: a request begins with a method such as GET"), 0;
    scanned_ = data.size();
    return 0;
  }
  scanned_ = 0;
  const size_t size = end + 4;
  if (data.find("\r\n") > limits_.request_line_bytes_max) return fail_request_line(), 0;
  if (size > limits_.header_bytes_max) return fail_head(), 0;
  request_.head.assign(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(size));
  if (!read_head({request_.head.data(), end + 2})) return 0;
  stage_ = request_.has_body ? Stage::body : Stage::complete;
  return size;
}

bool RequestParser::read_head(std::string_view head) {
  bool first = true;
  while (!head.empty()) {
    const size_t end = head.find("\r\n");
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(end + 2);
    if (!(first ? read_request_line(line) : read_field(line))) return false;
    first = false;
  }
  return read_framing();
}

bool RequestParser::read_request_line(std::string_view line) {
  const size_t method_end = line.find(' ');
  const size_t target_end = line.rfind(' ');
  if (method_end == std::string_view::npos || target_end <= method_end + 1)
    return fail(400, "a request line is METHOD TARGET HTTP/1.1, found " + quoted(line));
  request_.method = line.substr(0, method_end);
  request_.target = line.substr(method_end + 1, target_end - method_end - 1);
  const std::string_view version = line.substr(target_end + 1);
  if (!is_token(request_.method)) return fail(400, "this is no HTTP method: " + quoted(request_.method));
  if (!is_visible(request_.target))
    return fail(400, "the request target has a byte that must be percent-encoded: " + quoted(request_.target));
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (version.size() != 8 || !version.starts_with("HTTP/") || !digit(version[5]) || version[6] != '.' || !digit(version[7]))
    return fail(400, "a request line ends in HTTP/1.1, found " + quoted(version));
  if (version[5] != '1') return fail(505, "this is an HTTP/1.1 server, the request is " + std::string(version));
  request_.version = version[7] == '0' ? 10 : 11;
  return true;
}

bool RequestParser::read_field(std::string_view line) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return fail(400, "a header field is NAME: VALUE, found " + quoted(line));
  const std::string_view name = line.substr(0, colon);
  // Also refuses folded lines and a space before the colon (RFC 9112 sections 5.1 and 5.2).
  if (!is_token(name)) return fail(400, "this is no name of a header field: " + quoted(name));
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (!is_field_value(value)) return fail(400, "the header field " + std::string(name) + " has a control character");
  if (request_.headers.size() == limits_.headers_max)
    return fail(431, "the request has more header fields than headers_max, " + std::to_string(limits_.headers_max));
  request_.headers.push_back({name, value});
  return true;
}

// RFC 9112 section 6.3.
bool RequestParser::read_framing() {
  std::string_view length, encoding, connection, expect;
  size_t hosts = 0, lengths = 0, encodings = 0;
  std::string connections;
  for (const HeaderField& field : request_.headers) {
    switch (field.name.size()) {  // most fields are told apart by their length
      case 4:
        if (equal_ignoring_case(field.name, "host")) {
          ++hosts;
          if (!is_host(field.value)) return fail(400, "this is no host: " + quoted(field.value));
        }
        break;
      case 6:
        if (equal_ignoring_case(field.name, "expect")) expect = field.value;
        break;
      case 10:
        if (equal_ignoring_case(field.name, "connection")) {
          if (!connection.empty()) {
            connections.append(connection).append(",").append(field.value);
            connection = connections;
          } else {
            connection = field.value;
          }
        }
        break;
      case 14:
        if (equal_ignoring_case(field.name, "content-length")) ++lengths, length = field.value;
        break;
      case 17:
        if (equal_ignoring_case(field.name, "transfer-encoding")) ++encodings, encoding = field.value;
        break;
      default:
        break;
    }
  }
  if (hosts > 1 || (hosts == 0 && request_.version >= 11))
    return fail(400, "an HTTP/1.1 request has exactly one Host header, this has " + std::to_string(hosts));
  request_.keep_alive =
      request_.version >= 11 ? !list_has(connection, "close") : list_has(connection, "keep-alive");
  // An HTTP/1.0 client cannot mean it (RFC 9110 section 10.1.1).
  request_.expects_continue = request_.version >= 11 && equal_ignoring_case(expect, "100-continue");
  if (encodings != 0) {
    if (lengths != 0) return fail(400, "a request has Content-Length or Transfer-Encoding, not both");
    if (request_.version < 11) return fail(400, "an HTTP/1.0 request cannot have Transfer-Encoding");
    if (encodings > 1 || !equal_ignoring_case(encoding, "chunked"))
      return fail(501, "Transfer-Encoding can be chunked, found " + quoted(encoding));
    request_.has_body = true;
    part_ = Part::chunk_line;
    trailer_bytes_ = 0;
    return true;
  }
  part_ = Part::counted;
  left_ = 0;
  if (lengths == 0) return true;
  const auto [end, error] = std::from_chars(length.data(), length.data() + length.size(), left_);
  if (lengths > 1 || length.empty() || end != length.data() + length.size() || length[0] == '-')
    return fail(400, "Content-Length must be one decimal number, found " + quoted(length));
  if (error == std::errc::result_out_of_range)
    return fail(400, "Content-Length is no possible length: " + quoted(length));
  if (left_ > limits_.body_bytes_max)
    return fail(413, "the request body is longer than body_bytes_max, " + std::to_string(limits_.body_bytes_max));
  request_.has_body = left_ != 0;
  return true;
}

size_t RequestParser::feed_body(std::string_view data) {
  switch (part_) {
    case Part::counted:
    case Part::chunk_data: {
      const size_t taken = static_cast<size_t>(std::min<uint64_t>(left_, data.size()));
      if (taken == 0) return 0;
      if (request_.body.empty() && part_ == Part::counted) request_.body.reserve(static_cast<size_t>(left_));
      request_.body.append(data.data(), taken);
      left_ -= taken;
      if (left_ == 0) {
        if (part_ == Part::counted)
          stage_ = Stage::complete;
        else
          part_ = Part::chunk_end;
      }
      return taken;
    }
    case Part::chunk_end:
      if (data.size() < 2) {
        if (!data.empty() && data[0] != '\r') fail(400, "a chunk is longer than its size says");
        return 0;
      }
      if (!data.starts_with("\r\n")) return fail(400, "a chunk is longer than its size says"), 0;
      part_ = Part::chunk_line;
      return 2;
    case Part::chunk_line:
      return feed_chunk_line(data);
    case Part::trailer:
      return feed_trailer(data);
  }
  return 0;
}

size_t RequestParser::feed_chunk_line(std::string_view data) {
  const size_t end = data.find("\r\n", scanned_ > 0 ? scanned_ - 1 : 0);
  if (end == std::string_view::npos) {
    if (data.size() > limits_.header_bytes_max)
      return fail(431, "a chunk's line is longer than header_bytes_max, " + std::to_string(limits_.header_bytes_max)), 0;
    scanned_ = data.size();
    return 0;
  }
  scanned_ = 0;
  const std::string_view line = data.substr(0, end);
  uint64_t size = 0;
  const auto [number_end, error] = std::from_chars(line.data(), line.data() + line.size(), size, 16);
  const std::string_view extension = line.substr(static_cast<size_t>(number_end - line.data()));
  if (error != std::errc() || line[0] == '-' || (!extension.empty() && !trimmed(extension).starts_with(';')) ||
      !is_field_value(extension))
    return fail(400, "a chunk begins with its size in hexadecimal, found " + quoted(line)), 0;
  // Not added up first: the sum of two numbers that a peer chose can overflow.
  if (size > limits_.body_bytes_max || request_.body.size() > limits_.body_bytes_max - size)
    return fail(413, "the request body is longer than body_bytes_max, " + std::to_string(limits_.body_bytes_max)), 0;
  left_ = size;
  part_ = size == 0 ? Part::trailer : Part::chunk_data;
  return end + 2;
}

// Trailer fields are read and thrown away (RFC 9110 section 6.5.1 allows it).
size_t RequestParser::feed_trailer(std::string_view data) {
  const size_t end = data.find("\r\n", scanned_ > 0 ? scanned_ - 1 : 0);
  const size_t size = end == std::string_view::npos ? data.size() : end + 2;
  if (trailer_bytes_ + size > limits_.header_bytes_max)
    return fail(431, "the trailer is longer than header_bytes_max, " + std::to_string(limits_.header_bytes_max)), 0;
  if (end == std::string_view::npos) {
    scanned_ = data.size();
    return 0;
  }
  scanned_ = 0;
  trailer_bytes_ += size;
  if (end == 0) {
    stage_ = Stage::complete;
    return 2;
  }
  const std::string_view line = data.substr(0, end);
  if (const size_t colon = line.find(':');
      colon == std::string_view::npos || !is_token(line.substr(0, colon)) || !is_field_value(line.substr(colon + 1)))
    return fail(400, "a trailer field is NAME: VALUE, found " + quoted(line)), 0;
  return size;
}

Request RequestParser::take() {
  Request out = std::move(request_);
  request_ = {};
  stage_ = Stage::head;
  scanned_ = 0;
  return out;
}

}  // namespace orbit::http
