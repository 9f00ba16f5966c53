// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Tables that a compaction cannot read, and what scans have to walk over.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "effort.hpp"
#include "subject.hpp"
#include "tests/seed.hpp"

namespace {

using orbit::Bytes;
using orbit::Code;
using orbit::Result;
using orbit::lsm::Engine;
using orbit::lsm::EngineOptions;
using orbit::lsm::testing::small_options;
using orbit::testing::with_effort;
using orbit::testkit::FaultyFiles;

using Map = std::map<std::string, std::string>;

std::unique_ptr<Engine> opened(orbit::FileSystem& files, const EngineOptions& options) {
  auto engine = Engine::open(files, options);
  REQUIRE_MESSAGE(engine.has_value(), (engine ? std::string() : engine.error().message));
  return std::move(*engine);
}

Result<> write_batch(Engine& engine, const orbit::WriteBatch& batch) {
  const auto ops = batch.ops();
  return engine.write(orbit::WriteOps(ops.data(), ops.size()), false);
}

std::string key_of(uint64_t number) {
  std::string out = std::to_string(number);
  return "key" + std::string(6 - out.size(), '0') + out;
}

// Does not compress.
std::string random_value(std::mt19937_64& random) {
  std::string out(40 + random() % 200, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

// A step of a random workload, on both. An error of the engine is the caller's to judge.
Result<> step(Engine& engine, Map& map, std::mt19937_64& random, uint64_t keys) {
  orbit::WriteBatch batch;
  const uint64_t number = random() % keys;
  const std::string key = key_of(number);
  switch (random() % 12) {
    case 0:
      batch.erase(key);
      map.erase(key);
      break;
    case 1: {
      const std::string to = key_of(number + random() % 8);
      batch.erase_range(key, to);
      if (key < to) map.erase(map.lower_bound(key), map.lower_bound(to));
      break;
    }
    default:
      batch.put(key, map[key] = random_value(random));
  }
  return write_batch(engine, batch);
}

Result<std::optional<std::string>> value_of(Engine& engine, const std::string& key) {
  std::string value;
  const orbit::ValueSink sink(
      {&value, [](void* into, orbit_bytes part) { static_cast<std::string*>(into)->append(part.data, part.size); }});
  const Result<bool> found = engine.get(nullptr, key, sink);
  if (!found) return tl::unexpected<orbit::Error>(found.error());
  return *found ? std::optional(value) : std::nullopt;
}

// Every key is what the map says, or the engine says that it is lost. Returns how many are lost.
size_t lost(Engine& engine, const Map& map, uint64_t keys) {
  size_t out = 0;
  for (uint64_t i = 0; i < keys; ++i) {
    const std::string key = key_of(i);
    const auto found = value_of(engine, key);
    if (!found) {
      CHECK(found.error().code == Code::data_loss);
      ++out;
      continue;
    }
    const auto expected = map.find(key);
    CHECK_MESSAGE(*found == (expected == map.end() ? std::nullopt : std::optional(expected->second)), key);
  }
  return out;
}

std::vector<std::string> tables_of(FaultyFiles& files) {
  std::vector<std::string> out;
  const std::vector<std::string> all = *files.list("db");
  for (const std::string& name : all)
    if (name.ends_with(".table")) out.push_back("db/" + name);
  return out;
}

Map scanned(Engine& engine, const orbit::StorageSnapshot* snapshot, bool reverse) {
  Map out;
  REQUIRE(engine.scan(snapshot, {}, {}, reverse, [&](Bytes key, Bytes value) {
    CHECK(out.emplace(key, value).second);
    return true;
  }));
  return out;
}

}  // namespace

TEST_CASE("a damaged table that compactions meet is named and left alone, and everything else goes on") {
  constexpr uint64_t kKeys = 600;
  const uint64_t seed = orbit::testing::seed_of_this_run();
  const size_t rounds = std::max<size_t>(with_effort(24), 4);
  size_t met = 0;
  for (uint64_t round = 0; round < rounds; ++round) {
    CAPTURE(round);
    std::mt19937_64 random(seed + round);
    FaultyFiles files;
    files.stop_recording();
    EngineOptions options = small_options();
    options.write_buffer_bytes = 4 << 10;
    options.level0_compact = 3;
    Map map;
    {
      const auto engine = opened(files, options);
      for (int i = 0; i < 1500; ++i) REQUIRE(step(*engine, map, random, kKeys));
    }
    const std::vector<std::string> tables = tables_of(files);
    REQUIRE(tables.size() > 4);
    const std::string path = tables[random() % tables.size()];
    const std::string good = files.content(path);
    std::string bytes = good;
    bytes[random() % std::min<size_t>(bytes.size(), 200)] ^= 4;  // in its first block
    files.set_content(path, bytes);

    std::vector<std::string> named;
    options.on_damage = [&](const orbit::Error& error) { named.push_back(error.message); };
    auto engine = opened(files, options);
    for (int i = 0; i < 3000; ++i) {
      const auto done = step(*engine, map, random, kKeys);
      REQUIRE_MESSAGE(done.has_value(), (done ? std::string() : done.error().message));
    }
    const auto stats = engine->stats();
    CHECK(stats.damaged_tables <= 1);
    CHECK(stats.damaged_tables == named.size());
    if (!named.empty()) {
      ++met;
      CHECK_MESSAGE(named.front().find(path) != std::string::npos, named.front());
      CHECK(engine->compact().error().code == Code::data_loss);
    }
    CHECK_MESSAGE(engine->stats().level0_tables < 8, "level 0 grows");
    const size_t before = lost(*engine, map, kKeys);
    CHECK(before < kKeys / 2);
    engine.reset();
    engine = opened(files, options);
    for (int i = 0; i < 500; ++i) REQUIRE(step(*engine, map, random, kKeys));
    lost(*engine, map, kKeys);
    if (engine->stats().damaged_tables == 0) continue;

    // Once the file is good again everything is there.
    engine.reset();
    files.set_content(path, good);
    engine = opened(files, options);
    CHECK(scanned(*engine, nullptr, false) == map);
    REQUIRE(engine->compact());
    CHECK(scanned(*engine, nullptr, true) == map);
    CHECK(engine->stats().level0_tables == 0);
  }
  if (rounds == 24) CHECK(met > 8);  // a few may all miss it
}

TEST_CASE("scans leap over erased ranges in tables, and over versions that their snapshot does not see") {
  std::mt19937_64 random(orbit::testing::seed_of_this_run());
  FaultyFiles files;
  files.stop_recording();
  EngineOptions options = small_options();
  options.cache_bytes = 64 << 20;
  const auto engine = opened(files, options);
  Map map;
  for (uint64_t i = 0; i < 4000; ++i) {
    orbit::WriteBatch batch;
    batch.put(key_of(i), map[key_of(i)] = std::string(50, 'v'));
    REQUIRE(write_batch(*engine, batch));
  }
  auto held = engine->create_snapshot();
  const Map before = map;
  for (int i = 0; i < 30; ++i) {
    const uint64_t from = random() % 4000;
    orbit::WriteBatch batch;
    batch.erase_range(key_of(from), key_of(from + random() % 300));
    map.clear();
    REQUIRE(write_batch(*engine, batch));
    map = scanned(*engine, nullptr, false);
    CHECK(scanned(*engine, nullptr, true) == map);
    batch.clear();
    const uint64_t at = random() % 4000;
    for (uint64_t k = at; k < at + 20; ++k) batch.put(key_of(k), map[key_of(k)] = "again");
    REQUIRE(write_batch(*engine, batch));
    if (i % 5 == 0) REQUIRE(engine->flush());
    CHECK(scanned(*engine, nullptr, false) == map);
    CHECK(scanned(*engine, nullptr, true) == map);
    CHECK(scanned(*engine, held->get(), false) == before);
    CHECK(scanned(*engine, held->get(), true) == before);
  }
  for (int i = 0; i < 300; ++i) {
    orbit::WriteBatch batch;
    batch.put(key_of(17), map[key_of(17)] = std::to_string(i));
    REQUIRE(write_batch(*engine, batch));
  }
  CHECK(scanned(*engine, held->get(), false) == before);
  CHECK(scanned(*engine, nullptr, false) == map);
  held->reset();
}

TEST_CASE("a table whose erased entries scans keep walking over is merged away") {
  FaultyFiles files;
  files.stop_recording();
  EngineOptions options = small_options();
  options.write_buffer_bytes = 8 << 20;
  options.table_bytes = 8 << 20;
  options.level1_bytes = 64 << 20;
  const auto engine = opened(files, options);
  constexpr uint64_t kEntries = 20'000;
  orbit::WriteBatch batch;
  for (uint64_t i = 0; i < kEntries; ++i) batch.put(key_of(i), "value");
  REQUIRE(write_batch(*engine, batch));
  REQUIRE(engine->compact());
  batch.clear();
  for (uint64_t i = 0; i + 1 < kEntries; ++i) batch.erase(key_of(i));
  REQUIRE(write_batch(*engine, batch));
  REQUIRE(engine->flush());
  const uint64_t full = engine->stats().table_bytes;
  CHECK(scanned(*engine, nullptr, false).size() == 1);
  REQUIRE(engine->merge_due());
  CHECK(engine->stats().table_bytes < full / 10);
  CHECK(scanned(*engine, nullptr, false).size() == 1);
}
