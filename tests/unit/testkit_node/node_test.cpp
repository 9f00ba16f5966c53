// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The test kit's node as authors of actors use it.
#include <doctest/doctest.h>

#include <algorithm>
#include <orbit/testkit/doctest.hpp>
#include <orbit/testkit/node.hpp>
#include <set>
#include <stdexcept>

#include "kit.hpp"

using namespace kit;
using namespace std::chrono_literals;
using orbit::Code;
using orbit::MissedTicks;
using orbit::testkit::for_seeds;
using orbit::testkit::Node;
using orbit::testkit::NodeOptions;
using orbit::testkit::seed_is_given;
using orbit::testkit::Unsynced;

namespace {

NodeOptions with_actors(std::optional<uint64_t> seed = {}) {
  return {.seed = seed,
          .actors = orbit::testkit::actors<TallyActor, SloppyActor, RoughActor, PaperActor, WriterActor, AlarmActor>()};
}

Count count(int64_t value) {
  Count out;
  out.set_value(value);
  return out;
}

Times times(std::chrono::milliseconds due, std::chrono::milliseconds period = 0ms,
            MissedTicks missed = MissedTicks::fire_once, uint32_t catch_up_max = 0) {
  Times out;
  out.set_due_ms(due.count());
  out.set_period_ms(period.count());
  out.set_missed(static_cast<int>(missed));
  out.set_catch_up_max(catch_up_max);
  return out;
}

// What six writers made of one paper.
std::string paper_of(uint64_t seed, uint64_t* trace = nullptr) {
  Node node(with_actors(seed));
  std::vector<orbit::testkit::Pending<Nothing>> work;
  for (const char* letter : {"a", "b", "c", "d", "e", "f"}) {
    Round round;
    round.set_letter(letter);
    round.set_count(5);
    round.set_paper("wall");
    work.push_back(node.start(Writer(letter).work(round)));
  }
  for (auto& one : work) one.get();
  if (trace != nullptr) *trace = node.trace_hash();
  return node.call(Paper("wall").read({})).text();
}

}  // namespace

TEST_CASE("a call through a proxy runs the node until the answer is there") {
  Node node(with_actors());
  const Tally tally("a");
  CHECK(node.call(tally.add(count(5))).value() == 5);
  CHECK(node.call(tally.add(count(2))).value() == 7);
  CHECK(node.result(tally.get({})).value().value() == 7);
  CHECK(node.call_json("kit.Tally", "a", "Get") == R"({"value":"7"})");
  CHECK(node.metric("orbit_turns_total") >= 4);
}

TEST_CASE("a coroutine of the test calls several actors and gives back what it makes of them") {
  Node node(with_actors());
  const int64_t sum = node.run([&]() -> orbit::Task<int64_t> {
    const Tally a("a");
    const Tally b("b");
    Count first = co_await a.add(count(3));
    Count second = co_await b.add(count(4));
    co_return first.value() + second.value();
  });
  CHECK(sum == 7);
  bool ran = false;
  node.run([&]() -> orbit::Task<> {
    co_await Tally("a").add(count(1));
    ran = true;
  });
  CHECK(ran);
  CHECK_THROWS_WITH_AS(node.run([]() -> orbit::Task<> {
    co_await std::suspend_never();
    throw std::runtime_error("as asked");
  }),
                       "as asked", std::runtime_error);
}

TEST_CASE("an error of the node is a CallError, or a value") {
  Node node({.actors = orbit::testkit::actors<TallyActor>()});
  const auto refused = node.result(Sloppy("a").add(count(1)));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::not_found);
  CHECK_THROWS_AS(node.call(Sloppy("a").add(count(1))), orbit::CallError);
  CHECK_THROWS_AS(node.call_json("kit.Tally", "a", "Nonsense"), orbit::CallError);
  CHECK(node.result_json("kit.Tally", "a", "Nonsense").error().message.find("it has Add, Get") != std::string::npos);
}

