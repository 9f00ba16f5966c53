// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "actor/envelope_pool.hpp"

using namespace orbit::kernel;

TEST_CASE("envelopes that pools hand out at once are distinct and aligned, also after a flood went back") {
  EnvelopeMemory memory;
  constexpr size_t kFlood = 200'000;  // several regions, and more than a pool keeps
  for (int round = 0; round < 2; ++round) {
    EnvelopePool first(memory);
    EnvelopePool second(memory);
    std::set<orbit_envelope*> taken;
    for (size_t i = 0; i < kFlood; ++i) {
      orbit_envelope* envelope = (i % 3 == 0 ? second : first).allocate();
      REQUIRE(reinterpret_cast<uintptr_t>(envelope) % 64 == 0);
      REQUIRE(envelope->payload == envelope->room);
      REQUIRE(envelope->type == nullptr);
      envelope->type = reinterpret_cast<const orbit_type*>(envelope);  // of the next flood it must be gone
      REQUIRE(taken.insert(envelope).second);
    }
    // They end where they did not begin.
    for (orbit_envelope* envelope : taken) first.recycle(envelope);
    CHECK(first.spare() < kFlood / 2);
  }
}

TEST_CASE("memory that a flood took is kept for the next one, and goes back to the system when none comes") {
  constexpr size_t kFlood = 200'000;
  constexpr uint64_t kSecond = EnvelopeMemory::kKeptNs;
  EnvelopeMemory memory;
  EnvelopePool pool(memory);
  std::vector<orbit_envelope*> taken;
  const auto flood = [&] {
    for (size_t i = 0; i < kFlood; ++i) {
      taken.push_back(pool.allocate());
      taken.back()->room[0] = 'x';
    }
    for (orbit_envelope* envelope : taken) pool.recycle(envelope);
    taken.clear();
  };
  // Memory that was given back reads as zeros.
  std::vector<orbit_envelope*> of_the_flood;
  for (size_t i = 0; i < kFlood; ++i) of_the_flood.push_back(pool.allocate());
  for (orbit_envelope* envelope : of_the_flood) pool.recycle(envelope);
  const auto kept = [&] {
    return std::count_if(of_the_flood.begin(), of_the_flood.end(), [](const orbit_envelope* each) { return each->room[0] == 'x'; });
  };
  uint64_t now_ns = kSecond;
  for (int i = 0; i < 20; ++i) {
    flood();
    memory.rest(now_ns += kSecond / 2);
    CHECK(static_cast<size_t>(kept()) > kFlood * 9 / 10);
  }
  CHECK(memory.keeps());
  for (int i = 0; i < 100 && memory.keeps(); ++i) memory.rest(now_ns += kSecond / 2);
  CHECK_FALSE(memory.keeps());
  CHECK(static_cast<size_t>(kept()) < kFlood / 2);  // what the pool itself keeps
  flood();
  CHECK(static_cast<size_t>(kept()) > kFlood * 9 / 10);
}

TEST_CASE("a pool hands out what it got back last") {
  EnvelopeMemory memory;
  EnvelopePool pool(memory);
  orbit_envelope* one = pool.allocate();
  orbit_envelope* other = pool.allocate();
  pool.recycle(one);
  pool.recycle(other);
  CHECK(pool.allocate() == other);
  CHECK(pool.allocate() == one);
  pool.recycle(one);
  pool.recycle(other);
}
