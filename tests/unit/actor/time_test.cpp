// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Timers of activations and the index of what is due, with an actor type that keeps a diary of its ticks.
#include <doctest/doctest.h>

#include <cstring>
#include <set>

#include "actor/due_index.hpp"
#include "sim_node.hpp"
#include "state/record_format.hpp"

namespace {

using namespace test;

std::string text(orbit_bytes bytes) { return {bytes.data, bytes.size}; }

// What ticks saw, over all activations and restarts.
struct Tick {
  std::string key;
  std::string name;
  uint64_t due_ms;
  uint64_t at_ms;
};
struct World {
  std::vector<uint64_t> timer_ns;
  std::vector<uint32_t> skipped;
  std::vector<Tick> due;
  int fail_due = 0;        // so many due ticks answer with an error
  bool hold_ticks = false; // timer ticks become pending turns
  std::vector<std::pair<orbit_activation*, orbit_envelope*>> held;
  uint64_t period_ms = 0;  // a due tick asks for the next one
  std::vector<uint64_t> stored;
  int created = 0;
} world;

// Its record is the due time of its one entry, "r".
struct Diary {
  orbit_activation* activation = nullptr;
  std::string key;
  uint64_t due_ms = 0;
  uint64_t stored_due_ms = 0;
  uint64_t timer = 0;
};

enum : uint32_t { kStart = 1, kCancel = 2, kDueAt = 3, kTouch = 4, kStartKeeping = 5 };

int diary_invoke(void* actor, orbit_envelope* envelope) {
  auto& diary = *static_cast<Diary*>(actor);
  const orbit_actors_v1* api = Runtime::api();
  Executor& executor = this_runtime()->executor();
  int64_t argument = 0;
  if (envelope->method < ORBIT_METHOD_SYSTEM && envelope->ops != nullptr) std::memcpy(&argument, envelope->payload, 8);
  orbit::ErrorOut error;
  switch (envelope->method) {
    case kStart:
    case kStartKeeping: {
      const orbit_code code = api->start_timer(diary.activation, static_cast<uint64_t>(argument), static_cast<uint64_t>(argument),
                                               7, envelope->method == kStartKeeping ? ORBIT_TIMER_KEEPS_ACTIVE : 0,
                                               &diary.timer, &error);
      if (code != ORBIT_OK) api->fail(envelope, code, orbit::to_c(std::string_view(error.message)));
      return ORBIT_TURN_DONE;
    }
    case kCancel:
      if (api->cancel_timer(diary.activation, diary.timer) == 0) api->fail(envelope, ORBIT_NOT_FOUND, {"no timer", 8});
      return ORBIT_TURN_DONE;
    case kDueAt:
      diary.due_ms = static_cast<uint64_t>(argument);
      envelope->flags |= ORBIT_ENVELOPE_DIRTY;
      return ORBIT_TURN_DONE;
    case kTouch:
      return ORBIT_TURN_DONE;
    case ORBIT_METHOD_TIMER: {
      const auto& tick = *static_cast<const orbit_timer_tick*>(envelope->payload);
      CHECK(tick.cookie == 7);
      world.timer_ns.push_back(executor.monotonic_ns());
      world.skipped.push_back(tick.skipped);
      if (!world.hold_ticks) return ORBIT_TURN_DONE;
      world.held.emplace_back(diary.activation, envelope);
      return ORBIT_TURN_PENDING;
    }
    case ORBIT_METHOD_DUE: {
      const auto& tick = *static_cast<const orbit_due_tick*>(envelope->payload);
      if (tick.due_ms != diary.due_ms) return ORBIT_TURN_DONE;  // moved meanwhile
      if (world.fail_due > 0) {
        --world.fail_due;
        api->fail(envelope, ORBIT_ABORTED, {"not now", 7});
        return ORBIT_TURN_DONE;
      }
      world.due.push_back({diary.key, text(tick.name), tick.due_ms, executor.unix_ms()});
      diary.due_ms = world.period_ms == 0 ? 0 : tick.due_ms + world.period_ms;
      envelope->flags |= ORBIT_ENVELOPE_DIRTY;
      return ORBIT_TURN_DONE;
    }
    default:
      api->fail(envelope, ORBIT_UNIMPLEMENTED, {"no such method", 14});
      return ORBIT_TURN_DONE;
  }
}

const orbit_actor_type* diary_type(const char* name, orbit_durability durability) {
  static std::deque<orbit_actor_type> made;
  orbit_actor_type& type = made.emplace_back();
  type = {};
  type.struct_size = sizeof type;
  type.durability = durability;
  type.flush_delay_ms = durability == ORBIT_DURABILITY_ASYNC ? 500 : 0;
  type.name = name;
  type.idle_timeout_ms = 2000;
  type.create = [](void*, orbit_activation* activation, orbit_bytes key, orbit_error*) -> void* {
    ++world.created;
    return new Diary{activation, text(key)};
  };
  type.destroy = [](void* actor) { delete static_cast<Diary*>(actor); };
  type.load = [](void* actor, const orbit_record* records, size_t count, uint64_t, orbit_error*) -> orbit_code {
    auto& diary = *static_cast<Diary*>(actor);
    if (count != 0) std::memcpy(&diary.due_ms, records[0].value.data, 8);
    diary.stored_due_ms = diary.due_ms;
    return ORBIT_OK;
  };
  type.invoke = &diary_invoke;
  type.collect = [](void* actor, const orbit_writer* writer) {
    auto& diary = *static_cast<Diary*>(actor);
    writer->put_main(writer->ctx, {reinterpret_cast<const char*>(&diary.due_ms), 8}, 0, 0);
    writer->set_due(writer->ctx, {"r", 1}, diary.stored_due_ms, diary.due_ms);
    diary.stored_due_ms = diary.due_ms;
    writer->when_stored(writer->ctx, diary.due_ms);
  };
  type.stored = [](void*, uint64_t cookie) { world.stored.push_back(cookie); };
  return &type;
}

struct TimeNode : SimNode {
  TimeNode(Disk& disk, uint64_t seed, uint32_t workers = 1, bool with_diaries = true) : SimNode(disk, seed, workers) {
    if (with_diaries) publish();
    runtime.start();
  }
  void publish() {
    const orbit_actor_type* types[] = {diary_type("diary", ORBIT_DURABILITY_SYNC),
                                       diary_type("lazy", ORBIT_DURABILITY_ASYNC)};
    REQUIRE(runtime.publish_module("diaries", "1", "diaries.so", types));
  }
  orbit_code tell(const std::string& type, const std::string& key, uint32_t method, uint64_t argument = 0) {
    return call(type, key, static_cast<Method>(method), static_cast<int64_t>(argument)).code;
  }
  uint64_t now_ms() const { return executor.unix_ms(); }
};

struct Fresh {
  Fresh() { world = {}; }
};

size_t due_entries(const Disk& disk) {
  size_t count = 0;
  for (auto at = disk.data.lower_bound(std::string(1, kDueSpace)); at != disk.data.end() && at->first[0] == kDueSpace; ++at)
    ++count;
  return count;
}

}  // namespace

