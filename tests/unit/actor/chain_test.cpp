// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What travels with a chain of calls: deadlines, cancellation, the path.
#include <doctest/doctest.h>

#include "sim_node.hpp"

using namespace test;

TEST_CASE("a cycle of calls is answered at once with its path, on one worker and across workers") {
  for (const uint32_t workers : {1u, 2u, 3u, 5u}) {
    Disk disk;
    SimNode node(disk, 20 + workers, workers);
    const auto answer = node.relay("async/a async/b async/c async/d async/b", kGet);
    CHECK(node.wait(answer).code == ORBIT_FAILED_PRECONDITION);
    CHECK(answer->message == "the call would wait for itself: async/b -> async/c -> async/d -> async/b");
    CHECK(metric(node, "orbit_call_cycles_total") == 1);
    // Nobody is stuck.
    for (const char* key : {"a", "b", "c", "d"}) CHECK(node.call("async", key, kAdd, 1).value == 1);
  }
}

TEST_CASE("an actor that calls itself is told so") {
  Disk disk;
  SimNode node(disk, 21, 2);
  const auto answer = node.relay("sync/me sync/me", kGet);
  CHECK(node.wait(answer).message == "the call would wait for itself: sync/me -> sync/me");
}

TEST_CASE("the path of a long cycle leaves out its middle, and keys that are no text are shown encoded") {
  Disk disk;
  SimNode node(disk, 22, 2);
  std::string route = "none/\x01";
  for (int i = 0; i < 40; ++i) route += " none/k" + std::to_string(i);
  const auto answer = node.relay(route + " none/\x01", kGet);
  CHECK(node.wait(answer).code == ORBIT_FAILED_PRECONDITION);
  CHECK(answer->message.starts_with("the call would wait for itself: none/%01 -> none/k0 -> "));
  CHECK(answer->message.find("(26 more)") != std::string::npos);
  CHECK(answer->message.ends_with("none/k39 -> none/%01"));
}

TEST_CASE("a call that finds its target busy for another chain waits, and is no cycle") {
  for (const uint32_t workers : {1u, 3u}) {
    Disk disk;
    SimNode node(disk, 23, workers);
    const auto sleeper = node.send(0, "async", "b", kSleep);
    asleep(node, "async", "b");
    const auto chain = node.relay("async/a async/b", kAdd, 3);
    node.pass_ms(50);
    CHECK_FALSE(chain->arrived);
    node.wake("async", "b");
    CHECK(node.wait(chain).value == 3);
    CHECK(node.wait(sleeper).code == ORBIT_OK);
    CHECK(metric(node, "orbit_call_cycles_total") == 0);
  }
}

TEST_CASE("a chain of many calls without a cycle is answered") {
  Disk disk;
  SimNode node(disk, 24, 3);
  std::string route = "async/k0";
  for (int i = 1; i < 400; ++i) route += " async/k" + std::to_string(i);
  CHECK(node.wait(node.relay(route, kAdd, 7)).value == 7);
  CHECK(node.call("async", "k399", kGet).value == 7);
}

TEST_CASE("a call has its chain's deadline when that is earlier, at every hop, whatever the worker") {
  for (const uint32_t workers : {1u, 4u}) {
    Disk disk;
    SimNode node(disk, 25, workers);
    const uint64_t deadline_ns = node.executor.monotonic_ns() + 1'000'000'000;
    const auto chain = node.relay("async/a async/b async/c", kSleep, 0, deadline_ns);
    CHECK(asleep(node, "async", "c")->deadline_seen_ns == deadline_ns);
    CHECK(node.cell("async", "b")->deadline_seen_ns == deadline_ns);
    node.wake("async", "c");
    CHECK(node.wait(chain).code == ORBIT_OK);
    const auto free = node.relay("async/a async/b async/c", kSleep);
    CHECK(asleep(node, "async", "c")->deadline_seen_ns == 0);
    node.wake("async", "c");
    node.wait(free);
  }
}

