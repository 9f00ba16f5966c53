// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What a sample of the turns says about which actors are busy.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <map>

#include "actor/hot_actors.hpp"
#include "executor/prng.hpp"
#include "seed.hpp"

using namespace orbit::kernel;

namespace {

// A worker whose turns are told to HotActors as the scheduler does it.
struct Worker {
  explicit Worker(uint64_t seed) : hot(seed) {}
  HotActors hot;
  uint64_t turns = 0;
  uint64_t answers = 0;
  uint64_t now_ns = 1'000'000'000;
  uint64_t samples = 0;

  void turn(uint64_t actor, uint64_t takes_ns) {
    const uint64_t began_ns = now_ns;
    const bool sampled = turns++ >= hot.next();
    const uint64_t stands_for = sampled ? hot.begins(turns, now_ns) : 0;
    now_ns += takes_ns;
    if (!sampled) return;
    ++samples;
    hot.ended(who(actor), stands_for, began_ns, now_ns);
  }
  // A turn of the actor runs on after an answer.
  void answer(uint64_t actor, uint64_t takes_ns) {
    const uint64_t began_ns = now_ns;
    const bool sampled = answers++ >= hot.next_answer();
    const uint64_t stands_for = sampled ? hot.runs_on(answers, now_ns) : 0;
    now_ns += takes_ns;
    if (!sampled) return;
    ++samples;
    hot.ran_on(who(actor), stands_for, began_ns, now_ns);
  }
  static HotActors::Actor who(uint64_t actor) {
    HotActors::Actor out;
    out.hash = actor;
    out.key_size = sizeof actor;
    std::memcpy(out.key, &actor, sizeof actor);
    return out;
  }
  std::map<uint64_t, HotActors::Hot> report(bool by_time) {
    std::map<uint64_t, HotActors::Hot> out;
    for (const HotActors::Hot& each : hot.report(by_time, turns, now_ns).hot) out[each.actor.hash] = each;
    return out;
  }
};

}  // namespace

TEST_CASE("on a quiet worker every turn counts, exactly") {
  Worker worker(1);
  for (int i = 0; i < 90; ++i) worker.turn(i % 3 == 0 ? 1 : 2, 2'000'000);
  CHECK(worker.samples == 90);
  const auto calls = worker.report(false);
  CHECK(calls.at(1).calls == 30);
  CHECK(calls.at(2).calls == 60);
  CHECK(calls.at(2).time_ns == 120'000'000);
  CHECK(calls.at(2).error == 0);
}

