// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "executor/timers.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "executor/prng.hpp"

namespace orbit::kernel {

namespace {
struct Entry {
  std::vector<uint32_t>* ran;
  uint32_t number;
};
void note(void* ctx) {
  auto* const entry = static_cast<Entry*>(ctx);
  entry->ran->push_back(entry->number);
}
}  // namespace

TEST_CASE("timers run in the order of their deadlines, equal ones in the order of arming") {
  Timers timers;
  std::vector<uint32_t> ran;
  std::vector<Entry> entries;
  for (uint32_t i = 0; i < 5; ++i) entries.push_back({&ran, i});
  timers.arm(30, note, &entries[0]);
  timers.arm(10, note, &entries[1]);
  timers.arm(20, note, &entries[2]);
  timers.arm(10, note, &entries[3]);
  timers.arm(31, note, &entries[4]);
  CHECK(timers.next_deadline_ns() == 10);
  CHECK(timers.run_due(9) == 0);
  CHECK(timers.run_due(30) == 4);
  CHECK(ran == std::vector<uint32_t>{1, 3, 2, 0});
  CHECK(timers.next_deadline_ns() == 31);
}

TEST_CASE("an id of a timer that is gone never cancels a later one") {
  Timers timers;
  std::vector<uint32_t> ran;
  Entry entry{&ran, 7};
  const orbit_timer first = timers.arm(10, note, &entry);
  CHECK(first != 0);
  CHECK(timers.cancel(first));
  CHECK_FALSE(timers.cancel(first));
  const orbit_timer second = timers.arm(10, note, &entry);
  CHECK(second != first);
  CHECK_FALSE(timers.cancel(first));
  CHECK(timers.run_due(10) == 1);
  CHECK_FALSE(timers.cancel(second));
  CHECK_FALSE(timers.cancel(0));
  CHECK(ran == std::vector<uint32_t>{7});
}

TEST_CASE("a timer that arms itself without delay waits for the next call") {
  struct Again {
    Timers timers;
    int ran = 0;
  } again;
  const auto rearm = [](void* ctx) {
    auto* const self = static_cast<Again*>(ctx);
    ++self->ran;
    self->timers.arm(5, [](void* inner) { ++static_cast<Again*>(inner)->ran; }, self);
  };
  again.timers.arm(5, rearm, &again);
  CHECK(again.timers.run_due(5) == 1);
  CHECK(again.timers.run_due(5) == 1);
  CHECK(again.ran == 2);
}

TEST_CASE("random arming and cancelling runs exactly what was left, in order") {
  const uint64_t seed = 20'261'122;
  INFO("seed ", seed);
  Prng random(seed);
  Timers timers;
  std::vector<uint32_t> ran;
  constexpr uint32_t kCount = 2'000;
  std::vector<Entry> entries;
  for (uint32_t i = 0; i < kCount; ++i) entries.push_back({&ran, i});
  std::vector<uint64_t> deadlines(kCount);
  std::vector<orbit_timer> ids(kCount);
  std::vector<uint32_t> expected;
  for (uint32_t i = 0; i < kCount; ++i) {
    deadlines[i] = random.below(500);
    ids[i] = timers.arm(deadlines[i], note, &entries[i]);
  }
  for (uint32_t i = 0; i < kCount; ++i) {
    if (random.below(2) == 0)
      CHECK(timers.cancel(ids[i]));
    else
      expected.push_back(i);
  }
  std::sort(expected.begin(), expected.end(), [&](uint32_t a, uint32_t b) {
    return deadlines[a] != deadlines[b] ? deadlines[a] < deadlines[b] : a < b;
  });
  timers.run_due(500);
  CHECK(ran == expected);
  CHECK(timers.size() == 0);
}

}  // namespace orbit::kernel
