// SPDX-License-Identifier: MIT OR BSD-3-Clause
// How activations leave memory.
#include <doctest/doctest.h>

#include "executor/asio_executor.hpp"
#include "sim_node.hpp"

using namespace test;

namespace {

std::vector<std::pair<std::string, orbit_deactivation>>& farewells() {
  static std::vector<std::pair<std::string, orbit_deactivation>> all;
  return all;
}

// Adds 1000 when it leaves, unless its key is "quiet".
const orbit_actor_type* parting_type(orbit_durability durability) {
  auto* type = const_cast<orbit_actor_type*>(cell_type("parting", durability, 100));
  type->idle_timeout_ms = 1000;
  type->deactivating = [](void* actor, orbit_deactivation reason) -> int {
    auto* cell = static_cast<Cell*>(actor);
    farewells().emplace_back(cell->key, reason);
    if (cell->key == "quiet") return 0;
    cell->value += 1000;
    cell->exists = true;
    return 1;
  };
  return type;
}

void publish(Runtime& runtime, const orbit_actor_type* type, const std::string& version = "1") {
  const orbit_actor_type* types[] = {type};
  REQUIRE(runtime.publish_module("parting", version, "parting.so", types));
}

}  // namespace

TEST_CASE("an actor is told once that it leaves, and why; what it changes then is stored") {
  for (const orbit_durability durability : {ORBIT_DURABILITY_SYNC, ORBIT_DURABILITY_ASYNC, ORBIT_DURABILITY_NONE}) {
    Disk disk;
    SimNode node(disk, 1, 2);
    farewells().clear();
    publish(node.runtime, parting_type(durability));
    node.call("parting", "a", kAdd, 1);
    node.call("parting", "quiet", kAdd, 1);
    node.pass_ms(4000);
    CHECK(node.in_memory() == 0);
    REQUIRE(farewells().size() == 2);
    for (const auto& [key, reason] : farewells()) CHECK(reason == ORBIT_DEACTIVATION_IDLE);
    CHECK(node.call("parting", "a", kGet).value == 1001);
    CHECK(node.call("parting", "quiet", kGet).value == 1);

    farewells().clear();
    node.on_worker(0, [&] {
      Cell* cell = node.cell("parting", "a");
      node.runtime.post(cell->activation->worker, [cell] { Runtime::api()->deactivate_when_idle(cell->activation); });
    });
    node.pass_ms(500);
    REQUIRE(farewells().size() == 1);
    CHECK(farewells()[0].second == ORBIT_DEACTIVATION_ASKED);
    CHECK(node.call("parting", "a", kGet).value == 2001);

    farewells().clear();
    publish(node.runtime, parting_type(durability), "2");
    CHECK(node.call("parting", "a", kGet).value == 3001);
    REQUIRE(!farewells().empty());
    for (const auto& [key, reason] : farewells()) CHECK(reason == ORBIT_DEACTIVATION_UPGRADE);
  }
}

TEST_CASE("messages that arrive while an actor leaves find it again with what it changed") {
  Disk disk;
  SimNode node(disk, 2);
  publish(node.runtime, parting_type(ORBIT_DURABILITY_SYNC));
  node.call("parting", "a", kAdd, 1);
  std::vector<std::shared_ptr<Answer>> answers;
  node.on_worker(0, [&] { Runtime::api()->deactivate_when_idle(node.cell("parting", "a")->activation); });
  for (int i = 0; i < 20; ++i) {
    answers.push_back(node.send(0, "parting", "a", kAdd, 1));
    node.executor.step();
  }
  for (const auto& answer : answers) CHECK(node.wait(answer).code == ORBIT_OK);
  CHECK(node.call("parting", "a", kGet).value == 1021);
}

TEST_CASE("an actor whose commit fails while it leaves begins again for those who wait, once") {
  for (const bool wanted : {false, true}) {
    Disk disk;
    SimNode node(disk, 12);
    publish(node.runtime, parting_type(ORBIT_DURABILITY_SYNC));
    node.call("parting", "quiet", kAdd, 1);
    disk.fail_after_writes = 0;
    const auto failing = node.send(0, "parting", "quiet", kAdd, 5);
    REQUIRE(node.run_until([&] { return node.cell("parting", "quiet")->value == 6; }));
    std::shared_ptr<Answer> waiting;
    if (wanted) waiting = node.send(0, "parting", "quiet", kGet);
    node.on_worker(0, [&] { Runtime::api()->deactivate_when_idle(node.cell("parting", "quiet")->activation); });
    CHECK(node.wait(failing).code != ORBIT_OK);
    disk.fail_after_writes = -1;
    if (wanted) node.wait(waiting);
    CHECK(node.call("parting", "quiet", kGet).value == 1);
  }
}