TEST_CASE("a message that expires while it waits is dropped before it runs, and counted") {
  for (const uint32_t workers : {1u, 3u}) {
    Disk disk;
    SimNode node(disk, 26, workers);
    const auto sleeper = node.send(0, "async", "b", kSleep);
    asleep(node, "async", "b");
    const auto chain = node.relay("async/a async/b", kAdd, 3, node.executor.monotonic_ns() + 20'000'000);
    node.pass_ms(100);
    node.wake("async", "b");
    CHECK(node.wait(chain).code == ORBIT_DEADLINE_EXCEEDED);
    CHECK(metric(node, "orbit_expired_messages_total") == 1);
    CHECK(node.call("async", "b", kGet).value == 0);
  }
}

TEST_CASE("cancelling a call that waits in a mailbox answers it at once; it never runs") {
  for (const uint32_t workers : {1u, 3u}) {
    Disk disk;
    SimNode node(disk, 28, workers);
    node.send(0, "async", "a", kSleep);
    asleep(node, "async", "a");
    const auto call = node.send(0, "async", "a", kAdd, 5);
    const auto other = node.send(0, "async", "a", kAdd, 1);
    node.pass_ms(10);
    node.cancel(0, call);
    CHECK(node.wait(call).code == ORBIT_CANCELLED);
    node.wake("async", "a");
    CHECK(node.wait(other).value == 1);
    CHECK(metric(node, "orbit_cancelled_calls_total") == 1);
  }
}

TEST_CASE("cancelling travels down the chain: the last turn is told, later calls fail, everyone is answered") {
  for (const uint32_t workers : {1u, 2u, 5u}) {
    Disk disk;
    SimNode node(disk, 29, workers);
    const auto chain = node.relay("async/a async/b async/c async/d", kGet);
    node.wait(chain);
    node.send(0, "async", "d", kSleep);
    asleep(node, "async", "d");
    const auto waits = node.relay("async/a async/b async/c async/d", kAdd, 5);
    node.pass_ms(10);
    node.cancel(0, waits);
    CHECK(node.wait(waits).code == ORBIT_CANCELLED);
    CHECK(node.cell("async", "a")->heard.back().find("async/d began") != std::string::npos);
    node.wake("async", "d");
    CHECK(node.call("async", "d", kGet).value == 0);
  }
}

TEST_CASE("a turn that runs on is told that it was cancelled, and a shielded call is spared") {
  for (const uint32_t workers : {1u, 4u}) {
    Disk disk;
    SimNode node(disk, 30, workers);
    const auto plain = node.relay("async/a async/b", kSleep);
    Cell* b = asleep(node, "async", "b");
    node.cancel(0, plain);
    node.pass_ms(10);
    CHECK_FALSE(plain->arrived);
    CHECK((b->sleeping->flags & kCancelled) != 0);
    node.wake("async", "b");
    CHECK(node.wait(plain).code == ORBIT_OK);

    const auto spared = node.relay("async/a *async/b", kSleep);
    b = asleep(node, "async", "b");
    node.cancel(0, spared);
    node.pass_ms(10);
    CHECK((b->sleeping->flags & kCancelled) == 0);
    node.wake("async", "b");
    node.wait(spared);
  }
}

TEST_CASE("cancelling at any moment is answered once and leaves no turn behind") {
  for (uint64_t round = 0; round < 300; ++round) {
    CAPTURE(round);
    Disk disk;
    SimNode node(disk, 1000 + round, 1 + static_cast<uint32_t>(round % 4));
    const auto call = node.relay("async/a sync/b async/c sync/d", kAdd, 1);
    for (uint64_t steps = round / 4; steps != 0 && node.executor.step(); --steps) {
    }
    node.cancel(0, call);
    const orbit_code code = node.wait(call).code;
    CHECK((code == ORBIT_OK || code == ORBIT_CANCELLED));
    const auto again = node.relay("async/a sync/b async/c sync/d", kAdd, 1);
    CHECK(node.wait(again).code == ORBIT_OK);
    if (code == ORBIT_OK) CHECK(again->value == 2);
  }
}
