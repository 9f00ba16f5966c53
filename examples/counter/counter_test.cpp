// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>

#include <limits>
#include <orbit/testkit/doctest.hpp>
#include <orbit/testkit/node.hpp>
#include <set>

#include "counter.hpp"

using namespace counter;
using namespace std::chrono_literals;
using orbit::testkit::Node;

namespace {

AddRequest by(int64_t value) {
  AddRequest request;
  request.set_by(value);
  return request;
}

// The class itself: this test is linked with it.
Node make_node() { return Node({.actors = orbit::testkit::actors<CounterActor>()}); }

}  // namespace

TEST_CASE("a counter adds, and forgets when it is reset") {
  Node node = make_node();
  const Counter visits("visits");
  CHECK(node.call(visits.add(by(5))).value() == 5);
  CHECK(node.call(visits.add(by(-7))).value() == -2);
  CHECK(node.call(Counter("other").get({})).value() == 0);
  node.call(visits.reset({}));
  CHECK(node.call(visits.get({})).value() == 0);
}

TEST_CASE("a message that nobody waits for arrives all the same") {
  Node node = make_node();
  const Counter visits("visits");
  for (int i = 0; i < 10; ++i) visits.bump(by(1));
  node.run_until_idle();
  CHECK(node.call(visits.get({})).value() == 10);
}

TEST_CASE("a counter does not leave the range of int64") {
  Node node = make_node();
  const Counter visits("visits");
  node.call(visits.add(by(std::numeric_limits<int64_t>::max())));
  const auto refused = node.result(visits.add(by(1)));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == orbit::Code::out_of_range);
  CHECK(node.call(visits.get({})).value() == std::numeric_limits<int64_t>::max());
}

TEST_CASE("a power cut takes what was counted in the last second, and no more") {
  orbit::testkit::for_seeds(20, [](uint64_t) {
    Node node = make_node();
    const Counter visits("visits");
    for (int i = 0; i < 20; ++i) {
      node.call(visits.add(by(1)));
      node.advance(100ms);
    }
    node.crash();
    node.restart();
    const int64_t left = node.call(visits.get({})).value();
    CHECK(left >= 10);
    CHECK(left <= 20);
  });
}
