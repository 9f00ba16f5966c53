// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>

#include <set>

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
