// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "request_parser.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/http/string_body.hpp>

namespace {

// Beast 1.81 asserts what a peer can break: that the last chunk comes in one piece.
struct BrokenAssertion {};

}  // namespace

// BOOST_ENABLE_ASSERT_HANDLER is set for this file alone, the only one with Beast in it.
namespace boost {
void assertion_failed(const char*, const char*, const char*, long) { throw BrokenAssertion(); }
void assertion_failed_msg(const char*, const char*, const char*, const char*, long) { throw BrokenAssertion(); }
}  // namespace boost

namespace orbit::admin {

namespace http = boost::beast::http;

struct RequestParser::Beast {
  std::optional<http::request_parser<http::string_body>> parser;
};

namespace {

std::string text(boost::beast::string_view view) { return {view.data(), view.size()}; }

int status_of(const boost::beast::error_code& error) {
  if (error == http::error::header_limit) return 431;
  if (error == http::error::body_limit) return 413;
  if (error == http::error::bad_version) return 505;
  return 400;
}

}  // namespace

RequestParser::RequestParser(HttpLimits limits) : limits_(limits), beast_(std::make_unique<Beast>()) { begin(); }
RequestParser::~RequestParser() = default;

void RequestParser::begin() {
  beast_->parser.emplace();
  beast_->parser->header_limit(limits_.header_bytes_max);
  beast_->parser->body_limit(limits_.body_bytes_max);
  request_ = {};
  begun_ = false;
  stage_ = Stage::head;
}

void RequestParser::fail(int status, std::string detail) {
  failure_ = {status, std::move(detail)};
  stage_ = Stage::failed;
}

size_t RequestParser::feed(std::string_view data) {
  auto& parser = *beast_->parser;
  size_t consumed = 0;
  if (stage_ == Stage::head && !begun_) {
    // RFC 9112 section 2.2: empty lines before a request line are to be ignored.
    while (data.substr(consumed, 2) == "\r\n") consumed += 2;
  }
  if ((stage_ != Stage::head && stage_ != Stage::body) || consumed == data.size()) return consumed;

  boost::beast::error_code error;
  begun_ = true;
  try {
    consumed += parser.put(boost::asio::const_buffer(data.data() + consumed, data.size() - consumed), error);
  } catch (const BrokenAssertion&) {
    // It wants the whole last chunk, "0\r\n\r\n", once it has seen its beginning; nothing was consumed.
    constexpr size_t kLastChunkBytes = 5;
    if (data.size() - consumed >= kLastChunkBytes) fail(400, "malformed HTTP request");
    return consumed;
  }
  if (error == http::error::need_more) {
    // A chunk's extension and the trailers are not under the parser's header limit: what it leaves unconsumed is.
    if (stage_ == Stage::body && data.size() - consumed > limits_.header_bytes_max)
      fail(431,
           "a chunk header or trailer is longer than header_bytes_max, " + std::to_string(limits_.header_bytes_max));
  } else if (error) {
    const int status = status_of(error);
    if (status == 431)
      fail(status, "the request head is longer than header_bytes_max, " + std::to_string(limits_.header_bytes_max));
    else if (status == 413)
      fail(status, "the request body is longer than body_bytes_max, " + std::to_string(limits_.body_bytes_max));
    else if (status == 505)
      fail(status, "this is an HTTP/1.1 server");
    else
      fail(status, "malformed HTTP request: " + error.message());
  } else if (stage_ == Stage::head && parser.is_header_done()) {
    read_head();
    stage_ = parser.is_done() ? Stage::complete : Stage::body;
    parser.eager(true);
  } else if (parser.is_done()) {
    stage_ = Stage::complete;
  }
  return consumed;
}

void RequestParser::read_head() {
  const auto& parser = *beast_->parser;
  const auto& message = parser.get();
  request_.method = text(message.method_string());
  request_.target = text(message.target());
  request_.version = message.version();
  request_.host = text(message[http::field::host]);
  request_.host_count = message.count(http::field::host);
  request_.origin = text(message[http::field::origin]);
  request_.has_origin = message.count(http::field::origin) != 0;
  request_.authorization = text(message[http::field::authorization]);
  request_.content_type = text(message[http::field::content_type]);
  request_.keep_alive = parser.keep_alive();
  request_.has_body = !parser.is_done();
  // An HTTP/1.0 client cannot mean it (RFC 9110 section 10.1.1).
  request_.expects_continue =
      request_.version >= 11 && boost::beast::iequals(message[http::field::expect], "100-continue");
}

Request RequestParser::take() {
  Request out = std::move(request_);
  out.body = std::move(beast_->parser->get().body());
  begin();
  return out;
}

}  // namespace orbit::admin
