// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Timers and reminders as an author of actors sees them: the real runtime, a simulated clock and disk.
#include <doctest/doctest.h>

#include "actor/due_index.hpp"
#include "clock.hpp"
#include "state/record_format.hpp"

using namespace sdk_time;
using orbit::MissedTicks;

namespace {

Times times(std::string name, int64_t due_ms, int64_t period_ms = 0, MissedTicks missed = MissedTicks::fire_once,
            uint32_t catch_up_max = 0) {
  Times out;
  out.set_name(std::move(name));
  out.set_due_ms(due_ms);
  out.set_period_ms(period_ms);
  out.set_missed(static_cast<int>(missed));
  out.set_catch_up_max(catch_up_max);
  return out;
}

#define CLIENT(Name, Actor, Request, Reply, method)              \
  orbit::Task<Reply> Name(std::string key, Request request) {    \
    const Actor actor(key);                                      \
    Reply reply = co_await actor.method(request);                \
    co_return reply;                                             \
  }
CLIENT(start, Clock, Times, Nothing, start)
CLIENT(stop, Clock, Times, Found, stop)
CLIENT(remind, Clock, Times, Nothing, remind)
CLIENT(forget, Clock, Times, Found, forget)
CLIENT(erase, Clock, Nothing, Nothing, erase)
CLIENT(look, Clock, Nothing, ClockState, look)
CLIENT(remind_lazy, LazyClock, Times, Nothing, remind)
CLIENT(look_lazy, LazyClock, Nothing, ClockState, look)
#undef CLIENT

ClockState state(ClockNode& node, const std::string& key) {
  auto seen = node.run(look(key, {}));
  REQUIRE(seen);
  return *seen;
}

size_t due_entries(const test::Disk& disk) {
  size_t count = 0;
  const std::string space(1, orbit::kernel::kDueSpace);
  for (auto at = disk.data.lower_bound(space); at != disk.data.end() && at->first[0] == space[0]; ++at) ++count;
  return count;
}

}  // namespace

TEST_CASE("a timer's handler is a turn: what it changes is state, and a failing one changes nothing and ticks on") {
  test::Disk disk;
  ClockNode node(disk, 1);
  REQUIRE(node.run(start("a", times("beat", 50, 100))));
  REQUIRE(node.run(start("b", times("fails", 50, 100))));
  const uint64_t failed = node.runtime.scheduler(0).tallies().failed_turns.get();
  node.pass_ms(1000);
  CHECK(state(node, "a").timer_ticks() == 10);
  CHECK(state(node, "b").timer_ticks() == 0);
  CHECK(node.runtime.scheduler(0).tallies().failed_turns.get() == failed + 10);
  auto stopped = node.run(stop("a", times("beat", 0)));
  REQUIRE(stopped);
  CHECK(stopped->found());
  node.pass_ms(1000);
  CHECK(state(node, "a").timer_ticks() == 10);
  stopped = node.run(stop("a", times("beat", 0)));
  REQUIRE(stopped);
  CHECK_FALSE(stopped->found());
}

TEST_CASE("a timer of a name takes the place of the earlier one; one without a period ticks once") {
  test::Disk disk;
  ClockNode node(disk, 2);
  REQUIRE(node.run(start("a", times("beat", 50, 100))));
  REQUIRE(node.run(start("a", times("beat", 500))));
  node.pass_ms(1500);
  CHECK(state(node, "a").timer_ticks() == 1);
  CHECK(node.runtime.scheduler(0).timers().size() == 0);
}

TEST_CASE("a timer's handler may be a task, and may cancel its own timer while it runs") {
  test::Disk disk;
  ClockNode node(disk, 3, 3);
  REQUIRE(node.run(start("a", times("task", 50, 100))));
  node.pass_ms(1000);
  const ClockState seen = state(node, "a");
  CHECK(seen.timer_ticks() == 1);
  CHECK(seen.last() == "other");
}

TEST_CASE("more timers than an activation may have are refused by name") {
  test::Disk disk;
  ClockNode node(disk, 4);
  for (uint32_t i = 0; i < ORBIT_TIMERS_MAX; ++i) REQUIRE(node.run(start("a", times("t" + std::to_string(i), 1'000'000))));
  const auto refused = node.run(start("a", times("one more", 1'000'000)));
  REQUIRE(!refused);
  CHECK(refused.error().code == orbit::Code::resource_exhausted);
  CHECK(refused.error().message.find("timers_max") != std::string::npos);
}

