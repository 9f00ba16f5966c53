#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <orbit/testkit/doctest.hpp>
#include <orbit/testkit/node.hpp>

#include "@name@.orbit.hpp"

using namespace @name@;
using orbit::testkit::Node;

TEST_CASE("a greeting is counted, and what was counted survives a power cut") {
  Node node({.modules = {ORBIT_TEST_MODULE}});
  const @Name@ somebody("somebody");
  GreetRequest request;
  request.set_name("world");
  CHECK(node.call(somebody.greet(request)).text().find("world") != std::string::npos);
  node.crash();
  node.restart();
  CHECK(node.call(somebody.count(CountRequest())).greetings() == 1);
}

TEST_CASE("a greeting needs a name") {
  Node node({.modules = {ORBIT_TEST_MODULE}});
  const auto refused = node.result(@Name@("somebody").greet(GreetRequest()));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == orbit::Code::invalid_argument);
}