TEST_CASE("the same seed gives the same history, another seed another one") {
  std::set<std::string> papers;
  std::set<uint64_t> traces;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    uint64_t first = 0;
    uint64_t second = 0;
    const std::string paper = paper_of(seed, &first);
    CHECK(paper_of(seed, &second) == paper);
    CHECK(first == second);
    papers.insert(paper);
    traces.insert(first);
  }
  CHECK(papers.size() > 10);
  CHECK(traces.size() == 20);
}

TEST_CASE("what a safe actor has acknowledged survives any crash") {
  for_seeds(30, [](uint64_t seed) {
    Node node(with_actors());
    CHECK(node.seed() == seed);
    int64_t acknowledged = 0;
    for (int i = 0; i < 5; ++i) acknowledged = node.call(Tally("a").add(count(1))).value();
    // One more, which the crash may meet at any point.
    auto last = node.start(Tally("a").add(count(1)));
    for (uint64_t steps = seed % 12; steps != 0 && node.step(); --steps) {
    }
    if (last.done()) acknowledged = last.get().value();
    node.crash();
    CHECK_FALSE(node.is_up());
    node.restart();
    const int64_t stored = node.call(Tally("a").get({})).value();
    CHECK(stored >= acknowledged);
    CHECK(stored <= 6);
  });
}

TEST_CASE("a proxy that the test keeps finds its actor in every life of the node") {
  Node node(with_actors());
  const Tally tally("a");
  for (int64_t i = 1; i <= 10; ++i) {
    CHECK(node.call(tally.add(count(1))).value() == i);
    CHECK(node.call(tally.get({})).value() == i);
    if (i % 2 == 0) node.crash();
    node.restart();
  }
}

TEST_CASE("a crash takes exactly the turns that were not synced, the latest first") {
  std::set<int64_t> left;
  for_seeds(30, [&](uint64_t) {
    Node node(with_actors());
    node.call(Sloppy("a").add(count(1)));
    node.advance(1s);  // synced
    CHECK(node.storage().unsynced() == 0);
    const uint64_t writes = node.storage().writes();
    node.call(Sloppy("a").add(count(10)));
    CHECK(node.storage().writes() == writes);  // in memory only
    node.crash();
    node.restart();
    left.insert(node.call(Sloppy("a").get({})).value());
  });
  CHECK(left == std::set<int64_t>{1});
}

TEST_CASE("of batches that were written and not synced the seed keeps some") {
  std::set<int64_t> left;
  for_seeds(40, [&](uint64_t) {
    Node node(with_actors());
    const Rough a("a");
    const Rough b("b");
    node.call(a.add(count(1)));
    REQUIRE(node.deactivate(a));  // stores it
    node.call(b.add(count(10)));
    REQUIRE(node.deactivate(b));
    CHECK(node.storage().unsynced() == 2);
    node.crash();
    node.restart();
    left.insert(node.call(a.get({})).value() + node.call(b.get({})).value());
  });
  if (!seed_is_given()) CHECK(left == std::set<int64_t>{0, 1, 11});  // never the second without the first
}

TEST_CASE("a crash loses everything unsynced or nothing when it is told so") {
  for (const Unsynced what : {Unsynced::lost, Unsynced::kept}) {
    Node node(with_actors());
    node.call(Rough("a").add(count(4)));
    REQUIRE(node.deactivate(Rough("a")));
    node.crash(what);
    node.restart();
    CHECK(node.call(Rough("a").get({})).value() == (what == Unsynced::kept ? 4 : 0));
  }
}

TEST_CASE("what the test had started ends when the node goes down") {
  Node node(with_actors());
  auto hanging = node.start(Alarm("a").hang({}));
  CHECK_FALSE(hanging.done());
  node.crash();
  const auto outcome = hanging.result();
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().code == Code::unavailable);
  CHECK_FALSE(node.result(Tally("a").get({})));
  node.restart();
  CHECK(node.call(Tally("a").get({})).value() == 0);
}

