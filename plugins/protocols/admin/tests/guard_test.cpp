// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "guard.hpp"

#include <doctest/doctest.h>

#include "answers.hpp"
#include "fake_host.hpp"

using namespace orbit;
using namespace orbit::admin;
using namespace orbit::admin::test;
using namespace orbit::http::test;

namespace {

int status_for(FakeHost& host, const std::string& request) {
  Client client(host);
  client.send(request);
  return read_answer(client.take()).status;
}

std::string get(const char* path, const std::string& headers) {
  return "GET " + std::string(path) + " HTTP/1.1\r\n" + headers + "\r\n";
}

}  // namespace

TEST_CASE("the node refuses to listen beyond loopback without a token, and says what to do") {
  for (const char* address :
       {"0.0.0.0:7080", "[::]:7080", "192.168.1.5:7080", "10.0.0.1:0", "example.com:80", ":7080"}) {
    CAPTURE(std::string(address));
    const auto refused = Guard::check_listen(address, "");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::failed_precondition);
    CHECK(refused.error().message.find(address) != std::string::npos);
    CHECK(refused.error().message.find("set token") != std::string::npos);
    CHECK(Guard::check_listen(address, "secret"));
  }
  for (const char* address : {"127.0.0.1:7080", "127.8.9.1:1", "[::1]:0", "localhost:7080"}) {
    CAPTURE(std::string(address));
    CHECK(Guard::check_listen(address, ""));
  }
  CHECK_FALSE(Guard::check_listen("127.0.0.1:7080", "two words"));
  CHECK_FALSE(Guard::check_listen("127.0.0.1:7080", "line\nbreak"));
}

TEST_CASE("without a token only loopback names are answered, against DNS rebinding") {
  FakeHost host;
  for (const char* name : {"localhost", "localhost:7080", "LOCALHOST", "node.localhost:1", "127.0.0.1",
                           "127.0.0.1:7080", "[::1]:7080", "[::1]", "localhost."}) {
    CAPTURE(std::string(name));
    CHECK(status_for(host, get("/v1/node", "Host: " + std::string(name) + "\r\n")) == 200);
  }
  for (const char* name : {"evil.example", "evil.example:7080", "127.0.0.1.evil.example", "localhost.evil.example", "",
                           "10.0.0.1:7080", "notlocalhost", "[::2]", "[::1", "127.0.0.1:80@evil.example"}) {
    CAPTURE(std::string(name));
    CHECK(status_for(host, get("/v1/node", "Host: " + std::string(name) + "\r\n")) == 403);
  }
  // The absolute form's own authority counts, not the Host header (RFC 9112 section 3.2.2).
  CHECK(status_for(host, get("http://evil.example/v1/node", "Host: localhost\r\n")) == 403);
  CHECK(status_for(host, get("http://localhost:7080/v1/node", "Host: localhost\r\n")) == 200);
}

TEST_CASE("without a token a page of another site cannot act on the node") {
  FakeHost host;
  const auto post = [&](const std::string& headers) {
    return status_for(host, "POST /v1/actors/t/k/M HTTP/1.1\r\nHost: localhost:7080\r\n" + headers + "\r\n");
  };
  CHECK(post("") == 200);
  CHECK(post("Origin: http://localhost:7080\r\n") == 200);
  CHECK(post("Origin: http://evil.example\r\n") == 403);
  CHECK(post("Origin: null\r\n") == 403);
  CHECK(post("Origin: \r\n") == 403);
  CHECK(post("Origin: http://localhost:9999\r\n") == 403);
  CHECK(host.asked.size() == 2);
}

TEST_CASE("with a token every request but the probes and the document must carry it") {
  FakeHost host({.token = "s3cret"});
  CHECK(status_for(host, get("/v1/node", "Host: any.example\r\nAuthorization: Bearer s3cret\r\n")) == 200);
  CHECK(status_for(host, get("/v1/node", "Host: any.example\r\nauthorization: bearer s3cret\r\n")) == 200);
  for (const char* wrong : {"", "Bearer", "Bearer ", "Bearer s3cre", "Bearer s3cret2", "Bearer S3CRET", "Basic s3cret",
                            "s3cret", "Bearer  s3cret"}) {
    CAPTURE(std::string(wrong));
    CHECK(status_for(host, get("/v1/node", "Host: a\r\nAuthorization: " + std::string(wrong) + "\r\n")) == 401);
  }
  for (const char* open : {"/healthz", "/readyz", "/openapi.json"})
    CHECK(status_for(host, get(open, "Host: a\r\n")) == 200);
  // What exists is nobody's business without a token.
  CHECK(status_for(host, get("/nowhere", "Host: a\r\n")) == 401);
}

TEST_CASE("a 401 carries a challenge, and does not say the token") {
  FakeHost host({.token = "s3cret"});
  Client client(host);
  client.send(get("/v1/node", "Host: a\r\n"));
  const auto missing = read_answer(client.take());
  CHECK(missing.headers.at("WWW-Authenticate") == "Bearer realm=\"orbit\"");
  CHECK(missing.code() == "UNAUTHENTICATED");
  client.send(get("/v1/node", "Host: a\r\nAuthorization: Bearer wrong\r\n"));
  const auto wrong = read_answer(client.take());
  CHECK(wrong.headers.at("WWW-Authenticate") == "Bearer realm=\"orbit\", error=\"invalid_token\"");
  CHECK(wrong.body.find("s3cret") == std::string::npos);
}

TEST_CASE("tokens are compared whole") {
  CHECK(equal_constant_time("", ""));
  CHECK(equal_constant_time("abc", "abc"));
  CHECK_FALSE(equal_constant_time("abc", "abd"));
  CHECK_FALSE(equal_constant_time("abc", "ab"));
  CHECK_FALSE(equal_constant_time("ab", "abc"));
  CHECK_FALSE(equal_constant_time("", "a"));
  CHECK_FALSE(equal_constant_time("a", ""));
  CHECK_FALSE(equal_constant_time(std::string_view("a\0", 2), "a"));
}
