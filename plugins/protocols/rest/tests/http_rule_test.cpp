// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "http_rule.hpp"

#include <doctest/doctest.h>

#include "conditions.hpp"
#include "idempotency.hpp"

using namespace orbit;
using namespace orbit::rest;

namespace {

HttpRule rule(std::string_view method, std::string_view path) {
  HttpRule out;
  out.method = method;
  out.path = path;
  const auto parsed = parse_template(path, out);
  if (!parsed) FAIL(parsed.error().message);
  return out;
}

http::Request with(std::string_view name, std::string_view value) {
  http::Request request;
  request.headers.push_back({name, value});
  return request;
}

}  // namespace

TEST_CASE("a path gives its fields, decoded") {
  const HttpRule books = rule("GET", "/v1/{shelf=halls/*/shelves/*}/books/{book}");
  const auto found = books.match("GET", "/v1/halls/a%20b/shelves/c%2Fd/books/7");
  REQUIRE(found);
  CHECK((*found)[0] == std::pair<std::string_view, std::string>("shelf", "halls/a b/shelves/c/d"));
  CHECK((*found)[1] == std::pair<std::string_view, std::string>("book", "7"));
  CHECK(books.match("HEAD", "/v1/halls/a/shelves/b/books/7"));
  for (const char* other : {"/v1/halls/a/shelves/b/books", "/v1/halls/a/shelves/b/books/7/8", "/v1/halls//shelves/b/books/7",
                            "/v2/halls/a/shelves/b/books/7", "/v1/halls/a/shelves/%zz/books/7", "", "/"})
    CHECK_FALSE(books.match("GET", other));
  CHECK_FALSE(books.match("POST", "/v1/halls/a/shelves/b/books/7"));
}

TEST_CASE("the rest of a path is one field, a verb is behind it") {
  const HttpRule rest = rule("POST", "/v1/{name=files/**}:copy");
  CHECK((*rest.match("POST", "/v1/files/a/b/c:copy"))[0].second == "files/a/b/c");
  CHECK((*rest.match("POST", "/v1/files/:copy"))[0].second == "files/");
  CHECK_FALSE(rest.match("POST", "/v1/files/a/b/c"));
  CHECK_FALSE(rest.match("POST", "/v1/other/a:copy"));
}

TEST_CASE("a template that makes no sense is refused with a reason") {
  for (const char* wrong : {"", "v1", "/", "/v1/", "//v1", "/v1/{", "/v1/{}", "/v1/{a", "/v1/{a=", "/v1/{a=b", "/v1/{a=}", "/v1/{a b}", "/**/x",
                            "/v1/x:", "/v1/{a}x", "/v1/}"}) {
    HttpRule out;
    CAPTURE(std::string(wrong));
    CHECK_FALSE(parse_template(wrong, out));
  }
}

TEST_CASE("conditions compare versions: If-Match strongly, If-None-Match weakly") {
  const auto match = Conditions::parse(with("If-Match", "\"1\", W/\"2\" , \"x\""));
  REQUIRE(match);
  CHECK(match->if_match_holds(1));
  CHECK_FALSE(match->if_match_holds(2));
  CHECK(match->if_none_match_holds(1));
  const auto none = Conditions::parse(with("if-none-match", "W/\"2\""));
  REQUIRE(none);
  CHECK_FALSE(none->if_none_match_holds(2));
  CHECK(none->if_none_match_holds(1));
  const auto any = Conditions::parse(with("If-None-Match", "*"));
  REQUIRE(any);
  CHECK(any->if_none_match_holds(0));
  CHECK_FALSE(any->if_none_match_holds(1));
  for (const char* wrong : {"", "1", "\"1", "\"1\" \"2\"", "\"1\",", "w/\"1\""}) CHECK_FALSE(Conditions::parse(with("If-Match", wrong)));
  CHECK_FALSE(Conditions::parse(with("Host", "a"))->any());
}

TEST_CASE("an Idempotency-Key is a string of structured fields, or bare") {
  CHECK(*read_idempotency_key("\"a b\\\"c\\\\\"") == "a b\"c\\");
  CHECK(*read_idempotency_key("bare") == "bare");
  for (const char* wrong : {"\"", "\"a", "\"a\"b", "\"\"", "\"a\\"}) CHECK_FALSE(read_idempotency_key(wrong));
  CHECK(fingerprint_of("POST", "/a", "b") != fingerprint_of("POST", "/ab", ""));
}
