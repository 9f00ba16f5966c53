// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Turns that take long, and what else their worker has to do.
#include <doctest/doctest.h>

#include "sim_node.hpp"

using namespace test;

namespace {

// Burns so much of its worker's time in each turn, and asks itself for the next one.
struct Burner {
  SimExecutor* executor = nullptr;
  uint64_t burns_ns = 0;
  uint64_t turns = 0;
  bool goes_on = true;
} burner;

void send_to_burner() {
  const orbit_actors_v1* api = Runtime::api();
  orbit_envelope* envelope = api->allocate();
  envelope->type = api->type("burner");
  envelope->key = orbit::to_c(orbit::Bytes("b"));
  envelope->method = 1;
  api->send(envelope, nullptr);
}

void publish_burner(SimNode& node) {
  burner = Burner{&node.executor};
  static orbit_actor_type type;
  type = *cell_type("burner", ORBIT_DURABILITY_NONE);
  type.invoke = [](void*, orbit_envelope*) -> int {
    ++burner.turns;
    burner.executor->advance(burner.burns_ns);
    if (burner.goes_on) send_to_burner();
    return ORBIT_TURN_DONE;
  };
  const orbit_actor_type* types[] = {&type};
  REQUIRE(node.runtime.publish_module("burners", "1", "burners.so", types));
}

// How many turns the burner has until a timer of its worker, which is due in a moment, has run.
uint64_t turns_until_timer(SimNode& node) {
  bool ran = false;
  node.on_worker(0,
                 [&] { node.executor.after(1'000'000, [](void* flag) { *static_cast<bool*>(flag) = true; }, &ran); });
  const uint64_t before = burner.turns;
  REQUIRE(node.run_until([&] { return ran; }));
  return burner.turns - before;
}

}  // namespace

TEST_CASE("an actor that burns its turns and calls itself leaves its worker time for timers and for others") {
  Disk disk;
  SimNode node(disk, 1);
  publish_burner(node);
  node.on_worker(0, [] { send_to_burner(); });
  // The worker is used to short turns when they become long ones.
  burner.burns_ns = 10;
  REQUIRE(node.run_until([] { return burner.turns > 20'000; }));
  burner.burns_ns = 20'000'000;
  REQUIRE(node.run_until([long_ones = burner.turns + 1000] { return burner.turns > long_ones; }));
  for (int i = 0; i < 20; ++i) {
    // What is next is chosen by lot: the timer loses some.
    CHECK(turns_until_timer(node) < 50);
    const uint64_t before = burner.turns;
    CHECK(node.call("none", "a", kAdd, 1).value == i + 1);
    CHECK(burner.turns - before < 50);
  }
  burner.goes_on = false;
}

TEST_CASE("long turns are noticed within a few hundred, however short the others are") {
  Disk disk;
  SimNode node(disk, 2);
  publish_burner(node);
  node.on_worker(0, [] { send_to_burner(); });
  for (int i = 0; i < 20; ++i) {
    burner.burns_ns = 10;
    REQUIRE(node.run_until([short_ones = burner.turns + 20'000] { return burner.turns > short_ones; }));
    burner.burns_ns = 20'000'000;
    CHECK(turns_until_timer(node) < 400);
  }
  burner.goes_on = false;
}

TEST_CASE("a worker that was told that its round takes long looks at the clock after the turn") {
  Disk disk;
  SimNode node(disk, 3);
  publish_burner(node);
  node.on_worker(0, [] { send_to_burner(); });
  burner.burns_ns = 10;
  REQUIRE(node.run_until([] { return burner.turns > 20'000; }));
  node.runtime.scheduler(0).look_at_clock_soon();
  burner.burns_ns = 20'000'000;
  CHECK(turns_until_timer(node) < 50);
  burner.goes_on = false;
}

TEST_CASE("calls that would be answered at once wait when their worker's time is over, and are answered") {
  Disk disk;
  SimNode node(disk, 4, 2);
  publish_burner(node);
  burner.burns_ns = 20'000'000;
  node.on_worker(0, [] { send_to_burner(); });
  REQUIRE(node.run_until([] { return burner.turns > 10; }));
  for (int i = 0; i < 20; ++i) {
    const auto answer = node.relay("none/a none/b none/c none/d", kAdd, 1);
    const uint64_t before = burner.turns;
    CHECK(node.wait(answer).value == i + 1);
    CHECK(burner.turns - before < 200);
  }
  burner.goes_on = false;
}
