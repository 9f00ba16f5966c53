// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A test that fails: seeds_test.py looks at what is printed, and runs it again with that seed.
#include <doctest/doctest.h>

#include <iostream>
#include <orbit/testkit/doctest.hpp>
#include <orbit/testkit/node.hpp>

#include "kit.hpp"

using orbit::testkit::Node;

namespace {

kit::Count one() {
  kit::Count out;
  out.set_value(1);
  return out;
}

void work(Node& node) {
  for (const char* key : {"a", "b", "c"}) node.start(kit::Tally(key).add(one()));
  node.run_until_idle();
  std::cout << "seed " << node.seed() << " trace " << node.trace_hash() << "\n";
}

}  // namespace

TEST_CASE("passes") {
  Node node({.actors = orbit::testkit::actors<kit::TallyActor>()});
  work(node);
}

TEST_CASE("a check fails") {
  Node node({.actors = orbit::testkit::actors<kit::TallyActor>()});
  work(node);
  CHECK(node.call(kit::Tally("a").get({})).value() == 2);
}

TEST_CASE("an exception") {
  Node node({.actors = orbit::testkit::actors<kit::TallyActor>()});
  work(node);
  throw std::runtime_error("as asked");
}

TEST_CASE("one of many seeds") {
  orbit::testkit::for_seeds(50, [](uint64_t seed) {
    Node node({.actors = orbit::testkit::actors<kit::TallyActor>()});
    work(node);
    CHECK(seed != 17);
  });
}
