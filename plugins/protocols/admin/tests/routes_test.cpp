// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The router and the OpenAPI document say the same.
#include "routes.hpp"

#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <set>

#include "openapi.hpp"
#include "orbit/http/target.hpp"

using namespace orbit;
using namespace orbit::admin;
namespace json = boost::json;

namespace {

Match match(std::string_view method, std::string_view path) {
  const auto target = http::parse_target(path);
  REQUIRE(target);
  return match_route(method, target->segments);
}

}  // namespace

TEST_CASE("every path and method of the document is routed, to the operation that it names") {
  const json::value document = json::parse(openapi_document(true));
  std::set<std::string> documented;
  for (const auto& [path, item] : document.at("paths").as_object())
    for (const auto& [method, operation] : item.as_object()) {
      std::string verb(method);
      for (char& c : verb) c = static_cast<char>(c - 'a' + 'A');
      std::string filled(path);
      for (size_t open = filled.find('{'); open != std::string::npos; open = filled.find('{'))
        filled.replace(open, filled.find('}') - open + 1, "value");
      CAPTURE(filled);
      const Match found = match(verb, filled);
      REQUIRE(found.route != nullptr);
      CHECK(found.route->operation == std::string(operation.at("operationId").as_string().c_str()));
      CHECK(documented.insert(found.route->operation).second);
      size_t in_path = 0;
      if (const auto* parameters = operation.as_object().if_contains("parameters"))
        for (const auto& parameter : parameters->as_array()) in_path += parameter.at("in").as_string() == "path";
      CHECK(found.parameters.size() == in_path);
    }
  CHECK(documented.size() == routes().size());
  for (const Route& route : routes()) CHECK(documented.contains(route.operation));
}

TEST_CASE("every schema that the document refers to exists, and every one that exists is referred to") {
  const std::string text = openapi_document(true);
  const json::value document = json::parse(text);
  std::set<std::string> referred;
  const std::string prefix = "\"#/components/schemas/";
  for (size_t at = text.find(prefix); at != std::string::npos; at = text.find(prefix, at + 1)) {
    const size_t begin = at + prefix.size();
    referred.insert(text.substr(begin, text.find('"', begin) - begin));
  }
  std::set<std::string> existing;
  for (const auto& [name, schema] : document.at("components").at("schemas").as_object()) existing.emplace(name);
  CHECK(referred == existing);
}

TEST_CASE("every operation documents an error, and a 401 only where a token is asked for") {
  for (const bool with_token : {false, true}) {
    const json::value document = json::parse(openapi_document(with_token));
    for (const auto& [path, item] : document.at("paths").as_object())
      for (const auto& [method, operation] : item.as_object()) {
        const auto& responses = operation.at("responses").as_object();
        CAPTURE(std::string(path));
        CHECK(responses.contains("default"));
        const bool open = path == "/healthz" || path == "/readyz" || path == "/openapi.json" || path == "/";
        CHECK(responses.contains("401") == (with_token && !open));
      }
  }
}

TEST_CASE("keys are percent-decoded bytes, and an encoded slash is part of a key") {
  const Match slash = match("GET", "/v1/activations/bank.Account/a%2Fb%20c+d");
  REQUIRE(slash.route != nullptr);
  CHECK(slash.parameters == std::vector<std::string>{"bank.Account", "a/b c+d"});
  const Match binary = match("DELETE", "/v1/activations/t/%00%ff%25");
  REQUIRE(binary.route != nullptr);
  CHECK(binary.parameters[1] == std::string("\0\xff%", 3));
  const Match empty = match("GET", "/v1/activations/t/");
  REQUIRE(empty.route != nullptr);
  CHECK(empty.parameters[1].empty());
  // Dots are no path walking: the key is what it is.
  const Match dots = match("GET", "/v1/activations/t/..");
  REQUIRE(dots.route != nullptr);
  CHECK(dots.parameters[1] == "..");
}

TEST_CASE("what is no URI is refused") {
  for (const char* text : {"/%", "/%g0", "/%1", "/a b", "/\"", "/\x80", "", "*", "healthz", "/a#b", "/<", "http://"}) {
    CAPTURE(std::string(text));
    const auto target = http::parse_target(text);
    CHECK((!target || match_route("GET", target->segments).route == nullptr));
  }
}

TEST_CASE("query parameters are decoded, plus is a space") {
  const auto target = http::parse_target("/v1/activations?type=a%2Bb+c&cursor=&flag&limit=5");
  REQUIRE(target);
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  CHECK(target->query == Pairs{{"type", "a+b c"}, {"cursor", ""}, {"flag", ""}, {"limit", "5"}});
}

TEST_CASE("another method on a known path says which ones there are") {
  CHECK(match("POST", "/healthz").allow == "GET, HEAD");
  CHECK(match("PATCH", "/v1/modules").allow == "GET, HEAD, POST");
  CHECK(match("GET", "/v1/modules/bank").allow == "DELETE");
  CHECK(match("HEAD", "/v1/modules/bank").allow == "DELETE");
  CHECK(match("get", "/healthz").route == nullptr);
  CHECK(match("HEAD", "/healthz").route == match("GET", "/healthz").route);
  for (const char* path : {"//", "/v1", "/v1/", "/v1/nodes", "/v1/node/", "//v1/node", "/v1/activations/t", "/healthz/x",
                           "/v1/actors/t/k/m/x"}) {
    CAPTURE(std::string(path));
    const Match none = match("GET", path);
    CHECK(none.route == nullptr);
    CHECK(none.allow.empty());
  }
}
