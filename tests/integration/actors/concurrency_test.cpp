// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Which turns may run while others wait.
#include <doctest/doctest.h>

#include "module_node.hpp"

using namespace test;

namespace {

const char* const kMeter = "calls.Meter";

std::string visit(int64_t before, int64_t after, bool fails = false) {
  return R"({"gate":"g","before":)" + std::to_string(before) + R"(,"after":)" + std::to_string(after) +
         (fails ? R"(,"fails":true})" : "}");
}

}  // namespace

TEST_CASE("read-only turns run at the same time; one that writes waits for them and is not starved") {
  for (const uint32_t workers : {1u, 3u}) {
    Disk disk;
    ModuleNode node(disk, 1, workers);
    node.value(kMeter, "m", "Add", R"({"value":5})");
    const auto first = node.start(kMeter, "m", "LookTwice", visit(0, 0));
    const auto second = node.start(kMeter, "m", "LookTwice", visit(0, 0));
    node.await_gate("g", 2);
    CHECK(node.value(kMeter, "m", "Look") == 5);
    const auto writer = node.start(kMeter, "m", "Add", R"({"value":1})");
    const auto late_reader = node.start(kMeter, "m", "Look");
    node.pass_ms(50);
    CHECK_FALSE(writer->arrived);
    CHECK_FALSE(late_reader->arrived);  // it came after the writer
    node.open_gate("g");
    CHECK(node.value(first) == 0);
    CHECK(node.value(second) == 0);
    CHECK(node.value(writer) == 6);
    CHECK(node.value(late_reader) == 6);
  }
}

TEST_CASE("a method that is neither keeps its actor closed while it waits, for readers too") {
  Disk disk;
  ModuleNode node(disk, 2, 2);
  const auto closed = node.start(kMeter, "m", "AddTwice", visit(1, 1));
  node.await_gate("g", 1);
  const auto reader = node.start(kMeter, "m", "Look");
  node.pass_ms(50);
  CHECK_FALSE(reader->arrived);
  node.open_gate("g");
  CHECK(node.value(closed) == 2);
  CHECK(node.value(reader) == 2);
}

TEST_CASE("while a reentrant method waits other turns run; what everyone changed is stored") {
  for (const uint32_t workers : {1u, 3u}) {
    Disk disk;
    {
      ModuleNode node(disk, 3, workers);
      const auto open = node.start(kMeter, "m", "AddTwiceOpen", visit(10, 100));
      node.await_gate("g", 1);
      CHECK(node.value(kMeter, "m", "Add", R"({"value":1})") == 11);
      CHECK(node.value(kMeter, "m", "Look") == 11);
      node.open_gate("g");
      CHECK(node.value(open) == 111);
    }
    ModuleNode again(disk, 4, workers);
    CHECK(again.value(kMeter, "m", "Look") == 111);
  }
}

TEST_CASE("a turn that fails after another came in undoes what it changed since; the other one's changes stay") {
  Disk disk;
  {
    ModuleNode node(disk, 5);
    const auto open = node.start(kMeter, "m", "AddTwiceOpen", visit(10, 100, true));
    node.await_gate("g", 1);
    CHECK(node.value(kMeter, "m", "Add", R"({"value":1})") == 11);
    node.open_gate("g");
    CHECK(node.wait(open).code == ORBIT_INTERNAL);
    CHECK(node.value(kMeter, "m", "Look") == 11);
  }
  ModuleNode again(disk, 6);
  CHECK(again.value(kMeter, "m", "Look") == 11);
}

TEST_CASE("a turn that comes in and fails undoes its own changes only, and the waiting one's are stored") {
  Disk disk;
  Disk as_seen;
  {
    ModuleNode node(disk, 7);
    const auto open = node.start(kMeter, "m", "AddTwiceOpen", visit(10, 100));
    node.await_gate("g", 1);
    CHECK(node.wait(node.start(kMeter, "m", "Add", R"({"value":-3})")).code == ORBIT_INTERNAL);
    CHECK(node.value(kMeter, "m", "Look") == 10);
    as_seen.data = disk.data;
    node.open_gate("g");
    CHECK(node.wait(open).code == ORBIT_OK);
  }
  // What another turn saw was stored before the waiting turn ended.
  ModuleNode again(as_seen, 8);
  CHECK(again.value(kMeter, "m", "Look") == 10);
}

