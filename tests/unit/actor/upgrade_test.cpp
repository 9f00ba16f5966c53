// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A module is replaced while its actors come, run and leave: the old version always drains.
#include <doctest/doctest.h>

#include <boost/json.hpp>

#include "sim_node.hpp"

namespace test {
namespace {

std::string state(const SimNode& node, uint64_t generation) {
  const boost::json::value modules = boost::json::parse(node.runtime.modules_json());
  for (const auto& module : modules.as_array())
    if (module.at("generation").to_number<uint64_t>() == generation) return std::string(module.at("state").as_string());
  return "unknown";
}

void publish_second(SimNode& node) {
  const orbit_actor_type* types[] = {cell_type("sync", ORBIT_DURABILITY_SYNC)};
  REQUIRE(node.runtime.publish_module("cells", "2", "cells2.so", types));
}

TEST_CASE("an actor whose state is being read when its module is replaced runs the new version") {
  constexpr int kStepsMax = 40;  // more than an activation takes
  for (int steps = 0; steps <= kStepsMax; ++steps) {
    CAPTURE(steps);
    Disk disk;
    SimNode node(disk, 21 + static_cast<uint64_t>(steps), 2);
    std::vector<std::shared_ptr<Answer>> answers;
    for (int i = 0; i < 8; ++i) answers.push_back(node.send(0, "sync", "k" + std::to_string(i), kAdd, 1));
    for (int i = 0; i < steps; ++i) node.executor.step();
    publish_second(node);
    for (const auto& answer : answers) REQUIRE_MESSAGE(node.wait(answer).code == ORBIT_OK, answer->message);
    node.pass_ms(1000);
    CHECK(node.in_memory() <= answers.size());
    CHECK(state(node, 1) == "retired");
    CHECK(state(node, 2) == "active");
    for (int i = 0; i < 8; ++i) CHECK(node.call("sync", "k" + std::to_string(i), kGet).value == 1);
  }
}

TEST_CASE("a turn that still runs keeps the replaced version draining; who waits behind it meets the new one") {
  Disk disk;
  SimNode node(disk, 5);
  node.call("sync", "a", kAdd, 7);
  const auto sleeper = node.send(0, "sync", "a", kSleep);
  const auto waiting = node.send(0, "sync", "a", kGet);
  node.pass_ms(100);
  publish_second(node);
  node.pass_ms(100);
  CHECK_FALSE(waiting->arrived);
  CHECK(state(node, 1) == "draining");
  node.on_worker(0, [&] {
    Cell* cell = node.cell("sync", "a");
    Runtime::api()->finish(cell->activation, cell->sleeping);
  });
  CHECK(node.wait(sleeper).code == ORBIT_OK);
  CHECK(node.wait(waiting).value == 7);
  node.pass_ms(100);
  CHECK(state(node, 1) == "retired");
}

}  // namespace
}  // namespace test