TEST_CASE("a reminder ticks at its times whether or not its actor is in memory, once each, until it is cancelled") {
  for (const uint32_t workers : {1u, 3u}) {
    test::Disk disk;
    ClockNode node(disk, 10 + workers, workers);
    const uint64_t begin_ms = node.now_ms();
    REQUIRE(node.run(remind("a", times("r", 5000, 5000))));
    node.pass_ms(26'000);  // idle actors leave after two seconds
    const ClockState seen = state(node, "a");
    REQUIRE(seen.ticks_size() == 5);
    for (int i = 0; i < 5; ++i) {
      CHECK(seen.ticks(i) - begin_ms - 5000 * static_cast<uint64_t>(i + 1) <= 10);
      CHECK(seen.missed(i) == 0);
    }
    auto found = node.run(forget("a", times("r", 0)));
    REQUIRE(found);
    CHECK(found->found());
    CHECK(due_entries(disk) == 0);
    node.pass_ms(20'000);
    CHECK(state(node, "a").ticks_size() == 5);
  }
}

TEST_CASE("setting and cancelling a reminder belong to the turn: one that fails does neither") {
  test::Disk disk;
  ClockNode node(disk, 20);
  Times failing = times("r", 1000);
  failing.set_fail(true);
  CHECK(!node.run(remind("a", failing)));
  CHECK(due_entries(disk) == 0);
  REQUIRE(node.run(remind("a", times("r", 1000))));
  CHECK(!node.run(forget("a", failing)));
  CHECK(due_entries(disk) == 1);
  node.pass_ms(1100);
  CHECK(state(node, "a").ticks_size() == 1);
  CHECK(due_entries(disk) == 0);
}

TEST_CASE("a tick whose turn fails comes again, and its changes are made once") {
  test::Disk disk;
  ClockNode node(disk, 21);
  failures_left = 3;
  REQUIRE(node.run(remind("a", times("calls", 1000))));
  node.pass_ms(10'000);
  CHECK(failures_left == 0);
  CHECK(state(node, "a").ticks_size() == 1);
}

TEST_CASE("a reminder that is set again moves; erasing the state cancels all; too many are refused by name") {
  test::Disk disk;
  ClockNode node(disk, 22);
  REQUIRE(node.run(remind("a", times("r", 1000))));
  REQUIRE(node.run(remind("a", times("r", 5000))));
  CHECK(due_entries(disk) == 1);
  node.pass_ms(2000);
  CHECK(state(node, "a").ticks_size() == 0);
  REQUIRE(node.run(erase("a", {})));
  CHECK(disk.data.lower_bound("s") == disk.data.end());  // no sub-record, nothing due
  for (size_t i = 0; i < orbit::kRemindersMax; ++i) REQUIRE(node.run(remind("b", times("r" + std::to_string(i), 1'000'000))));
  const auto refused = node.run(remind("b", times("one more", 1000)));
  REQUIRE(!refused);
  CHECK(refused.error().message.find("reminders_max") != std::string::npos);
  CHECK(!node.run(remind("c", times("too often", 1000, 1))));
  CHECK(due_entries(disk) == orbit::kRemindersMax);
}

TEST_CASE("after a time without a node each policy for missed ticks does what it says") {
  test::Disk disk;
  uint64_t begin_ms = 0;
  {
    ClockNode node(disk, 30);
    begin_ms = node.now_ms();
    REQUIRE(node.run(remind("once", times("r", 10'000, 10'000))));
    REQUIRE(node.run(remind("skip", times("r", 10'000, 10'000, MissedTicks::skip))));
    REQUIRE(node.run(remind("all", times("r", 10'000, 10'000, MissedTicks::catch_up))));
    REQUIRE(node.run(remind("three", times("r", 10'000, 10'000, MissedTicks::catch_up, 3))));
    REQUIRE(node.run(remind("late", times("r", 10'000))));
    REQUIRE(node.run(remind("never", times("r", 10'000, 0, MissedTicks::skip))));
  }
  ClockNode node(disk, 31);
  node.executor.advance(97'500'000'000);
  node.pass_ms(1000);
  const auto tick = [&](uint64_t at_ms) { return (at_ms - begin_ms + 50) / 100 * 100; };
  ClockState seen = state(node, "once");
  REQUIRE(seen.ticks_size() == 1);
  CHECK(tick(seen.ticks(0)) == 90'000);
  CHECK(seen.missed(0) == 8);
  CHECK(state(node, "skip").ticks_size() == 0);
  seen = state(node, "all");
  REQUIRE(seen.ticks_size() == 9);
  for (int i = 0; i < 9; ++i) CHECK(tick(seen.ticks(i)) == 10'000u * static_cast<unsigned>(i + 1));
  seen = state(node, "three");
  REQUIRE(seen.ticks_size() == 3);
  CHECK(tick(seen.ticks(0)) == 70'000);
  CHECK(seen.missed(0) == 6);
  CHECK(state(node, "late").ticks_size() == 1);
  CHECK(state(node, "never").ticks_size() == 0);
  // And then they go on at their times.
  node.pass_ms(3000);
  for (const auto& [key, ticks] : {std::pair{"once", 2}, {"skip", 1}, {"all", 10}, {"three", 4}, {"late", 1}, {"never", 0}}) {
    INFO(key);
    CHECK(state(node, key).ticks_size() == ticks);
  }
}

TEST_CASE("a lazily stored actor whose node is killed counts no tick twice and none never") {
  test::Disk disk;
  {
    ClockNode node(disk, 40);
    REQUIRE(node.run(remind_lazy("a", times("r", 1000, 1000, MissedTicks::catch_up))));
    node.pass_ms(5'600);
  }
  ClockNode node(disk, 41);  // its clock begins where the first one's did
  node.pass_ms(12'000);
  auto seen = node.run(look_lazy("a", {}));
  REQUIRE(seen);
  REQUIRE(seen->ticks_size() >= 11);
  for (int i = 1; i < seen->ticks_size(); ++i) CHECK(seen->ticks(i) == seen->ticks(i - 1) + 1000);
}

TEST_CASE("when storing a tick's turn fails it comes again") {
  test::Disk disk;
  ClockNode node(disk, 42);
  REQUIRE(node.run(remind("a", times("r", 1000, 60'000))));
  disk.full = true;
  node.pass_ms(3000);
  disk.full = false;
  node.pass_ms(10'000);
  CHECK(state(node, "a").ticks_size() == 1);
  node.pass_ms(60'000);
  CHECK(state(node, "a").ticks_size() == 2);
}

TEST_CASE("an entry that no reminder stands for is removed from the index by its actor") {
  test::Disk disk;
  std::string orphan(1, orbit::kernel::kDueSpace);
  orbit::kernel::append_u64_be(orphan, 1000);
  orbit::kernel::append_actor(orphan, "sdk_time.Clock", orbit::kernel::key_hash("gone"), "gone");
  disk.data[orphan + "r"] = "";
  ClockNode node(disk, 43);
  node.pass_ms(2000);
  CHECK(due_entries(disk) == 0);
  CHECK(disk.data.lower_bound("a") == disk.data.lower_bound("b"));  // and no actor came into being
}

TEST_CASE("damaged records of reminders are refused") {
  using orbit::detail::parse_reminder;
  const std::string good = orbit::detail::reminder_record({"r", 5, 1000, MissedTicks::catch_up, 7});
  const auto parsed = parse_reminder("r", good);
  REQUIRE(parsed);
  CHECK(*parsed == orbit::detail::Reminder{"r", 5, 1000, MissedTicks::catch_up, 7});
  for (size_t size = 0; size < good.size(); ++size) CHECK(!parse_reminder("r", std::string_view(good).substr(0, size)));
  CHECK(!parse_reminder("r", good + "x"));
  std::string wrong = good;
  wrong[0] = 2;
  CHECK(!parse_reminder("r", wrong));
  wrong = good;
  wrong[17] = 3;
  CHECK(!parse_reminder("r", wrong));
}

TEST_CASE("a million reminders: memory holds a window of them, and what is read is what is due") {
  constexpr size_t kMany = 1'000'000;
  constexpr size_t kAtOnce = 2000;
  test::Disk disk;
  ClockNode node(disk, 50);
  const uint64_t begin_ms = node.now_ms();
  size_t left = kMany;
  orbit::kernel::Prng random(50);
  uint64_t most = 0;
  const auto client = [](std::string key, int64_t due_ms, size_t* waiting) -> orbit::Task<> {
    const Clock clock(key);
    Nothing reply = co_await clock.remind(times("r", due_ms));
    --*waiting;
  };
  for (size_t i = 0; i < kMany; i += kAtOnce) {
    std::vector<orbit::Task<>::Handle> frames;
    for (size_t j = 0; j < kAtOnce; ++j) {
      // A thousand in the first hour after the first one, all others more than a minute later.
      const uint64_t offset_ms = (i + j) % 1000 == 0 ? random.below(3'600'000) : 3'700'000 + random.below(86'400'000);
      const uint64_t due_ms = begin_ms + 3'600'000 + offset_ms - node.now_ms();
      frames.push_back(client(std::to_string(i + j), static_cast<int64_t>(due_ms), &left).release());
    }
    node.on_worker(0, [&frames] {
      for (const auto frame : frames) frame.resume();
    });
    REQUIRE(node.run_until([&] { return left == kMany - i - kAtOnce; }));
    for (const auto frame : frames) frame.destroy();
    most = std::max<uint64_t>(most, node.runtime.store(0).due->counters().waiting);
  }
  REQUIRE(due_entries(disk) == kMany);
  const auto& counters = node.runtime.store(0).due->counters();
  CHECK(counters.sent == 0);
  CHECK(most <= orbit::kernel::DueIndex::kWindow);
  CHECK(counters.read < kMany / 10);  // also registering does not read what others registered
  node.executor.advance((begin_ms + 3'600'000 - node.now_ms()) * 1'000'000);
  const uint64_t read_before = counters.read;
  for (int i = 0; i < 36; ++i) {
    node.pass_ms(100'000);
    most = std::max<uint64_t>(most, counters.waiting);
  }
  CHECK(most <= orbit::kernel::DueIndex::kWindow + orbit::kernel::DueIndex::kInFlightMax);
  CHECK(counters.sent == kMany / 1000);
  CHECK(due_entries(disk) == kMany - kMany / 1000);
  CHECK(counters.read - read_before <= kMany / 1000 + 2 * orbit::kernel::DueIndex::kWindow);
  MESSAGE("entries read: " << counters.read.load() << ", scans: " << counters.scans.load());
}
