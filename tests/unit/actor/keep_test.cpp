// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Actors that somebody outside keeps in memory.
#include "actor/keep.hpp"

#include <doctest/doctest.h>

#include <optional>

#include "sim_node.hpp"

using namespace test;

namespace {

struct Kept {
  orbit_code code = ORBIT_OK;
  std::string text;
};

Kept keep(SimNode& node, const std::string& type, const std::string& key, uint64_t duration_ms,
          uint32_t from_worker = 0, uint64_t deadline_ns = 0) {
  std::optional<Kept> answer;
  node.on_worker(from_worker, [&] {
    keep_activation(node.runtime, type, key, duration_ms, deadline_ns,
                    [&answer](orbit_code code, const std::string& text) { answer = {code, text}; });
  });
  REQUIRE(node.run_until([&] { return answer.has_value(); }));
  return *answer;
}

// Idle after a second.
const orbit_actor_type* short_type(uint32_t stateless = 0) {
  auto* type = const_cast<orbit_actor_type*>(
      cell_type(stateless == 0 ? "short" : "copies", stateless == 0 ? ORBIT_DURABILITY_SYNC : ORBIT_DURABILITY_NONE));
  type->idle_timeout_ms = 1000;
  type->stateless_copies = stateless;
  return type;
}

void publish_short(SimNode& node) {
  const orbit_actor_type* types[] = {short_type(), short_type(2)};
  REQUIRE(node.runtime.publish_module("short", "1", "short.so", types));
}

}  // namespace

TEST_CASE("an actor that is kept stays past its idle timeout, for as long as it was kept") {
  Disk disk;
  SimNode node(disk, 1, 3);
  publish_short(node);
  node.call("short", "kept", kAdd, 1);
  node.call("short", "other", kAdd, 1);
  for (uint32_t worker = 0; worker < 3; ++worker)
    CHECK(keep(node, "short", "kept", 10'000, worker).text == "{\"kept_ms\":10000}");
  node.pass_ms(8000);
  CHECK(node.cell("short", "kept") != nullptr);
  CHECK(node.cell("short", "other") == nullptr);
  node.pass_ms(4000);
  CHECK(node.cell("short", "kept") == nullptr);
}

TEST_CASE("keeping an actor brings it into memory") {
  Disk disk;
  SimNode node(disk, 2, 2);
  publish_short(node);
  node.call("short", "a", kAdd, 7);
  node.pass_ms(4000);
  REQUIRE(node.cell("short", "a") == nullptr);
  CHECK(keep(node, "short", "a", 10'000).code == ORBIT_OK);
  REQUIRE(node.cell("short", "a") != nullptr);
  CHECK(node.cell("short", "a")->value == 7);
  node.pass_ms(8000);
  CHECK(node.cell("short", "a") != nullptr);
}

TEST_CASE("a shorter lease does not take away from a longer one, nor does the actor's own delay") {
  Disk disk;
  SimNode node(disk, 3);
  publish_short(node);
  node.call("short", "a", kAdd, 1);
  keep(node, "short", "a", 20'000);
  // Less what little time has passed.
  CHECK(std::stoull(keep(node, "short", "a", 1000).text.substr(std::string("{\"kept_ms\":").size())) >= 19'000);
  node.on_worker(0, [&] {
    Runtime::api()->delay_deactivation(node.cell("short", "a")->activation, 5000);
    Runtime::api()->delay_deactivation(node.cell("short", "a")->activation, 0);
  });
  node.pass_ms(15'000);
  CHECK(node.cell("short", "a") != nullptr);
  node.pass_ms(8000);
  CHECK(node.cell("short", "a") == nullptr);
}

TEST_CASE("an actor whose turn sleeps is kept at once") {
  Disk disk;
  SimNode node(disk, 4);
  publish_short(node);
  const auto sleeping = node.send(0, "short", "a", kSleep);
  asleep(node, "short", "a");
  CHECK(keep(node, "short", "a", 10'000).code == ORBIT_OK);
  CHECK_FALSE(sleeping->arrived);
  node.wake("short", "a");
  node.wait(sleeping);
  node.pass_ms(8000);
  CHECK(node.cell("short", "a") != nullptr);
}

TEST_CASE("a bound on activations counts more than a lease") {
  Disk disk;
  RuntimeOptions options;
  options.activations_max = 64;
  SimNode node(disk, 5, 1, options);
  publish_short(node);
  for (int i = 0; i < 64; ++i) REQUIRE(keep(node, "short", "kept" + std::to_string(i), 1'000'000).code == ORBIT_OK);
  node.pass_ms(2000);
  CHECK(node.in_memory() == 64);
  for (int i = 0; i < 64; ++i) REQUIRE(node.call("short", "new" + std::to_string(i), kAdd, 1).code == ORBIT_OK);
  CHECK(node.in_memory() <= 64);
}

TEST_CASE("what cannot be kept is refused with its reason") {
  Disk disk;
  SimNode node(disk, 6);
  publish_short(node);
  CHECK(keep(node, "nothing", "a", 1000).code == ORBIT_NOT_FOUND);
  const Kept copies = keep(node, "copies", "a", 1000);
  CHECK(copies.code == ORBIT_FAILED_PRECONDITION);
  CHECK(copies.text == "copies is stateless: its copies come and go, and none can be kept");
}

TEST_CASE("an actor that leaves while it is kept leaves nothing behind for the next one in its place") {
  Disk disk;
  SimNode node(disk, 7);
  publish_short(node);
  node.call("short", "a", kAdd, 1);
  keep(node, "short", "a", 1'000'000);
  node.on_worker(0, [&] { Runtime::api()->deactivate_when_idle(node.cell("short", "a")->activation); });
  node.pass_ms(500);
  REQUIRE(node.cell("short", "a") == nullptr);
  node.call("short", "b", kAdd, 1);
  node.pass_ms(4000);
  CHECK(node.cell("short", "b") == nullptr);
}
