// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Requests from bytes, responses to bytes, targets.
#include "orbit/http/parser.hpp"

#include <doctest/doctest.h>
#include <zlib.h>

#include <boost/json.hpp>
#include <string>

#include "orbit/http/response.hpp"
#include "orbit/http/target.hpp"

using namespace orbit;
using namespace orbit::http;

namespace {

using Stage = RequestParser::Stage;

struct Parsed {
  int status = 0;  // of the failure; 0: none
  std::string detail;
  std::vector<Request> requests;
};

// All that is in `bytes`, which come `step` at a time.
Parsed parse(std::string_view bytes, size_t step = SIZE_MAX, Limits limits = {}) {
  RequestParser parser(limits);
  Parsed out;
  std::string pending;
  while (!bytes.empty() && parser.stage() != Stage::failed) {
    pending += bytes.substr(0, step);
    bytes.remove_prefix(std::min(step, bytes.size()));
    for (bool more = true; more && parser.stage() != Stage::failed;) {
      const auto before = parser.stage();
      const size_t taken = parser.feed(pending);
      REQUIRE(taken <= pending.size());
      pending.erase(0, taken);
      more = taken != 0 || parser.stage() != before;
      if (parser.stage() == Stage::complete) out.requests.push_back(parser.take());
    }
  }
  if (parser.stage() == Stage::failed) out.status = parser.failure().status, out.detail = parser.failure().detail;
  return out;
}

const std::string kHead = "GET / HTTP/1.1\r\nHost: a\r\n";

std::string inflate_gzip(const std::string& packed) {
  z_stream stream{};
  REQUIRE(inflateInit2(&stream, 15 + 16) == Z_OK);
  std::string out(1 << 20, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  CHECK(inflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

}  // namespace

TEST_CASE("requests are read the same however their bytes are split") {
  const std::string bytes =
      "\r\nPOST /a?b=c HTTP/1.1\r\nhoSt:\texample.com \r\nempty:\r\nTransfer-Encoding: chunked\r\n\r\n"
      "4;x=y\r\nabcd\r\n0a\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n"
      "PUT /d HTTP/1.1\r\nHost: b\r\nContent-Length: 3\r\n\r\nxyzGET /e HTTP/1.0\r\n\r\n";
  for (size_t step = 1; step <= bytes.size(); ++step) {
    CAPTURE(step);
    const Parsed parsed = parse(bytes, step);
    CHECK(parsed.detail == "");
    REQUIRE(parsed.requests.size() == 3);
    CHECK(parsed.requests[0].method == "POST");
    CHECK(parsed.requests[0].target == "/a?b=c");
    CHECK(parsed.requests[0].header("HOST") == "example.com");
    CHECK(parsed.requests[0].header_count("empty") == 1);
    CHECK(parsed.requests[0].body == "abcd0123456789");
    CHECK(parsed.requests[1].body == "xyz");
    CHECK(parsed.requests[2].version == 10);
    CHECK_FALSE(parsed.requests[2].keep_alive);
  }
}

TEST_CASE("what is malformed is refused, with a sentence") {
  struct Case {
    std::string bytes;
    int status;
  };
  const Case cases[] = {
      {"GET / \r\n\r\n", 400},
      {"GET /\r\n\r\n", 400},
      {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET /\xC3\xA4 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET / HTTP/9.9\r\nHost: a\r\n\r\n", 505},
      {"GET / HTTP/1.1x\r\nHost: a\r\n\r\n", 400},
      {"GET / http/1.1\r\nHost: a\r\n\r\n", 400},
      {"PRI * HTTP/2.0\r\n\r\n", 505},
      {"Extra lineGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"\x16\x03\x01\x02", 400},
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {kHead + "Host: b\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
      {kHead + "X[]: y\r\n\r\n", 400},
      {kHead + "X : y\r\n\r\n", 400},
      {kHead + " folded\r\n\r\n", 400},
      {kHead + "no colon\r\n\r\n", 400},
      {kHead + ": no name\r\n\r\n", 400},
      {kHead + "X: a\x07\r\n\r\n", 400},
      {kHead + std::string("X: a\0b\r\n\r\n", 10), 400},
      {kHead + "X: a\nY: b\r\n\r\n", 400},
      {kHead + "\rX: b\r\n\r\n", 400},
      {kHead + "Content-Length: -1\r\n\r\n", 400},
      {kHead + "Content-Length: +1\r\n\r\n", 400},
      {kHead + "Content-Length: 0x1\r\n\r\n", 400},
      {kHead + "Content-Length: 1, 1\r\n\r\n", 400},
      {kHead + "Content-Length:\r\n\r\n", 400},
      {kHead + "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400},
      {kHead + "Content-Length: 99999999999999999999999\r\n\r\n", 400},
      {kHead + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {kHead + "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
      {kHead + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 501},
      {kHead + "Transfer-Encoding: xchunked\r\n\r\n", 501},
      {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {kHead + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400},
      {kHead + "Transfer-Encoding: chunked\r\n\r\n-1\r\n", 400},
      {kHead + "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", 400},
      {kHead + "Transfer-Encoding: chunked\r\n\r\n1 2\r\na\r\n", 400},
      {kHead + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", 400},
      {kHead + "Transfer-Encoding: chunked\r\n\r\n0\r\nno colon\r\n\r\n", 400},
  };
  for (const auto& [bytes, status] : cases) {
    CAPTURE(bytes);
    for (const size_t step : {size_t{1}, SIZE_MAX}) {
      const Parsed parsed = parse(bytes, step);
      CHECK(parsed.status == status);
      CHECK_FALSE(parsed.detail.empty());
      CHECK(parsed.requests.empty());
    }
  }
}

TEST_CASE("each bound has its status and is named") {
  const Limits limits{.request_line_bytes_max = 50, .header_bytes_max = 200, .headers_max = 3, .body_bytes_max = 10};
  const auto refused = [&](const std::string& bytes, int status, const char* bound) {
    for (const size_t step : {size_t{1}, size_t{7}, SIZE_MAX}) {
      const Parsed parsed = parse(bytes, step, limits);
      CAPTURE(parsed.detail);
      CHECK(parsed.status == status);
      CHECK(parsed.detail.find(bound) != std::string::npos);
    }
  };
  refused("GET /" + std::string(60, 'a'), 414, "request_line_bytes_max, 50");
  refused("GET /" + std::string(60, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n", 414, "request_line_bytes_max, 50");
  refused(kHead + "X: " + std::string(200, 'a'), 431, "header_bytes_max, 200");
  refused(kHead + "X: " + std::string(200, 'a') + "\r\n\r\n", 431, "header_bytes_max, 200");
  refused(kHead + "A: 1\r\nB: 2\r\nC: 3\r\n\r\n", 431, "headers_max, 3");
  refused(kHead + "Content-Length: 11\r\n\r\n", 413, "body_bytes_max, 10");
  const std::string chunked = kHead + "Transfer-Encoding: chunked\r\n\r\n";
  refused(chunked + "b\r\n", 413, "body_bytes_max, 10");
  refused(chunked + "8\r\n01234567\r\n3\r\n", 413, "body_bytes_max, 10");
  refused(chunked + "ffffffffffffffff\r\n", 413, "body_bytes_max, 10");
  refused(chunked + "1;" + std::string(300, 'x'), 431, "header_bytes_max, 200");
  refused(chunked + "0\r\n" + std::string(15, 'T') + ": " + std::string(300, 'x'), 431, "header_bytes_max, 200");
  std::string trailers = chunked + "0\r\n";
  for (int i = 0; i < 100; ++i) trailers += "T: x\r\n";
  refused(trailers, 431, "header_bytes_max, 200");
  CHECK(parse(kHead + "A: 1\r\nB: 2\r\n\r\n", 1, limits).requests.size() == 1);
  CHECK(parse(chunked + "a\r\n0123456789\r\n0\r\n\r\n", 1, limits).requests.size() == 1);
}

TEST_CASE("a target is taken apart and decoded") {
  const auto target = parse_target("/v1/a%2Fb//%00?x=1+2&y&z=%26&&");
  REQUIRE(target);
  CHECK(target->segments == std::vector<std::string>{"v1", "a/b", "", std::string(1, '\0')});
  CHECK(target->query == std::vector<std::pair<std::string, std::string>>{{"x", "1 2"}, {"y", ""}, {"z", "&"}});
  CHECK(parse_target("/")->segments.empty());
  CHECK(parse_target("/a/")->segments == std::vector<std::string>{"a", ""});
  const auto absolute = parse_target("http://user@[::1]:80/x?q=1");
  REQUIRE(absolute);
  CHECK(absolute->authority == "[::1]:80");
  CHECK(absolute->segments == std::vector<std::string>{"x"});
  for (const char* wrong : {"*", "", "x", "/%", "/%2", "/%2g", "/a\"b", "/a#b", "/a?%", "://a", "/<>", "/a|b", "http://a\\b/", "http://", "http:///x"}) {
    CAPTURE(std::string(wrong));
    CHECK_FALSE(parse_target(wrong));
  }
}

TEST_CASE("lists of tokens are searched whole and without case") {
  CHECK(list_has("keep-alive, Upgrade", "upgrade"));
  CHECK(list_has("close", "close"));
  CHECK_FALSE(list_has("closed", "close"));
  CHECK_FALSE(list_has("", "close"));
}

TEST_CASE("gzip is used where it is accepted and helps") {
  CHECK(accepts_gzip("gzip"));
  CHECK(accepts_gzip("br, GZIP;q=0.5"));
  CHECK(accepts_gzip("*"));
  CHECK_FALSE(accepts_gzip(""));
  CHECK_FALSE(accepts_gzip("br"));
  CHECK_FALSE(accepts_gzip("gzip;q=0"));
  CHECK_FALSE(accepts_gzip("gzip; q=0.000, *"));
  const std::string text(10'000, 'a');
  for (int round = 0; round < 3; ++round) {
    const auto packed = gzip(text);
    REQUIRE(packed);
    CHECK(packed->size() < 200);
    CHECK(inflate_gzip(*packed) == text);
  }
  CHECK_FALSE(gzip("abc"));
  CHECK(is_compressible("application/problem+json"));
  CHECK(is_compressible("text/html; charset=utf-8"));
  CHECK_FALSE(is_compressible("image/png"));
}

TEST_CASE("a problem is JSON whatever its text has") {
  const Response response = problem(400, Code::invalid_argument, "a \"quote\", a \\, a\nline, \xFF and \xC3\xA4", "/x?\"");
  const auto document = boost::json::parse(response.body);
  CHECK(document.at("detail").as_string() == "a \"quote\", a \\, a\nline, \xEF\xBF\xBD and \xC3\xA4");
  CHECK(document.at("instance").as_string() == "/x?\"");
  CHECK(document.at("title").as_string() == "Bad Request");
  CHECK(document.at("status").as_int64() == 400);
  CHECK(document.at("code").as_string() == "INVALID_ARGUMENT");
}