TEST_CASE("a call that is never answered fails when the node's patience ends, and says who is busy") {
  NodeOptions options = with_actors();
  options.patience = 3s;
  Node node(options);
  const uint64_t before_ms = node.unix_ms();
  const auto outcome = node.result(Alarm("a").hang({}));
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().code == Code::deadline_exceeded);
  CHECK(outcome.error().message.find("kit.Alarm/a Hang") != std::string::npos);
  CHECK(node.unix_ms() <= before_ms + 3000);
  // Nor does it stop in order.
  CHECK_FALSE(node.stop());
  CHECK_FALSE(node.is_up());
}

TEST_CASE("timers tick as virtual time passes, to the millisecond") {
  for_seeds(5, [](uint64_t) {
    Node node(with_actors());
    const Alarm alarm("a");
    node.call(alarm.tick(times(500ms, 1s)));
    node.advance(499ms);
    CHECK(node.call(alarm.look({})).ticks() == 0);
    node.advance(1ms);
    CHECK(node.call(alarm.look({})).ticks() == 1);
    node.advance(20s);
    CHECK(node.call(alarm.look({})).ticks() == 21);
  });
}

TEST_CASE("reminders come to the millisecond, also to an actor that has left memory") {
  for_seeds(5, [](uint64_t) {
    Node node(with_actors());
    const Alarm alarm("a");
    const uint64_t now_ms = node.unix_ms();
    node.call(alarm.remind(times(std::chrono::hours(24 * 30))));
    node.advance(std::chrono::hours(24 * 30) - 1ms);
    CHECK_FALSE(node.is_active(alarm));
    CHECK(node.call(alarm.look({})).rang_ms_size() == 0);
    REQUIRE(node.deactivate(alarm));
    node.advance(1ms);
    const AlarmState state = node.call(alarm.look({}));
    REQUIRE(state.rang_ms_size() == 1);
    CHECK(state.rang_ms(0) == now_ms + 30ull * 24 * 3600 * 1000);
  });
}

TEST_CASE("ticks that were missed while the node was down are treated as the reminder's policy says") {
  const auto after_a_break = [](MissedTicks policy, uint32_t catch_up_max = 0) {
    Node node(with_actors());
    node.call(Alarm("a").remind(times(1min, 1min, policy, catch_up_max)));
    node.advance(2min);
    node.crash();
    node.advance(5min + 30s);  // three to seven are missed
    node.restart();
    node.run_until_idle();
    return node.call(Alarm("a").look({}));
  };
  const AlarmState once = after_a_break(MissedTicks::fire_once);
  REQUIRE(once.rang_ms_size() == 3);
  CHECK(once.missed(2) == 4);
  CHECK(after_a_break(MissedTicks::skip).rang_ms_size() == 2);
  const AlarmState all = after_a_break(MissedTicks::catch_up);
  REQUIRE(all.rang_ms_size() == 7);
  for (int i = 1; i < 7; ++i) CHECK(all.rang_ms(i) == all.rang_ms(i - 1) + 60'000);
  const AlarmState some = after_a_break(MissedTicks::catch_up, 2);
  REQUIRE(some.rang_ms_size() == 4);
  CHECK(some.missed(2) == 3);
}

TEST_CASE("an idle actor leaves memory after its time-out and is told why") {
  Node node(with_actors());
  goodbyes = 0;
  node.call(Alarm("a").look({}));
  CHECK(node.is_active(Alarm("a")));
  CHECK(node.activations("kit.Alarm") == 1);
  node.advance(59s);
  CHECK(node.is_active(Alarm("a")));
  node.advance(1s + 100ms);
  CHECK_FALSE(node.is_active(Alarm("a")));
  CHECK(goodbyes == 1);
  CHECK(last_goodbye == orbit::Deactivation::idle);
  CHECK(node.activations() == 0);
  CHECK(node.call(Alarm("a").look({})).asleep() == 1);
  REQUIRE(node.deactivate(Alarm("a")));
  CHECK(last_goodbye == orbit::Deactivation::asked);
  CHECK_FALSE(node.deactivate(Alarm("a")));
}

TEST_CASE("an orderly restart tells the actors and loses nothing") {
  Node node(with_actors());
  node.call(Sloppy("a").add(count(3)));
  node.call(Alarm("a").look({}));
  goodbyes = 0;
  node.restart();
  CHECK(goodbyes == 1);
  CHECK(last_goodbye == orbit::Deactivation::shutdown);
  CHECK(node.activations() == 0);
  CHECK(node.call(Sloppy("a").get({})).value() == 3);
  CHECK(node.call(Alarm("a").look({})).asleep() == 1);
}

TEST_CASE("a crash runs no code of the actors") {
  Node node(with_actors());
  node.call(Alarm("a").look({}));
  goodbyes = 0;
  node.crash();
  CHECK(goodbyes == 0);
}

TEST_CASE("a write that fails is an error to the caller and leaves the actor as it was") {
  for_seeds(10, [](uint64_t) {
    Node node(with_actors());
    node.call(Tally("a").add(count(5)));
    node.storage().fail_next_writes(1);
    const auto refused = node.result(Tally("a").add(count(1)));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find("(injected)") != std::string::npos);
    node.advance(1s);  // the node has tried again by then
    CHECK(node.call(Tally("a").get({})).value() == 5);
    CHECK(node.call(Tally("a").add(count(1))).value() == 6);
  });
}

