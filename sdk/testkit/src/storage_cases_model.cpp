// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Random operations, compared with a std::map after each.
#include "storage_case.hpp"

namespace orbit::testkit {
namespace {

// Few and short, so that operations meet.
std::string random_key(std::mt19937_64& random) {
  constexpr char kBytes[] = {'\0', 'a', 'b', '\x7f', '\x80', '\xff'};
  std::string key;
  for (size_t size = random() % 4; size > 0; --size) key += kBytes[random() % std::size(kBytes)];
  return key;
}

void random_batch(Bench& bench, Model& model, std::mt19937_64& random) {
  WriteBatch batch;
  for (size_t left = 1 + random() % 10; left > 0; --left) {
    const std::string key = random_key(random);
    switch (random() % 8) {
      case 0:
      case 1:
        batch.erase(key);
        model.erase(key);
        break;
      case 2: {
        if (random() % 4 != 0) break;
        const std::string to = random_key(random);
        batch.erase_range(key, to);
        if (to.empty() || key < to) model.erase(model.lower_bound(key), to.empty() ? model.end() : model.lower_bound(to));
        break;
      }
      default:
        batch.put(key, model[key] = std::string(random() % 200, static_cast<char>('a' + random() % 26)));
    }
  }
  must(bench.store.write(batch, random() % 16 == 0));
}

void random_operations(Bench& bench) {
  constexpr int kSteps = 4000;
  struct Kept {
    SnapshotHandle snapshot;
    Model model;
  };
  std::mt19937_64 random = bench.random();
  Model model;
  std::vector<Kept> kept;
  for (int step = 0; step < kSteps; ++step) {
    const std::string at = "step " + std::to_string(step);
    random_batch(bench, model, random);
    for (int i = 0; i < 3; ++i) {
      const std::string key = random_key(random);
      const auto expected = model.find(key);
      expect(bench.get(key) == (expected == model.end() ? "(none)" : expected->second), at + ": get of " + shown(key));
    }
    const std::string from = random_key(random);
    const std::string to = random_key(random);
    const bool reverse = random() % 2 == 0;
    expect(bench.scan(from, to, reverse) == range_of(model, from, to, reverse),
           at + ": the range " + shown(from) + " to " + shown(to) + (reverse ? ", descending," : "") + " differs");
    if (bench.store.has_snapshots() && random() % 16 == 0) {
      if (kept.size() == 4) kept.erase(kept.begin() + static_cast<std::ptrdiff_t>(random() % kept.size()));
      kept.push_back({must(bench.store.snapshot()), model});
    }
    if (!kept.empty() && random() % 32 == 0) {
      const Kept& one = kept[random() % kept.size()];
      expect_equal(bench, one.model, &one.snapshot, at + ": a snapshot");
    }
    if (bench.suite.durable && random() % 400 == 0) {
      kept.clear();
      bench.reopen();
      expect_equal(bench, model, nullptr, at + ": after a reopen");
    }
  }
  expect_equal(bench, model, nullptr, "at the end");
}

constexpr Case kModelCases[] = {
    {"random operations agree with a std::map", random_operations},
};

}  // namespace

std::span<const Case> model_cases() { return kModelCases; }

}  // namespace orbit::testkit
