// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Compaction while others write and read: nobody sees anything of it but a shorter file.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "effort.hpp"
#include "subject.hpp"
#include "tests/seed.hpp"

namespace {

using orbit::Bytes;
using orbit::Result;
using orbit::cow_btree::Engine;
using orbit::cow_btree::EngineOptions;
using orbit::cow_btree::kPageBytes;
using orbit::testing::with_effort;
using orbit::testkit::FaultyFiles;

using Map = std::map<std::string, std::string>;

// What the content is after each batch is known from the seed alone, so that a reader can follow on its own.
class Script {
 public:
  explicit Script(uint64_t seed) : random_(seed) {}

  size_t number() const noexcept { return number_; }
  const Map& content() const noexcept { return content_; }
  // The next batch, which the content has afterwards. Every one says its number.
  orbit::WriteBatch next() {
    orbit::WriteBatch out;
    put(out, "number", std::to_string(++number_));
    for (int i = 0; i < 4; ++i) {
      const uint64_t at = random_() % kKeys;
      switch (random_() % 8) {
        case 0:
          out.erase(key(at));
          content_.erase(key(at));
          break;
        case 1: {
          const std::string from = key(at);
          const std::string to = key(at + random_() % 20);
          if (from == to) break;
          out.erase_range(from, to);
          content_.erase(content_.lower_bound(from), content_.lower_bound(to));
          break;
        }
        case 2:
          put(out, key(at), std::string(3000 + random_() % 6000, letter()));
          break;
        default:
          put(out, key(at), std::string(20 + random_() % 200, letter()));
      }
    }
    return out;
  }
  // One of those that fill the file.
  orbit::WriteBatch fill(size_t from, size_t count) {
    orbit::WriteBatch out;
    put(out, "number", std::to_string(++number_));
    for (size_t i = from; i < from + count; ++i) put(out, "old" + key(i * 7919 % 100'003), std::string(300, letter()));
    return out;
  }
  // A part of the old keys, most of which go.
  orbit::WriteBatch thin_out(size_t count) {
    orbit::WriteBatch out;
    put(out, "number", std::to_string(++number_));
    auto at = content_.lower_bound(thinned_);
    for (size_t i = 0; i < count && at != content_.end() && at->first.starts_with("old"); ++i) {
      thinned_ = at->first + '\0';
      if (random_() % 8 == 0) {
        ++at;
        continue;
      }
      out.erase(at->first);
      at = content_.erase(at);
    }
    return out;
  }

 private:
  static constexpr uint64_t kKeys = 400;
  static std::string key(uint64_t number) {
    std::string out = std::to_string(number);
    return "key" + std::string(6 - out.size(), '0') + out;
  }
  char letter() { return static_cast<char>('a' + random_() % 26); }
  void put(orbit::WriteBatch& batch, const std::string& name, std::string value) {
    batch.put(name, value);
    content_[name] = std::move(value);
  }

  std::mt19937_64 random_;
  size_t number_ = 0;
  std::string thinned_ = "old";
  Map content_;
};

constexpr size_t kFillBatches = 160;
constexpr size_t kFillEach = 50;
constexpr size_t kThinBatches = 40;
constexpr size_t kThinEach = kFillBatches * kFillEach / kThinBatches;

// From the start to the batch, as the writer goes.
void follow(Script& script, size_t to) {
  while (script.number() < to) {
    if (script.number() < kFillBatches)
      script.fill(script.number() * kFillEach, kFillEach);
    else if (script.number() < kFillBatches + kThinBatches)
      script.thin_out(kThinEach);
    else
      script.next();
  }
}

Result<> write_all(Engine& engine, const orbit::WriteBatch& batch, bool sync) {
  const auto ops = batch.ops();
  return engine.write(orbit::WriteOps(ops.data(), ops.size()), sync);
}

Result<Map> seen(Engine& engine, const orbit::StorageSnapshot* snapshot, bool reverse) {
  Map out;
  Result<> scanned = engine.scan(snapshot, {}, {}, reverse, [&](Bytes key, Bytes value) {
    out.emplace(key, value);
    return true;
  });
  if (!scanned) return tl::unexpected<orbit::Error>(std::move(scanned.error()));
  return out;
}

void must_write(Engine& engine, const orbit::WriteBatch& batch) {
  const Result<> written = write_all(engine, batch, false);
  REQUIRE_MESSAGE(written.has_value(), (written ? std::string() : written.error().message));
}

struct Problems {
  std::atomic<int> errors{0};
  std::atomic<int> differences{0};
};

// Looks at one moment after the other, and at an old one again, until all is done.
void read_moments(Engine& engine, uint64_t seed, uint64_t which, const std::atomic<bool>& done, Problems& problems) {
  Script script(seed);
  std::mt19937_64 random(seed + which);
  std::unique_ptr<orbit::StorageSnapshot> old;
  Map old_content;
  for (size_t round = 0; !done || round == 0; ++round) {
    auto snapshot = engine.create_snapshot();
    const auto all = snapshot ? seen(engine, snapshot->get(), random() % 2 == 0) : Result<Map>();
    if (!all || !all->contains("number")) {
      ++problems.errors;
      return;
    }
    follow(script, std::stoull(all->at("number")));
    if (*all != script.content()) ++problems.differences;
    for (int i = 0; i < 10; ++i) {
      const auto at = std::next(all->begin(), static_cast<ptrdiff_t>(random() % all->size()));
      std::string value;
      const auto got = engine.get(snapshot->get(), at->first,
                                  orbit::ValueSink({&value, [](void* into, orbit_bytes part) {
                                                      static_cast<std::string*>(into)->append(orbit::from_c(part));
                                                    }}));
      if (!got) ++problems.errors;
      if (got && (!*got || value != at->second)) ++problems.differences;
    }
    if (old != nullptr) {
      const auto again = seen(engine, old.get(), false);
      if (!again) ++problems.errors;
      if (again && *again != old_content) ++problems.differences;
    }
    if (old == nullptr || random() % 4 == 0) {
      old = std::move(*snapshot);
      old_content = *all;
    }
  }
}

}  // namespace

TEST_CASE(
    "a compaction beside a writer, readers and snapshots changes nothing that they see, and the file is shorter") {
  const uint64_t seed = orbit::testing::seed_of_this_run();
  FaultyFiles files;
  files.stop_recording();
  EngineOptions options = orbit::cow_btree::testing::small_options();
  SUBCASE("with a cache that holds everything") {}
  SUBCASE("with a cache that holds a part") { options.cache_bytes = 320 * kPageBytes; }
  SUBCASE("encrypted") { options.keys = orbit::cow_btree::testing::test_keys(); }
  options.background = true;
  options.compact_on_close = false;
  const size_t batches = std::max<size_t>(with_effort(1500), 150);
  Script script(seed);
  {
    auto engine = std::move(*Engine::open(files, options));
    for (size_t i = 0; i < kFillBatches; ++i) must_write(*engine, script.fill(i * kFillEach, kFillEach));
    for (size_t i = 0; i < kThinBatches; ++i) must_write(*engine, script.thin_out(kThinEach));
    const uint64_t full = engine->size_bytes();

    Problems problems;
    std::atomic<size_t> written{0};
    std::atomic<bool> done{false};
    std::vector<std::thread> threads;
    for (uint64_t which = 0; which < 2; ++which)
      threads.emplace_back([&, which] { read_moments(*engine, seed, which, done, problems); });
    std::thread writer([&] {
      while (!done) {
        if (!write_all(*engine, script.next(), script.number() % 8 == 0)) ++problems.errors;
        ++written;
      }
    });
    size_t beside = 0;  // compactions during which somebody wrote
    while ((written < batches || beside < 2) && problems.errors == 0) {
      const size_t before = written;
      if (!engine->compact()) ++problems.errors;
      beside += written > before + 1 ? 1 : 0;
    }
    done = true;
    writer.join();
    for (std::thread& thread : threads) thread.join();
    CHECK(problems.errors == 0);
    CHECK(problems.differences == 0);
    CHECK(*seen(*engine, nullptr, false) == script.content());
    REQUIRE(engine->verify());
    REQUIRE(engine->compact());
    CHECK(engine->size_bytes() < full / 3);
    MESSAGE(written.load() << " batches, from " << full << " bytes to " << engine->size_bytes());
    CHECK(files.content(options.path).size() <= engine->size_bytes());
  }
  auto engine = std::move(*Engine::open(files, options));
  CHECK(*seen(*engine, nullptr, false) == script.content());
  CHECK(*seen(*engine, nullptr, true) == script.content());
  CHECK(engine->verify());
}