TEST_CASE_FIXTURE(Fresh, "a timer ticks on a grid that does not drift, as turns, until its activation leaves") {
  Disk disk;
  TimeNode node(disk, 1);
  REQUIRE(node.tell("diary", "a", kStart, 100) == ORBIT_OK);
  const uint64_t start_ns = node.executor.monotonic_ns();
  node.pass_ms(1050);
  REQUIRE(world.timer_ns.size() == 10);
  for (size_t i = 0; i < 10; ++i) {
    const uint64_t late = world.timer_ns[i] + 1'000'000 - start_ns - (i + 1) * 100'000'000;
    CHECK(late < 2'000'000);
  }
  node.pass_ms(5000);  // ticks are no use: it becomes idle after two seconds
  CHECK(world.timer_ns.size() > 15);
  CHECK(world.timer_ns.size() < 30);
  CHECK(node.runtime.scheduler(0).timers().size() == 0);
}

TEST_CASE_FIXTURE(Fresh, "a timer that keeps its activation active ticks on; a cancelled one does not") {
  Disk disk;
  TimeNode node(disk, 2);
  REQUIRE(node.tell("diary", "a", kStartKeeping, 100) == ORBIT_OK);
  node.pass_ms(10'050);
  CHECK(world.timer_ns.size() == 100);
  CHECK(world.created == 1);
  REQUIRE(node.tell("diary", "a", kCancel) == ORBIT_OK);
  CHECK(node.tell("diary", "a", kCancel) == ORBIT_NOT_FOUND);
  node.pass_ms(1000);
  CHECK(world.timer_ns.size() == 100);
}

TEST_CASE_FIXTURE(Fresh, "ticks of a timer do not overlap: those whose time passes during a tick's turn are counted, not queued") {
  Disk disk;
  TimeNode node(disk, 3);
  world.hold_ticks = true;
  REQUIRE(node.tell("diary", "a", kStart, 100) == ORBIT_OK);
  node.pass_ms(1050);
  REQUIRE(world.timer_ns.size() == 1);
  world.hold_ticks = false;
  node.on_worker(0, [] { Runtime::api()->finish(world.held[0].first, world.held[0].second); });
  node.pass_ms(100);
  REQUIRE(world.skipped.size() == 2);
  CHECK(world.skipped[1] == 9);
}

TEST_CASE_FIXTURE(Fresh, "an activation has a bounded number of timers, and the error names the bound") {
  Disk disk;
  TimeNode node(disk, 4);
  for (uint32_t i = 0; i < ORBIT_TIMERS_MAX; ++i) REQUIRE(node.tell("diary", "a", kStart, 1'000'000) == ORBIT_OK);
  const Answer& answer = node.call("diary", "a", static_cast<Method>(kStart), 1);
  CHECK(answer.code == ORBIT_RESOURCE_EXHAUSTED);
  CHECK(answer.message.find("timers_max") != std::string::npos);
  CHECK(node.tell("diary", "b", kStart, 1'000'000) == ORBIT_OK);
}

TEST_CASE_FIXTURE(Fresh, "what is due reaches its actor at its time, also when that is not in memory, and leaves the index with the turn") {
  for (const uint32_t workers : {1u, 3u}) {
    world = {};
    Disk disk;
    TimeNode node(disk, 5 + workers, workers);
    const uint64_t at_ms = node.now_ms() + 10'000;
    REQUIRE(node.tell("diary", "a", kDueAt, at_ms) == ORBIT_OK);
    CHECK(due_entries(disk) == 1);
    node.pass_ms(9'900);
    CHECK(world.due.empty());
    node.pass_ms(200);
    REQUIRE(world.due.size() == 1);
    CHECK(world.due[0].name == "r");
    CHECK(world.due[0].due_ms == at_ms);
    CHECK(world.due[0].at_ms - at_ms <= 20);
    CHECK(world.created == 2);  // it had left after two seconds
    node.pass_ms(100);
    CHECK(due_entries(disk) == 0);
    node.pass_ms(60'000);
    CHECK(world.due.size() == 1);
  }
}

TEST_CASE_FIXTURE(Fresh, "what an actor has moved or withdrawn does not come at the old time") {
  Disk disk;
  TimeNode node(disk, 8);
  const uint64_t now_ms = node.now_ms();
  REQUIRE(node.tell("diary", "a", kDueAt, now_ms + 1000) == ORBIT_OK);
  REQUIRE(node.tell("diary", "b", kDueAt, now_ms + 1000) == ORBIT_OK);
  REQUIRE(node.tell("diary", "a", kDueAt, now_ms + 3000) == ORBIT_OK);
  REQUIRE(node.tell("diary", "b", kDueAt, 0) == ORBIT_OK);
  node.pass_ms(2000);
  CHECK(world.due.empty());
  node.pass_ms(1100);
  REQUIRE(world.due.size() == 1);
  CHECK(world.due[0].key == "a");
  // And what is moved to an earlier time comes then.
  REQUIRE(node.tell("diary", "c", kDueAt, node.now_ms() + 3'600'000) == ORBIT_OK);
  node.pass_ms(100);
  REQUIRE(node.tell("diary", "c", kDueAt, node.now_ms() + 200) == ORBIT_OK);
  node.pass_ms(300);
  CHECK(world.due.size() == 2);
}

TEST_CASE_FIXTURE(Fresh, "a tick that fails comes again with growing delays until the actor takes it") {
  Disk disk;
  TimeNode node(disk, 9);
  world.fail_due = 4;
  const uint64_t at_ms = node.now_ms() + 100;
  REQUIRE(node.tell("diary", "a", kDueAt, at_ms) == ORBIT_OK);
  node.pass_ms(600);
  CHECK(world.due.empty());
  node.pass_ms(10'000);
  REQUIRE(world.due.size() == 1);
  CHECK(world.due[0].at_ms - at_ms >= 250 + 500 + 1000 + 2000);
  CHECK(node.runtime.store(0).due->counters().failed == 4);
}

TEST_CASE_FIXTURE(Fresh, "what became due while the node was down, or its type was not loaded, comes when there is somebody to take it") {
  Disk disk;
  uint64_t at_ms = 0;
  {
    TimeNode node(disk, 10);
    at_ms = node.now_ms() + 100'000;
    REQUIRE(node.tell("diary", "a", kDueAt, at_ms) == ORBIT_OK);
  }
  TimeNode node(disk, 11, 1, false);
  node.executor.advance(200'000'000'000);
  node.pass_ms(1000);
  CHECK(world.due.empty());
  node.publish();
  node.pass_ms(100);
  CHECK(world.due.size() == 1);
}

TEST_CASE_FIXTURE(Fresh, "an actor whose changes are stored later is not told twice") {
  Disk disk;
  TimeNode node(disk, 12);
  world.period_ms = 1000;
  REQUIRE(node.tell("lazy", "a", kDueAt, node.now_ms() + 1000) == ORBIT_OK);
  node.pass_ms(20'500);
  CHECK(world.due.size() == 20);
  std::set<uint64_t> times;
  for (const Tick& tick : world.due) times.insert(tick.due_ms);
  CHECK(times.size() == 20);
}

TEST_CASE_FIXTURE(Fresh, "an actor hears when its changes are stored, and not when storing them failed") {
  Disk disk;
  TimeNode node(disk, 13);
  REQUIRE(node.tell("diary", "a", kDueAt, 5'000'000'000'000) == ORBIT_OK);
  node.pass_ms(10);
  REQUIRE(world.stored.size() == 1);
  CHECK(world.stored[0] == 5'000'000'000'000);
  disk.full = true;
  CHECK(node.tell("diary", "a", kDueAt, 6'000'000'000'000) != ORBIT_OK);
  disk.full = false;
  node.pass_ms(5000);
  CHECK(world.stored.size() == 1);
}

TEST_CASE_FIXTURE(Fresh, "many entries in any order come in the order of their times, in bounded memory") {
  for (const uint64_t seed : {21u, 22u}) {
    world = {};
    Disk disk;
    TimeNode node(disk, seed, 2);
    Prng random(seed);
    constexpr size_t kMany = 5000;
    const uint64_t base_ms = node.now_ms() + 2'000;
    std::vector<std::shared_ptr<Answer>> answers;
    for (size_t i = 0; i < kMany; ++i)
      answers.push_back(node.send(0, i % 2 == 0 ? "diary" : "lazy", std::to_string(i), static_cast<Method>(kDueAt),
                                  static_cast<int64_t>(base_ms + random.below(20'000))));
    for (const auto& answer : answers) REQUIRE(node.wait(answer).code == ORBIT_OK);
    uint64_t most = 0;
    for (int i = 0; i < 300; ++i) {
      node.pass_ms(100);
      most = std::max<uint64_t>(most, node.runtime.store(0).due->counters().waiting);
    }
    REQUIRE(world.due.size() == kMany);
    uint64_t worst_ms = 0;
    std::set<std::string> keys;
    for (const Tick& tick : world.due) {
      worst_ms = std::max(worst_ms, tick.at_ms - tick.due_ms);
      keys.insert(tick.key);
    }
    CHECK(keys.size() == kMany);
    CHECK(worst_ms < 1000);
    CHECK(most <= DueIndex::kWindow + DueIndex::kInFlightMax);
    CHECK(due_entries(disk) == 0);
  }
}
