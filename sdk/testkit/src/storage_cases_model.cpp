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

// A batch, in the model too; says what it does.
std::string random_batch(Bench& bench, Model& model, std::mt19937_64& random) {
  WriteBatch batch;
  std::string text;
  for (size_t left = 1 + random() % 10; left > 0; --left) {
    const std::string key = random_key(random);
    switch (random() % 8) {
      case 0:
      case 1:
        batch.erase(key);
        model.erase(key);
        text += " erase(" + shown(key) + ")";
        break;
      case 2: {
        if (random() % 4 != 0) break;
        const std::string to = random_key(random);
        batch.erase_range(key, to);
        if (to.empty() || key < to)
          model.erase(model.lower_bound(key), to.empty() ? model.end() : model.lower_bound(to));
        text += " erase(" + shown(key) + " to " + (to.empty() ? "the end" : shown(to)) + ")";
        break;
      }
      default:
        batch.put(key, model[key] = std::string(random() % 200, static_cast<char>('a' + random() % 26)));
        text += " put(" + shown(key) + ", " + std::to_string(model[key].size()) + " bytes)";
    }
  }
  const bool sync = random() % 16 == 0;
  must(bench.store.write(batch, sync));
  return text.empty() ? " an empty batch" : text + (sync ? " synced" : "");
}

// Everything that a step does follows from its seed.
using ModelSteps = std::vector<uint64_t>;

struct ModelOutcome {
  std::string wrong;     // empty: nothing
  size_t failed_at = 0;  // the step
  std::string told;      // what the steps did, up to there
};

ModelOutcome run_model(Bench& bench, const ModelSteps& steps) {
  struct Kept {
    SnapshotHandle snapshot;
    Model model;
  };
  ModelOutcome out;
  Model model;
  std::vector<Kept> kept;
  try {
    for (; out.failed_at < steps.size(); ++out.failed_at) {
      std::mt19937_64 random(steps[out.failed_at]);
      out.told += (out.told.empty() ? "" : ";") + random_batch(bench, model, random);
      for (int i = 0; i < 3; ++i) {
        const std::string key = random_key(random);
        const auto expected = model.find(key);
        expect(bench.get(key) == (expected == model.end() ? "(none)" : expected->second), "get of " + shown(key));
      }
      const std::string from = random_key(random);
      const std::string to = random_key(random);
      const bool reverse = random() % 2 == 0;
      expect(bench.scan(from, to, reverse) == range_of(model, from, to, reverse),
             "the range " + shown(from) + " to " + shown(to) + (reverse ? ", descending," : "") + " differs");
      if (bench.store.has_snapshots() && random() % 16 == 0) {
        if (kept.size() == 4) kept.erase(kept.begin() + static_cast<std::ptrdiff_t>(random() % kept.size()));
        kept.push_back({must(bench.store.snapshot()), model});
        out.told += ", a snapshot";
      }
      if (!kept.empty() && random() % 32 == 0) {
        const Kept& one = kept[random() % kept.size()];
        expect_equal(bench, one.model, &one.snapshot, "a snapshot");
      }
      if (bench.suite.durable && random() % 400 == 0) {
        out.told += ", a reopen";
        kept.clear();
        bench.reopen();
        expect_equal(bench, model, nullptr, "after a reopen");
      }
    }
    expect_equal(bench, model, nullptr, "at the end");
  } catch (const std::exception& e) {
    out.wrong = e.what();
  }
  return out;
}

void random_operations(Bench& bench) {
  constexpr size_t kTriesMax = 300;
  std::mt19937_64 random = bench.random();
  ModelSteps steps(bench.steps(4000));
  for (uint64_t& step : steps) step = random();
  ModelOutcome failed = run_model(bench, steps);
  if (failed.wrong.empty()) return;
  const std::string first = failed.wrong;
  const size_t first_at = failed.failed_at;
  // Leaves out what is not needed to fail, in ever smaller parts; each time from an empty store.
  steps.resize(std::min(first_at + 1, steps.size()));
  size_t tries = 0;
  for (size_t part = steps.size() / 2; part > 0 && tries < kTriesMax; part /= 2) {
    for (size_t begin = 0; begin < steps.size() && tries < kTriesMax; ++tries) {
      ModelSteps fewer = steps;
      fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(begin),
                  fewer.begin() + static_cast<std::ptrdiff_t>(std::min(begin + part, fewer.size())));
      bench.clear();
      if (ModelOutcome still = run_model(bench, fewer); !still.wrong.empty()) {
        fewer.resize(std::min(still.failed_at + 1, fewer.size()));
        steps = std::move(fewer);
        failed = std::move(still);
      } else {
        begin += part;
      }
    }
  }
  throw Failure("step " + std::to_string(first_at) + ": " + first + "; shrunk to " + std::to_string(steps.size()) +
                " steps: " + failed.wrong + " after" + failed.told);
}

constexpr Case kModelCases[] = {
    {"random operations agree with a std::map", random_operations},
};

}  // namespace

std::span<const Case> model_cases() { return kModelCases; }

}  // namespace orbit::testkit