TEST_CASE("a full disk refuses changes until it has room; what was answered before is kept") {
  Node node(with_actors());
  node.call(Sloppy("a").add(count(1)));
  node.storage().set_full(true);
  node.advance(1s);
  const auto refused = node.result(Sloppy("a").add(count(1)));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("no space left") != std::string::npos);
  CHECK(node.call(Sloppy("a").get({})).value() == 1);
  node.storage().set_full(false);
  node.advance(10s);
  CHECK(node.call(Sloppy("a").add(count(1))).value() == 2);
}

TEST_CASE("a read that fails is an error to the caller, and a later call loads again") {
  Node node(with_actors());
  node.call(Tally("a").add(count(5)));
  REQUIRE(node.deactivate(Tally("a")));
  node.storage().fail_next_reads(1, {Code::unavailable, "no answer from the disk"});
  const auto refused = node.result(Tally("a").get({}));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("no answer from the disk") != std::string::npos);
  node.advance(10s);
  CHECK(node.call(Tally("a").get({})).value() == 5);
}

TEST_CASE("slow storage costs virtual time, and a call waits for it") {
  Node node(with_actors());
  node.storage().set_delay(200ms);
  const uint64_t before_ms = node.unix_ms();
  CHECK(node.call(Tally("a").add(count(1))).value() == 1);
  CHECK(node.unix_ms() == before_ms + 400);  // the load and the commit
}

TEST_CASE("time stands still while a call needs none") {
  Node node(with_actors());
  const uint64_t before_ms = node.unix_ms();
  for (int i = 0; i < 100; ++i) node.call(Tally("a").add(count(1)));
  node.run_until_idle();
  CHECK(node.unix_ms() == before_ms);
}

TEST_CASE("a module's file serves as well as classes that are linked into the test") {
  Node node({.modules = {KIT_MODULE}});
  CHECK(node.call(Tally("a").add(count(5))).value() == 5);
  node.crash();
  node.restart();
  CHECK(node.call(Tally("a").add(count(5))).value() == 10);
  node.restart();
  CHECK(node.call(Tally("a").get({})).value() == 10);
}

TEST_CASE("a file that is no module is refused with its name") {
  CHECK_THROWS_AS(Node({.modules = {"/nowhere/at_all.so"}}), std::runtime_error);
  Node node(with_actors());  // and leaves nothing behind
  CHECK(node.call(Tally("a").add(count(1))).value() == 1);
}

TEST_CASE("there is one node at a time") {
  Node node(with_actors());
  CHECK_THROWS_AS(Node second(with_actors()), std::logic_error);
}

TEST_CASE("for_seeds stops at the first seed that fails") {
  if (seed_is_given()) return;
  std::vector<uint64_t> seen;
  CHECK_THROWS_AS(for_seeds(10,
                            [&](uint64_t seed) {
                              seen.push_back(seed);
                              if (seed == 3) throw std::runtime_error("as asked");
                            }),
                  std::runtime_error);
  CHECK(seen == std::vector<uint64_t>{1, 2, 3});
}