TEST_CASE("actors that are told to leave may have others activated when there is room for few") {
  Disk disk;
  RuntimeOptions options;
  options.activations_max = 1500;
  SimNode node(disk, 13, 1, options);
  static std::map<std::string, int> told;
  static int within;
  told.clear();
  within = 0;
  auto* type = const_cast<orbit_actor_type*>(cell_type("parting", ORBIT_DURABILITY_ASYNC, 1));
  type->deactivating = [](void* actor, orbit_deactivation) -> int {
    const std::string key = static_cast<Cell*>(actor)->key;
    ++told[key];
    CHECK(++within == 1);
    const std::string cold = "after-" + key;
    const orbit_actors_v1* api = Runtime::api();
    orbit_envelope* const envelope = api->allocate();
    envelope->type = api->type("parting");
    envelope->key = orbit::to_c(cold);
    envelope->method = kGet;
    api->send(envelope, nullptr);
    --within;
    return 0;
  };
  publish(node.runtime, type);
  for (int i = 0; i < 1500; ++i) node.call("parting", std::to_string(i), kGet);
  CHECK(told.empty());
  node.pass_ms(100);
  for (int i = 1500; i < 1600; ++i) {
    const orbit_code code = node.call("parting", std::to_string(i), kGet).code;
    CHECK((code == ORBIT_OK || code == ORBIT_RESOURCE_EXHAUSTED));
  }
  CHECK(told.size() > 50);
  for (int i = 0; i < 1600; ++i) CHECK(told[std::to_string(i)] <= 1);
}

TEST_CASE("when the node stops actors are told, and what they change then is stored") {
  Disk disk;
  farewells().clear();
  {
    AsioExecutor executor({.workers = 1});
    Runtime runtime(executor, {}, {disk.engine()});
    publish(runtime, parting_type(ORBIT_DURABILITY_NONE));
    executor.start();
    std::atomic<bool> answered = false;
    runtime.post(0, [&answered] {
      const orbit_actors_v1* api = Runtime::api();
      orbit_envelope* envelope = api->allocate();
      envelope->type = api->type("parting");
      envelope->key = {"a", 1};
      envelope->method = kGet;
      envelope->reply_ctx = &answered;
      envelope->on_reply = [](void* ctx, orbit_envelope* reply) {
        Runtime::api()->free_envelope(reply);
        static_cast<std::atomic<bool>*>(ctx)->store(true);
        static_cast<std::atomic<bool>*>(ctx)->notify_all();
      };
      api->send(envelope, nullptr);
    });
    answered.wait(false);
    const auto report = runtime.drain(10'000);
    CHECK(report.complete);
    executor.stop();
  }
  REQUIRE(farewells().size() == 1);
  CHECK(farewells()[0].second == ORBIT_DEACTIVATION_SHUTDOWN);
  SimNode again(disk, 3);
  publish(again.runtime, parting_type(ORBIT_DURABILITY_SYNC));
  CHECK(again.call("parting", "a", kGet).value == 1000);
}

TEST_CASE("an actor may delay its deactivation, and take that back") {
  Disk disk;
  SimNode node(disk, 4);
  publish(node.runtime, parting_type(ORBIT_DURABILITY_SYNC));
  node.call("parting", "a", kAdd, 1);
  node.call("parting", "b", kAdd, 1);
  node.call("parting", "c", kAdd, 1);
  node.on_worker(0, [&] {
    Runtime::api()->delay_deactivation(node.cell("parting", "a")->activation, 10'000);
    Runtime::api()->delay_deactivation(node.cell("parting", "b")->activation, 10'000);
    Runtime::api()->delay_deactivation(node.cell("parting", "b")->activation, 0);
  });
  node.pass_ms(5000);
  CHECK(node.cell("parting", "a") != nullptr);
  CHECK(node.cell("parting", "b") == nullptr);
  CHECK(node.cell("parting", "c") == nullptr);
  node.pass_ms(8000);
  CHECK(node.cell("parting", "a") == nullptr);
}

TEST_CASE("under a bound what was used least lately leaves first, also of those that changed") {
  Disk disk;
  RuntimeOptions options;
  options.activations_max = 256;
  SimNode node(disk, 5, 1, options);
  std::vector<Cell*> hot;
  const auto use_hot = [&] {
    for (int i = 0; i < 32; ++i) REQUIRE(node.call("async", "hot" + std::to_string(i), kAdd, 1).code == ORBIT_OK);
  };
  use_hot();
  for (int i = 0; i < 32; ++i) hot.push_back(node.cell("async", "hot" + std::to_string(i)));
  const uint64_t loads_of_hot = metric(node, "orbit_state_loads_total");
  for (int i = 0; i < 1500; ++i) {
    const Answer& answer = node.call("async", "cold" + std::to_string(i), kAdd, 1);
    REQUIRE_MESSAGE(answer.code == ORBIT_OK, answer.message);
    node.pass_ms(20);
    if (i % 10 == 0) use_hot();
  }
  CHECK(node.in_memory() <= 256);
  // Each cold one was read once, the hot ones hardly ever again.
  CHECK(metric(node, "orbit_state_loads_total") - loads_of_hot <= 1500 + 32);
}
