// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Snapshots under writes, and readers beside a writer.
#include <array>
#include <atomic>
#include <exception>
#include <thread>

#include "storage_case.hpp"

namespace orbit::testkit {
namespace {

void need_snapshots(const Bench& bench) {
  if (!bench.store.has_snapshots()) throw Skip{"the plugin does not provide " ORBIT_STORAGE_SNAPSHOT_V1};
}

void snapshots_stand_still(Bench& bench) {
  need_snapshots(bench);
  struct Kept {
    SnapshotHandle snapshot;
    Model model;
  };
  std::mt19937_64 random = bench.random();
  std::vector<Kept> kept;
  Model model;
  const size_t rounds = bench.steps(60);
  for (size_t round = 0; round < rounds; ++round) {
    kept.push_back({must(bench.store.snapshot()), model});
    WriteBatch batch;
    for (int i = 0; i < 20; ++i) {
      const std::string key = "k" + std::to_string(random() % 50);
      if (random() % 4 == 0) {
        batch.erase(key);
        model.erase(key);
      } else {
        batch.put(key, model[key] = std::to_string(round) + "." + std::to_string(i));
      }
    }
    if (round % 10 == 9) {
      batch.erase_range("k2", "k4");
      model.erase(model.lower_bound("k2"), model.lower_bound("k4"));
    }
    must(bench.store.write(batch, false));
    for (const Kept& old : kept) expect_equal(bench, old.model, &old.snapshot, "a snapshot");
    if (kept.size() > 8) kept.erase(kept.begin() + static_cast<std::ptrdiff_t>(random() % kept.size()));
  }
  expect_equal(bench, model, nullptr, "the newest state");
  kept.clear();
  expect_equal(bench, model, nullptr, "the newest state after all snapshots went");
}

void a_scan_sees_one_state(Bench& bench) {
  Model model;
  WriteBatch batch;
  for (int i = 1000; i < 2000; ++i) batch.put(std::to_string(i), model[std::to_string(i)] = "before");
  must(bench.store.write(batch, false));
  for (const bool reverse : {false, true}) {
    Entries seen;
    must(bench.store.scan("", "", reverse, [&](Bytes key, Bytes value) {
      if (seen.empty()) {  // from inside the visitor: neither held up nor seen
        WriteBatch change;
        change.erase_range("1200", "1400");
        change.put("1500", "after");
        change.put("1500.5", "after");
        must(bench.store.write(change, false));
      }
      seen.emplace_back(key, value);
      return true;
    }));
    expect(seen == range_of(model, "", "", reverse), "a scan saw a write that came after it began");
    WriteBatch back;
    back.erase("1500.5");
    for (const auto& [key, value] : model) back.put(key, value);
    must(bench.store.write(back, false));
  }
}

// One thread writes batches that set every key to the same number; others check that no read mixes two batches.
void readers_beside_a_writer(Bench& bench) {
  constexpr int kKeys = 200;
  const size_t batches = bench.steps(1500);
  std::vector<std::string> names;
  for (int i = 0; i < kKeys; ++i) names.push_back("k" + std::to_string(1000 + i));
  const auto write = [&](size_t number) {
    WriteBatch batch;
    for (const std::string& name : names) batch.put(name, std::to_string(number));
    if (number % 50 == 0) batch.erase_range("k1100", "k1100");
    must(bench.store.write(batch, false));
  };
  write(0);

  std::atomic<bool> done = false;
  std::array<std::exception_ptr, 3> thrown;
  const auto reader = [&](size_t index) {
    try {
      int newest = 0;
      for (size_t round = 0; !done.load(); ++round) {
        SnapshotHandle snapshot;
        const bool pinned = bench.store.has_snapshots() && round % 2 == 0;
        if (pinned) snapshot = must(bench.store.snapshot());
        const Entries all = bench.scan("", "", round % 3 == 0, pinned ? &snapshot : nullptr);
        expect(all.size() == kKeys, "a scan saw " + std::to_string(all.size()) + " keys of " + std::to_string(kKeys));
        for (const auto& [key, value] : all)
          expect(value == all[0].second, "a scan saw " + value + " and " + all[0].second + " of two batches");
        if (pinned) expect(bench.get(names[index], &snapshot) == all[0].second, "a snapshot moved");
        const int now = std::stoi(bench.get(names[round % kKeys]));
        expect(now >= newest, "a get went back from " + std::to_string(newest) + " to " + std::to_string(now));
        newest = now;
      }
    } catch (...) {
      thrown[index] = std::current_exception();
    }
  };
  std::vector<std::thread> threads;
  for (size_t i = 0; i < thrown.size(); ++i) threads.emplace_back(reader, i);
  std::exception_ptr writer_thrown;
  try {
    for (size_t number = 1; number <= batches; ++number) write(number);
  } catch (...) {
    writer_thrown = std::current_exception();
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  if (writer_thrown) std::rethrow_exception(writer_thrown);
  for (const std::exception_ptr& one : thrown)
    if (one) std::rethrow_exception(one);
  expect(bench.get(names[0]) == std::to_string(batches), "the last batch is lost");
}

constexpr Case kConcurrentCases[] = {
    {"a snapshot stands still while keys change and go", snapshots_stand_still},
    {"a scan sees one state, also when its visitor writes", a_scan_sees_one_state},
    {"readers beside a writer see whole batches", readers_beside_a_writer},
};

}  // namespace

std::span<const Case> concurrent_cases() { return kConcurrentCases; }

}  // namespace orbit::testkit
