// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>

#include "sim_node.hpp"

using namespace test;

TEST_CASE("the first message activates an actor, later ones find it") {
  Disk disk;
  SimNode node(disk, 1);
  CHECK(node.call("sync", "a", kAdd, 5).value == 5);
  CHECK(node.call("sync", "a", kAdd, 5).value == 10);
  CHECK(node.in_memory() == 1);
  CHECK(node.runtime.activations() == 1);
}

TEST_CASE("messages of one sender to one actor run in order, also across workers") {
  Disk disk;
  SimNode node(disk, 2, 3);
  std::vector<std::shared_ptr<Answer>> answers;
  for (int i = 0; i < 200; ++i) answers.push_back(node.send(1, "async", "k", kAdd, 1));
  for (int i = 0; i < 200; ++i) CHECK(node.wait(answers[static_cast<size_t>(i)]).value == i + 1);
}

TEST_CASE("a type that no module provides answers NOT_FOUND and names it") {
  Disk disk;
  SimNode node(disk, 3);
  const Answer& answer = node.call("nobody", "a", kGet);
  CHECK(answer.code == ORBIT_NOT_FOUND);
  CHECK(answer.message.find("nobody") != std::string::npos);
}

TEST_CASE("a full mailbox refuses with an error that names the bound and the actor") {
  Disk disk;
  RuntimeOptions options;
  options.types.mailbox_max = 4;
  SimNode node(disk, 4, 1, options);
  const auto sleeper = node.send(0, "async", "a", kSleep);
  REQUIRE(node.run_until([&] { return node.cell("async", "a") != nullptr && node.cell("async", "a")->sleeping != nullptr; }));
  std::vector<std::shared_ptr<Answer>> answers;
  for (int i = 0; i < 6; ++i) answers.push_back(node.send(0, "async", "a", kAdd, 1));
  for (const size_t refused : {4u, 5u}) {
    const Answer& answer = node.wait(answers[refused]);
    CHECK(answer.code == ORBIT_RESOURCE_EXHAUSTED);
    CHECK(answer.message.find("mailbox_max") != std::string::npos);
    CHECK(answer.message.find("async/a") != std::string::npos);
  }
  node.on_worker(0, [&] {
    Cell* cell = node.cell("async", "a");
    Runtime::api()->finish(cell->activation, cell->sleeping);
  });
  CHECK(node.wait(sleeper).code == ORBIT_OK);
  CHECK(node.wait(answers[3]).value == 4);
}

TEST_CASE("a pending turn keeps the actor closed until it finishes") {
  Disk disk;
  SimNode node(disk, 5);
  const auto sleeper = node.send(0, "sync", "a", kSleep);
  const auto waiting = node.send(0, "sync", "a", kGet);
  node.pass_ms(100);
  CHECK_FALSE(waiting->arrived);
  node.on_worker(0, [&] {
    Cell* cell = node.cell("sync", "a");
    Runtime::api()->finish(cell->activation, cell->sleeping);
  });
  CHECK(node.wait(waiting).code == ORBIT_OK);
  CHECK(sleeper->arrived);
}

TEST_CASE("a message whose deadline has passed does not run") {
  Disk disk;
  SimNode node(disk, 6);
  node.call("async", "a", kAdd, 1);
  const auto late = node.send(0, "async", "a", kAdd, 1, 1);
  CHECK(node.wait(late).code == ORBIT_DEADLINE_EXCEEDED);
  CHECK(node.call("async", "a", kGet).value == 1);
}

TEST_CASE("an actor that is not used leaves memory and comes back with its state") {
  Disk disk;
  RuntimeOptions options;
  options.types.idle_timeout_ms = 1000;
  SimNode node(disk, 7, 1, options);
  node.call("sync", "a", kAdd, 7);
  node.call("async", "b", kAdd, 8);
  node.call("none", "c", kAdd, 9);
  node.call("sync", "a", kSetSub, 3);
  node.pass_ms(5000);
  CHECK(node.in_memory() == 0);
  CHECK(node.call("sync", "a", kGet).value == 7);
  CHECK(node.cell("sync", "a")->subs.size() == 1);
  CHECK(node.call("async", "b", kGet).value == 8);
  CHECK(node.call("none", "c", kGet).value == 9);
}

TEST_CASE("the bound on activations lets go of the least recently used ones") {
  Disk disk;
  RuntimeOptions options;
  options.activations_max = 100;
  SimNode node(disk, 8, 1, options);
  for (int i = 0; i < 1000; ++i) {
    const Answer& answer = node.call("sync", "k" + std::to_string(i), kAdd, i);
    REQUIRE_MESSAGE(answer.code == ORBIT_OK, answer.message);
    node.pass_ms(40);
  }
  CHECK(node.in_memory() <= 100);
  for (int i = 0; i < 1000; i += 97) {
    CHECK(node.call("sync", "k" + std::to_string(i), kGet).value == i);
    node.pass_ms(40);
  }
}