TEST_CASE("two waiting turns that both change and fail or not keep apart what is whose") {
  Disk disk;
  {
    ModuleNode node(disk, 9);
    const auto fails = node.start(kMeter, "m", "AddTwiceOpen", visit(1, 10, true));
    const auto passes = node.start(kMeter, "m", "AddTwiceOpen", visit(100, 1000));
    node.await_gate("g", 2);
    node.open_gate("g");
    CHECK(node.wait(fails).code == ORBIT_INTERNAL);
    CHECK(node.wait(passes).code == ORBIT_OK);
    CHECK(node.value(kMeter, "m", "Look") == 1101);
  }
  ModuleNode again(disk, 10);
  CHECK(again.value(kMeter, "m", "Look") == 1101);
}

TEST_CASE("a chain may come back to an actor that allowed it, and only then") {
  for (const uint32_t workers : {1u, 2u, 5u}) {
    Disk disk;
    ModuleNode node(disk, 11, workers);
    const auto refused = node.start(kMeter, "a", "Travel", R"({"via":"b","home":"a","add":5})");
    CHECK(node.wait(refused).code == ORBIT_FAILED_PRECONDITION);
    CHECK(refused->text == "the call would wait for itself: calls.Meter/a -> calls.Meter/b -> calls.Meter/a");
    CHECK(node.value(kMeter, "a", "Travel", R"({"via":"b","home":"a","add":5,"reentrant":true})") == 5);
    CHECK(node.value(kMeter, "a", "Look") == 5);
  }
}

TEST_CASE("a chain that comes back goes before what waits for it") {
  Disk disk;
  ModuleNode node(disk, 12, 3);
  std::vector<std::shared_ptr<JsonAnswer>> answers;
  for (int i = 0; i < 5; ++i) {
    answers.push_back(node.start(kMeter, "a", "Travel", R"({"via":"b","home":"a","add":1,"reentrant":true})"));
    answers.push_back(node.start(kMeter, "a", "Add", R"({"value":1})"));
  }
  for (const auto& answer : answers) CHECK(node.wait(answer).code == ORBIT_OK);
  CHECK(node.value(kMeter, "a", "Look") == 10);
}

TEST_CASE("a stateless type has copies on every worker: calls stay on their worker and use an idle copy") {
  Disk disk;
  ModuleNode node(disk, 13, 2);
  std::vector<std::shared_ptr<JsonAnswer>> answers;
  for (const uint32_t worker : {0u, 0u, 0u, 1u}) answers.push_back(node.start("calls.Helper", "h", "Work", R"({"gate":"g"})", worker));
  node.await_gate("g", 3);  // two copies on worker 0, one on worker 1; the third call of worker 0 waits
  node.open_gate("g");
  CHECK(node.value(answers[0]) != node.value(answers[1]));
  CHECK(node.value(answers[0]) != node.value(answers[3]));
  CHECK(node.value(answers[1]) != node.value(answers[3]));
  node.await_gate("g", 1);
  node.open_gate("g");
  const int64_t third = node.value(answers[2]);
  CHECK((third == node.value(answers[0]) || third == node.value(answers[1])));
  const uint64_t writes = disk.writes;
  node.pass_ms(100);
  CHECK(disk.writes == writes);
  for (const auto& [key, value] : disk.data) CHECK(key.find("Helper") == std::string::npos);
}

TEST_CASE("cancelling reaches a typed actor: it can ask, its calls fail, shielded ones are made") {
  for (const uint32_t workers : {1u, 4u}) {
    Disk disk;
    ModuleNode node(disk, 14, workers);
    for (const bool cancel : {true, false}) {
      const auto call = node.start(kMeter, "m", "Patience", R"({"gate":"g"})");
      node.await_gate("g", 1);
      if (cancel) node.on_worker(0, [&] { Runtime::api()->cancel(call->call); });
      node.pass_ms(10);
      CHECK_FALSE(call->arrived);
      node.open_gate("g");
      CHECK(node.wait(call).text == (cancel ? R"({"text":"cancelled, plain call CANCELLED, shielded call OK"})"
                                            : R"({"text":"wanted, plain call OK, shielded call OK"})"));
    }
  }
}

TEST_CASE("a JSON call is answered at its deadline although its turn waits, and the turn is told") {
  Disk disk;
  ModuleNode node(disk, 15, 2);
  const auto call = node.start(kMeter, "m", "AddTwice", visit(1, 1), 0, node.executor.monotonic_ns() + 50'000'000);
  node.await_gate("g", 1);
  node.pass_ms(100);
  CHECK(node.wait(call).code == ORBIT_DEADLINE_EXCEEDED);
  CHECK(call->text.find("AddTwice of calls.Meter/m") != std::string::npos);
  node.open_gate("g");
  CHECK(node.value(kMeter, "m", "Add", R"({"value":0})") >= 0);
}
