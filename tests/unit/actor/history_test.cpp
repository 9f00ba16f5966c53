// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>

#include "effort.hpp"
#include "executor/prng.hpp"
#include "sim_node.hpp"

using namespace test;
using orbit::testing::with_effort;

namespace {

// Random turns on random actors with storage that fails at times. Every acknowledged SYNC change must be stored when the
// node dies, and no refused one; an unacknowledged one may be either.
uint64_t run_history(uint64_t seed, bool check) {
  Disk disk;
  Prng random(seed);
  struct Model {
    int64_t certain = 0;  // acknowledged
    int64_t possible = 0; // sent
  };
  std::map<std::string, Model> model;
  uint64_t hash = 0;
  for (int life = 0; life < 3; ++life) {
    std::vector<std::pair<std::string, std::shared_ptr<Answer>>> sent;
    {
      SimNode node(disk, seed + static_cast<uint64_t>(life), 1 + random.next() % 3);
      const uint64_t steps = 500 + random.next() % 4000;
      for (uint64_t i = 0; i < steps; ++i) {
        if (random.next() % 4 == 0) {
          const std::string key = "k" + std::to_string(random.next() % 20);
          sent.emplace_back(key, node.send(static_cast<uint32_t>(random.next() % node.executor.workers()), "sync", key, kAdd, 1));
          ++model[key].possible;
        }
        if (random.next() % 500 == 0) disk.full = !disk.full;
        // A flush puts more than one commit of a worker on its way.
        if (random.next() % 40 == 0) {
          Scheduler* scheduler = &node.runtime.scheduler(static_cast<uint32_t>(random.next() % node.executor.workers()));
          node.runtime.post(scheduler->worker(), [scheduler] { scheduler->flush(kAllStores, [](orbit_code, const std::string&) {}); });
        }
        // Longer than a failing engine is left alone.
        if (random.next() % 300 == 0) node.executor.advance(60'000'000);
        node.executor.step();
      }
      disk.full = false;
      for (const auto& [key, answer] : sent)
        if (answer->arrived && answer->code == ORBIT_OK) ++model[key].certain;
      hash = hash * 31 + node.executor.trace_hash();
      // The node dies here: what is on disk now is all that is left.
      const auto left = disk.data;
      node.pass_ms(5000);  // so that everybody is answered, for the leak checker
      node.executor.stop();
      disk.data = left;
    }
    SimNode node(disk, seed + 1000 + static_cast<uint64_t>(life));
    for (auto& [key, its] : model) {
      const int64_t value = node.call("sync", key, kGet).value;
      if (check) {
        CHECK(value >= its.certain);
        CHECK(value <= its.possible);
      }
      its.certain = its.possible = value;
    }
  }
  return hash;
}

}  // namespace

TEST_CASE("acknowledged SYNC turns survive crashes and a failing disk, for many seeds") {
  for (uint64_t seed = 100; seed < 100 + with_effort(60); ++seed) {
    CAPTURE(seed);
    run_history(seed, true);
  }
}

TEST_CASE("the same seed replays the same history, another one does not") {
  CHECK(run_history(7, false) == run_history(7, false));
  CHECK(run_history(7, false) != run_history(8, false));
}