TEST_CASE("a new version of a module takes over the waiting messages and the state") {
  Disk disk;
  SimNode node(disk, 9, 2);
  for (int i = 0; i < 50; ++i) node.call("async", "k" + std::to_string(i), kAdd, i);
  std::vector<std::shared_ptr<Answer>> answers;
  for (int i = 0; i < 50; ++i) answers.push_back(node.send(0, "async", "k" + std::to_string(i), kAdd, 1));
  const orbit_actor_type* types[] = {cell_type("async", ORBIT_DURABILITY_SYNC)};
  REQUIRE(node.runtime.publish_module("cells", "2", "cells2.so", types));
  for (int i = 0; i < 50; ++i) answers.push_back(node.send(1, "async", "k" + std::to_string(i), kAdd, 1));
  for (size_t i = 0; i < answers.size(); ++i) REQUIRE_MESSAGE(node.wait(answers[i]).code == ORBIT_OK, answers[i]->message);
  for (int i = 0; i < 50; ++i) CHECK(node.call("async", "k" + std::to_string(i), kGet).value == i + 2);
  CHECK(node.call("sync", "a", kGet).code == ORBIT_NOT_FOUND);  // version 2 has no such type
  node.pass_ms(1000);
  CHECK(node.runtime.modules_json().find("\"retired\"") != std::string::npos);
}

TEST_CASE("what expires is erased, in memory or not") {
  Disk disk;
  RuntimeOptions options;
  options.types.idle_timeout_ms = 200;
  SimNode node(disk, 10, 2, options);
  node.on_worker(0, [&] { node.runtime.start(); });
  const int64_t now = static_cast<int64_t>(node.executor.unix_ms());
  node.call("async", "soon", kAdd, 1);
  node.call("async", "soon", kExpireAt, now + 3000);
  node.call("async", "later", kAdd, 2);
  node.call("async", "later", kExpireAt, now + 3'600'000);
  node.pass_ms(2000);
  CHECK(node.in_memory() == 0);
  node.pass_ms(3000);
  for (const auto& [key, value] : disk.data) CHECK(key.find("soon") == std::string::npos);
  CHECK(node.call("async", "soon", kGet).value == 0);
  CHECK(node.call("async", "later", kGet).value == 2);
}

TEST_CASE("a payload is asked once to own what it borrows, however far it travels") {
  Disk disk;
  SimNode node(disk, 11, 3);
  static int retained = 0;
  retained = 0;
  static const orbit_payload_ops ops = {sizeof(orbit_payload_ops), 0, &ops, nullptr,
                                        [](void* object) -> void* { return ++retained, object; }, nullptr};
  int answers = 0;
  constexpr int kCalls = 30;  // keys on every worker, all of them cold
  for (int i = 0; i < kCalls; ++i) {
    node.on_worker(0, [&] {
      const orbit_actors_v1* api = Runtime::api();
      orbit_envelope* envelope = api->allocate();
      const std::string key = "k" + std::to_string(i);
      envelope->type = api->type("async");
      envelope->key = orbit::to_c(key);
      envelope->method = kGet;
      envelope->ops = &ops;
      envelope->reply_ctx = &answers;
      envelope->on_reply = [](void* ctx, orbit_envelope* reply) {
        ++*static_cast<int*>(ctx);
        Runtime::api()->free_envelope(reply);
      };
      api->send(envelope, nullptr);
    });
  }
  REQUIRE(node.run_until([&] { return answers == kCalls; }));
  CHECK(retained == kCalls);
}

TEST_CASE("an activation that is refused is an error to its callers, and the next one tries again") {
  for (const bool cached : {false, true}) {
    for (const uint32_t workers : {1u, 2u}) {
      Disk disk;
      SimNode node(disk, 12, workers, {}, cached);
      for (int i = 0; i < 3; ++i) {
        const Answer& answer = node.call("async", "refused", kGet);
        CHECK(answer.code == ORBIT_INVALID_ARGUMENT);
        CHECK(answer.message.starts_with("this key is refused"));
        node.pass_ms(1000);
      }
      CHECK(metric(node, "orbit_failed_activations_total") == 3);
      CHECK(node.runtime.activations() == 0);
      CHECK(node.call("async", "fine", kAdd, 1).value == 1);
    }
  }
}
