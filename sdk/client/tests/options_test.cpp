// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What a client refuses to begin with.
#include <doctest/doctest.h>

#include <functional>
#include <stdexcept>

#include "credentials.hpp"

using namespace orbit::client;
using detail::authorization_of;

namespace {

std::string refusal(const std::function<void(ClientOptions&)>& change) {
  ClientOptions options;
  change(options);
  try {
    detail::check_options(options);
    detail::channel_credentials(options);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return {};
}

}  // namespace

TEST_CASE("wrong options are refused with what was found and what is expected") {
  CHECK(refusal([](ClientOptions&) {}) == "");
  CHECK(refusal([](ClientOptions& o) { o.endpoints.clear(); }) ==
        "endpoints: found none, expected at least one, as 127.0.0.1:7090");
  CHECK(refusal([](ClientOptions& o) { o.endpoints = {"node"}; }) ==
        "endpoints: found 'node', expected a host and a port, as 127.0.0.1:7090");
  CHECK(refusal([](ClientOptions& o) { o.connections_per_endpoint = 65; }) ==
        "connections_per_endpoint: found 65, expected 1 to 64");
  CHECK(refusal([](ClientOptions& o) {
          o.endpoints.assign(5, "127.0.0.1:1");
          o.connections_per_endpoint = 64;
        }) == "connections_per_endpoint: 5 endpoints with 64 connections each are more than 256");
  CHECK(refusal([](ClientOptions& o) { o.deadline = {}; }) == "deadline: found 0 ms, expected more than 0");
  CHECK(refusal([](ClientOptions& o) { o.retry.attempts_max = 0; }) ==
        "retry.attempts_max: found 0, expected at least 1, the call itself");
  CHECK(refusal([](ClientOptions& o) { o.tls.ca_file = "ca.pem"; }) ==
        "tls: there are settings, but tls.enabled is false");
  CHECK(refusal([](ClientOptions& o) {
          o.tls.enabled = true;
          o.tls.certificate_file = "client.pem";
        }) == "tls: certificate_file and key_file belong together; found only one of them");
  CHECK(refusal([](ClientOptions& o) {
          o.tls.enabled = true;
          o.tls.ca_file = "no/such/ca.pem";
        }) == "tls.ca_file: cannot read 'no/such/ca.pem': No such file or directory");
}

TEST_CASE("credentials go in clear to this machine only, unless that is wanted") {
  const auto with = [](std::string endpoint, bool tls, bool in_clear) {
    return refusal([&](ClientOptions& o) {
      o.endpoints = {std::move(endpoint)};
      o.tls.enabled = tls;
      o.credentials = {.token = [] { return std::string("secret"); }, .in_clear = in_clear};
    });
  };
  for (const char* endpoint : {"127.0.0.1:7090", "127.8.0.1:7090", "localhost:7090", "[::1]:7090"})
    CHECK(with(endpoint, false, false) == "");
  CHECK(with("node.example:7090", false, false) ==
        "credentials would go to node.example:7090 in clear: enable tls, or set credentials.in_clear");
  CHECK(with("node.example:7090", true, false) == "");
  CHECK(with("node.example:7090", false, true) == "");
}

TEST_CASE("credentials become the metadata that the node reads") {
  CHECK(authorization_of({}) == "");
  CHECK(authorization_of({.token = [] { return std::string("abc"); }}) == "Bearer abc");
  CHECK(authorization_of({.name = "Aladdin", .password = "open sesame"}) ==
        "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");  // RFC 7617
  CHECK(authorization_of({.name = "a", .password = ""}) == "Basic YTo=");
  CHECK(authorization_of({.name = "ab", .password = ""}) == "Basic YWI6");
}