TEST_CASE("on a busy worker few turns are sampled, and shares of calls and time are near the truth") {
  const uint64_t seed = orbit::testing::seed_of_this_run();
  CAPTURE(seed);
  Worker worker(seed);
  Prng random(seed);
  uint64_t calls[3] = {}, time_ns[3] = {};
  uint64_t all_ns = 0;
  constexpr uint64_t kTurns = 10'000'000;  // 2 s of a worker
  for (uint64_t i = 0; i < kTurns; ++i) {
    // One turn in 4 is the hot actor's, one in 20 a slow one's, the others are of 100,000 actors.
    const uint64_t dice = random.below(100);
    const uint64_t actor = dice < 25 ? 1 : dice < 30 ? 2 : 3 + random.below(100'000);
    const uint64_t takes_ns = actor == 2 ? 2'000 : 100;
    worker.turn(actor, takes_ns);
    all_ns += takes_ns;
    if (actor > 2) continue;
    ++calls[actor];
    time_ns[actor] += takes_ns;
  }
  CHECK(worker.samples < kTurns / 500);
  const auto by_calls = worker.report(false);
  const auto by_time = worker.report(true);
  // About 4,000 samples: a share of 25 % has a standard deviation of 0.7 %, half of the time in 5 % of the turns one of 3.6 %.
  const double share = static_cast<double>(by_calls.at(1).calls) / kTurns;
  CHECK(std::abs(share - static_cast<double>(calls[1]) / kTurns) < 0.05);
  const double of_time = static_cast<double>(by_time.at(2).time_ns) / static_cast<double>(all_ns);
  CHECK(std::abs(of_time - static_cast<double>(time_ns[2]) / static_cast<double>(all_ns)) < 0.15);
}

TEST_CASE("the turns inside a sampled one are seen as well as others, and are not counted as its own") {
  Worker worker(3);
  REQUIRE(worker.turns++ >= worker.hot.next());
  const uint64_t began_ns = worker.now_ns;
  const uint64_t stands_for = worker.hot.begins(worker.turns, began_ns);
  for (int i = 0; i < 100'000; ++i) worker.turn(2, 1'000);
  worker.hot.ended(Worker::who(1), stands_for, began_ns, worker.now_ns);
  const auto calls = worker.report(false);
  CHECK(calls.at(1).calls == 1);
  CHECK(calls.at(1).time_ns == 100'000'000);
  CHECK(calls.at(2).calls > 90'000);
}

TEST_CASE("what turns do after answers is sampled seldom too, whichever turns were, and its time is near the truth") {
  const uint64_t seed = orbit::testing::seed_of_this_run();
  CAPTURE(seed);
  Worker worker(seed);
  Prng random(seed);
  // Both turns began on a quiet worker and were sampled; the second one's answers come when it is busy.
  worker.turn(1, 100);
  worker.turn(2, 100);
  constexpr uint64_t kSteps = 10'000'000;
  uint64_t time_ns[4] = {};
  uint64_t all_ns = 0;
  for (uint64_t i = 0; i < kSteps; ++i) {
    const uint64_t dice = random.below(100);
    const uint64_t actor = dice < 20 ? 1 : dice < 30 ? 2 : 3;
    const uint64_t takes_ns = actor == 2 ? 500 : 100;
    if (actor == 3)
      worker.turn(actor, takes_ns);
    else
      worker.answer(actor, takes_ns);
    time_ns[actor] += takes_ns;
    all_ns += takes_ns;
  }
  CHECK(worker.samples < kSteps / 500);
  const auto seen = worker.report(true);
  // About 3,000 samples of each kind.
  for (const uint64_t actor : {1u, 2u, 3u}) {
    CAPTURE(actor);
    CHECK(std::abs(static_cast<double>(seen.at(actor).time_ns) / static_cast<double>(all_ns) -
                   static_cast<double>(time_ns[actor]) / static_cast<double>(all_ns)) < 0.1);
  }
  CHECK(seen.at(1).calls == 1);
}

TEST_CASE("actors that take turns in a fixed rhythm are all seen") {
  for (const uint64_t period : {2u, 3u, 4u, 8u}) {
    Worker worker(7);
    for (uint64_t i = 0; i < 4'000'000; ++i) worker.turn(i % period, 200);
    const auto seen = worker.report(false);
    REQUIRE(seen.size() == period);
    for (const auto& [actor, hot] : seen) {
      CAPTURE(actor);
      CHECK(static_cast<double>(hot.calls) > 0.5 * 4e6 / static_cast<double>(period));
    }
  }
}

TEST_CASE("more actors than places: the bound holds, and the frequent one is among them") {
  Worker worker(9);
  Prng random(9);
  std::map<uint64_t, uint64_t> calls;
  for (int i = 0; i < 20'000; ++i) {
    const uint64_t actor = i % 10 == 0 ? 1 : 2 + random.below(10'000);
    worker.turn(actor, 300'000);  // all are sampled: 6 s
    ++calls[actor];
  }
  REQUIRE(worker.samples == 20'000);
  const auto seen = worker.report(false);
  CHECK(seen.size() == HotActors::kEntries);
  REQUIRE(seen.contains(1));
  uint64_t counted = 0;
  for (const auto& [actor, hot] : seen) {
    CHECK(hot.calls <= calls[actor]);
    CHECK(hot.calls + hot.error >= calls[actor]);
    CHECK(hot.error <= 20'000 / HotActors::kEntries);
    counted += hot.calls + hot.error;
  }
  CHECK(counted == 20'000);
}

TEST_CASE("what is long past is forgotten, and a worker that became quiet is sampled closely again") {
  Worker worker(11);
  for (uint64_t i = 0; i < 2'000'000; ++i) worker.turn(1, 100);
  CHECK(worker.hot.next() > worker.turns);
  for (int i = 0; i < 1000; ++i) {
    worker.now_ns += 50'000'000;
    worker.hot.tick(worker.turns, worker.answers, worker.now_ns);
  }
  const uint64_t samples = worker.samples;
  for (int i = 0; i < 10; ++i) worker.turn(2, 3'000'000);
  CHECK(worker.samples == samples + 10);
  const auto seen = worker.report(false);
  CHECK(seen.size() == 1);
  CHECK(seen.at(2).calls == 10);
}
