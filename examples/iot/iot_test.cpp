// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>

#include <orbit/testkit/doctest.hpp>
#include <orbit/testkit/node.hpp>

#include "iot.orbit.hpp"

using namespace iot;
using namespace std::chrono_literals;
using orbit::testkit::for_seeds;
using orbit::testkit::Node;
using orbit::testkit::NodeOptions;

namespace {

const NodeOptions kOptions{.modules = {ORBIT_TEST_MODULE}};

Reading reading(double value, std::chrono::milliseconds silent_after = 0ms) {
  Reading out;
  out.set_value(value);
  out.set_silent_after_ms(silent_after.count());
  return out;
}

Sampling every(std::chrono::milliseconds period) {
  Sampling out;
  out.set_period_ms(period.count());
  return out;
}

DeviceState status(Node& node) { return node.call(Device("pump").status({})); }

}  // namespace

TEST_CASE("readings are gathered and stored once a second") {
  Node node(kOptions);
  for (int i = 1; i <= 3; ++i)
    CHECK(node.call(Device("pump").report(reading(i))).waiting() == static_cast<uint64_t>(i));
  CHECK(status(node).readings() == 0);
  node.advance(1s);
  CHECK(status(node).readings() == 3);
  CHECK(status(node).sum() == 6);
}

TEST_CASE("a device that says nothing for its time to live goes offline, each reading begins it anew") {
  Node node(kOptions);
  node.call(Device("pump").report(reading(1, 5s)));
  node.advance(4s);
  node.call(Device("pump").report(reading(1, 5s)));
  node.advance(4'999ms);
  CHECK(status(node).online());
  node.advance(1ms);
  CHECK_FALSE(status(node).online());
  CHECK(status(node).went_silent() == 1);
}

TEST_CASE("a device goes offline in time when it is not in memory") {
  Node node(kOptions);
  node.call(Device("pump").report(reading(1, std::chrono::hours(1))));
  node.advance(30min);
  CHECK_FALSE(node.is_active(Device("pump")));
  node.advance(31min);
  CHECK_FALSE(status(node).online());
}

TEST_CASE("what was gathered and not stored is lost in a crash, the rest is not") {
  Node node(kOptions);
  node.call(Device("pump").report(reading(1)));
  node.advance(1s);
  node.call(Device("pump").report(reading(2)));
  node.crash();
  node.restart();
  node.advance(2s);
  CHECK(status(node).readings() == 1);
  CHECK(status(node).online());
}

TEST_CASE("no sample is left out and none is counted twice, however often the node goes down") {
  for_seeds(15, [](uint64_t seed) {
    Node node(kOptions);
    node.call(Device("pump").sample(every(1s)));
    for (uint64_t i = 0; i < 5; ++i) {
      node.advance(std::chrono::milliseconds(500 + seed * 137 % 3000));
      for (uint64_t steps = (seed + i) * 3 % 11; steps != 0 && node.step(); --steps) {
      }
      node.crash();
      node.advance(std::chrono::milliseconds(seed * 211 % 4000));
      node.restart();
    }
    node.run_until_idle();
    const DeviceState state = status(node);
    CHECK(state.sample_gaps() == 0);
    CHECK(state.samples() == (state.last_sample_ms() - state.first_sample_ms()) / 1000 + 1);
    CHECK(node.unix_ms() - state.last_sample_ms() < 1000);
  });
}
