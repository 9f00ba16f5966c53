// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Damaged files, full and failing devices, and what only this engine offers: group commit, compaction, snapshots that do not
// hold up the writer.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <random>
#include <thread>

#include "effort.hpp"
#include "subject.hpp"
#include "support/engine_content.hpp"
#include "support/group_commit.hpp"
#include "tests/seed.hpp"

namespace {

using orbit::Bytes;
using orbit::Code;
using orbit::Result;
using orbit::cow_btree::Engine;
using orbit::cow_btree::EngineOptions;
using orbit::cow_btree::kPageBytes;
using orbit::cow_btree::testing::small_options;
using orbit::cow_btree::testing::tiny_cache_options;
using orbit::testkit::FaultyFiles;
using orbit::test::content;
using orbit::testkit::FileOperation;

// Of the operations that fail in turn, how many are left out.
constexpr int kNthStep = 300 / static_cast<int>(orbit::testing::with_effort(100));

using Map = std::map<std::string, std::string>;

std::unique_ptr<Engine> open(orbit::FileSystem& files, const EngineOptions& options = small_options()) {
  auto engine = Engine::open(files, options);
  REQUIRE_MESSAGE(engine.has_value(), (engine ? std::string() : engine.error().message));
  return std::move(*engine);
}

Result<> put(Engine& engine, const std::string& key, const std::string& value, bool sync = false) {
  orbit::WriteBatch batch;
  batch.put(key, value);
  const auto ops = batch.ops();
  return engine.write(orbit::WriteOps(ops.data(), ops.size()), sync);
}

Map fill(Engine& engine, int count, size_t big_every = 50) {
  Map map;
  for (int i = 0; i < count; ++i) {
    const std::string key = "key" + std::to_string(i * 7919 % 100'003);
    const std::string value(static_cast<size_t>(i) % big_every == 0 ? 6000 : 60, static_cast<char>('a' + i % 26));
    REQUIRE(put(engine, key, value));
    map[key] = value;
  }
  return map;
}

}  // namespace

TEST_CASE("a flipped bit in any byte of a closed file is found and named, or is of no consequence") {
  FaultyFiles files;
  EngineOptions options = small_options();
  SUBCASE("plain") {}
  SUBCASE("encrypted") { options = orbit::cow_btree::testing::encrypted_options(); }
  Map map;
  {
    const auto engine = open(files, options);
    map = fill(*engine, static_cast<int>(std::max<size_t>(orbit::testing::with_effort(1500), 400)));
  }
  files.stop_recording();
  const std::string good = files.content(options.path);
  size_t found = 0;
  size_t harmless = 0;
  std::mt19937_64 random(orbit::testing::seed_of_this_run());
  // Every page, at its header, its arrays, its cells and three places that the seed chooses.
  for (size_t page = 0; page < good.size() / kPageBytes; ++page) {
    for (const size_t within : {size_t{0}, size_t{2}, size_t{30}, size_t{200}, size_t{4095}, random() % 4096, random() % 4096, random() % 512}) {
      std::string bad = good;
      bad[page * kPageBytes + within] = static_cast<char>(bad[page * kPageBytes + within] ^ (1 << random() % 8));
      files.set_content(options.path, bad);
      const auto engine = Engine::open(files, options);
      const auto all = engine ? content(**engine) : Result<Map>(tl::unexpected<orbit::Error>(engine.error()));
      if (all) {
        CHECK_MESSAGE(*all == map, "a flipped bit in page " << page << " came back as data");
        ++harmless;
        continue;
      }
      CHECK_MESSAGE(all.error().code == Code::data_loss, all.error().message);
      CHECK_MESSAGE(all.error().message.find(options.path) != std::string::npos, all.error().message);
      ++found;
    }
  }
  MESSAGE(found << " found, " << harmless << " in bytes that nothing uses");
  CHECK(found > harmless);
}

TEST_CASE("a flipped bit in a synced record of the log is found, and not taken for its end") {
  FaultyFiles files;
  const EngineOptions options = small_options();
  std::unique_ptr<FaultyFiles> left;
  {
    const auto engine = open(files, options);
    for (int i = 0; i < 40; ++i) REQUIRE(put(*engine, "key" + std::to_string(i), std::string(100, 'v'), true));
    orbit::testkit::CrashWalk walk(files);
    while (walk.step()) {
    }
    std::mt19937_64 random(1);
    left = walk.crash(orbit::testkit::Loss::everything, random);
  }
  const std::string good = left->content(options.path);
  CHECK(content(*open(*left, options))->size() == 40);
  left->set_content(options.path, good);
  size_t found = 0;
  for (size_t at = 0; (at = good.find("key2", at)) != std::string::npos && at + 4 < good.size(); ++at) {
    std::string bad = good;
    bad[at] = 'x';
    left->set_content(options.path, bad);
    const auto engine = Engine::open(*left, options);
    REQUIRE(!engine);
    CHECK(engine.error().code == Code::data_loss);
    ++found;
  }
  CHECK(found == 11);  // key2, key20 ... key29
}

TEST_CASE("pages that are damaged while the file is open are found when they are read again") {
  FaultyFiles files;
  EngineOptions options = small_options();
  options.cache_bytes = 64 * kPageBytes;
  Map map;
  {
    const auto engine = open(files, options);
    map = fill(*engine, 6000, 1 << 20);
  }
  const auto engine = open(files, options);
  std::string bytes = files.content(options.path);
  for (size_t page = 2; page < bytes.size() / kPageBytes; ++page) bytes[page * kPageBytes + 100] ^= 1;
  files.set_content(options.path, bytes);
  const auto all = content(*engine);
  REQUIRE(!all);
  CHECK(all.error().code == Code::data_loss);
  CHECK(!engine->verify());
}

TEST_CASE("each failing operation gives an error, loses nothing, and recover goes on") {
  EngineOptions options = small_options();
  size_t value_bytes = 100;
  SUBCASE("with a log that is written out often") {}
  SUBCASE("with a log that is not full before the end") { options.log_bytes = 64 << 20; }
  SUBCASE("with pages that had to go to the file before the tree was written out") {
    options = tiny_cache_options();
    value_bytes = 900;
  }
  for (const Code code : {Code::data_loss, Code::resource_exhausted}) {
    for (int nth = 1; nth < 300; nth += kNthStep) {
      FaultyFiles files;
      auto engine = open(files, options);
      std::mt19937_64 random(orbit::testing::seed_of_this_run() + static_cast<uint64_t>(nth));
      Map map;
      int operations = 0;
      files.set_fault([&](FileOperation) -> std::optional<orbit::Error> {
        if (++operations < nth || operations > nth + 2) return std::nullopt;
        return orbit::Error{code, "the device of db/data.cow fails"};
      });
      for (int i = 0; i < 150; ++i) {
        const std::string key = "key" + std::to_string(random() % 200);
        const std::string value(random() % 20 == 0 ? 9000 : value_bytes, static_cast<char>('a' + i % 26));
        const Result<> written = put(*engine, key, value, i % 3 == 0);
        if (written) {
          map[key] = value;
          continue;
        }
        std::string found;
        const auto all = content(*engine);
        REQUIRE_MESSAGE(all.has_value(), (all ? std::string() : all.error().message));
        CHECK(*all == map);  // what was refused is not there
        for (int tries = 0; tries < 5 && !engine->recover(); ++tries) continue;
      }
      files.set_fault(nullptr);
      REQUIRE(engine->recover());
      REQUIRE(put(*engine, "last", "word", true));
      map["last"] = "word";
      CHECK(*content(*engine) == map);

      // A power cut now, after the failure, loses nothing of it either.
      orbit::testkit::CrashWalk walk(files);
      while (walk.step()) {
      }
      const auto left = walk.crash(orbit::testkit::Loss::everything, random);
      const auto after = Engine::open(*left, options);
      REQUIRE_MESSAGE(after.has_value(), (after ? std::string() : after.error().message));
      const auto all = content(**after);
      REQUIRE_MESSAGE(all.has_value(), (all ? std::string() : all.error().message));
      CHECK(*all == map);
      engine.reset();
      CHECK(*content(*open(files, options)) == map);
    }
  }
}

TEST_CASE("a file at its bound refuses what makes it larger, and names the bound") {
  FaultyFiles files;
  EngineOptions options = small_options();
  options.file_bytes_max = 1 << 20;
  auto engine = open(files, options);
  Map map;
  Result<> last;
  for (int i = 0; i < 10'000 && last; ++i) {
    last = put(*engine, "key" + std::to_string(i), std::string(200, 'v'));
    if (last) map["key" + std::to_string(i)] = std::string(200, 'v');
  }
  REQUIRE(!last);
  CHECK(last.error().code == Code::resource_exhausted);
  CHECK(last.error().message.find("file_bytes_max") != std::string::npos);
  CHECK(*content(*engine) == map);
  engine.reset();
  CHECK(*content(*open(files, options)) == map);
}

TEST_CASE("a read that fails is an error, and the next one is right") {
  FaultyFiles files;
  EngineOptions options = small_options();
  options.cache_bytes = 64 * kPageBytes;
  const auto engine = open(files, options);
  const Map map = fill(*engine, 6000, 100);
  files.set_read_fault([]() -> std::optional<orbit::Error> { return orbit::Error{Code::data_loss, "cannot read db/data.cow"}; });
  CHECK(!content(*engine));
  files.set_read_fault(nullptr);
  CHECK(*content(*engine) == map);
}

TEST_CASE("writers on many threads share flushes, and everyone's batch is there") {
  FaultyFiles files;
  EngineOptions options = small_options();
  options.background = true;
  constexpr int kThreads = 8;
  constexpr int kWrites = 200;
  {
    const auto engine = open(files, options);
    std::vector<std::thread> threads;
    std::atomic<int> failures{0};
    for (int t = 0; t < kThreads; ++t)
      threads.emplace_back([&, t] {
        for (int i = 0; i < kWrites; ++i)
          if (!put(*engine, std::to_string(t) + "/" + std::to_string(i), std::string(50, 'v'), true)) ++failures;
      });
    for (int round = 0; round < 20; ++round) {
      const auto snapshot = engine->create_snapshot();
      REQUIRE(snapshot);
      const auto first = content(*engine, snapshot->get());
      const auto second = content(*engine, snapshot->get());
      REQUIRE(first);
      CHECK(*first == *second);
    }
    for (auto& thread : threads) thread.join();
    CHECK(failures == 0);
    const auto stats = engine->stats();
    CHECK(stats.batches >= kThreads * kWrites);
    CHECK(stats.groups <= stats.batches);
    CHECK(content(*engine)->size() == kThreads * kWrites);
  }
  CHECK(content(*open(files, options))->size() == kThreads * kWrites);
}

TEST_CASE("readers with a small cache beside a writer see only whole batches") {
  FaultyFiles files;
  EngineOptions options = small_options();
  options.cache_bytes = 128 * kPageBytes;
  options.background = true;
  const auto engine = open(files, options);
  std::atomic<bool> done{false};
  std::atomic<int> torn{0};
  std::atomic<int> errors{0};
  std::vector<std::thread> readers;
  for (int t = 0; t < 3; ++t)
    readers.emplace_back([&, t] {
      std::mt19937_64 random(static_cast<uint64_t>(t));
      while (!done) {
        if (t == 0) {
          std::string first;
          size_t count = 0;
          const Result<> scanned = engine->scan(nullptr, "pair/", "pair0", false, [&](Bytes, Bytes value) {
            if (count++ == 0) first = value;
            if (value != first) ++torn;
            return true;
          });
          if (!scanned) ++errors;
        } else {
          std::string value;
          const auto got = engine->get(nullptr, "fill/" + std::to_string(random() % 4000),
                                       orbit::ValueSink({&value, [](void* into, orbit_bytes part) { static_cast<std::string*>(into)->append(orbit::from_c(part)); }}));
          if (!got) ++errors;
        }
      }
    });
  std::mt19937_64 random(orbit::testing::seed_of_this_run());
  for (int i = 0; i < 3000; ++i) {
    orbit::WriteBatch batch;
    for (int n = 0; n < 4; ++n) batch.put("pair/" + std::to_string(n * 1000), std::to_string(i));
    batch.put("fill/" + std::to_string(random() % 4000), std::string(300, 'f'));
    const auto ops = batch.ops();
    const Result<> written = engine->write(orbit::WriteOps(ops.data(), ops.size()), false);
    REQUIRE_MESSAGE(written.has_value(), (written ? std::string() : written.error().message));
  }
  done = true;
  for (auto& thread : readers) thread.join();
  CHECK(torn == 0);
  CHECK(errors == 0);
}

TEST_CASE("compaction shortens the file while a snapshot still sees what it saw") {
  FaultyFiles files;
  const EngineOptions options = small_options();
  const auto engine = open(files, options);
  const Map before = fill(*engine, 6000, 100);
  auto snapshot = engine->create_snapshot();
  REQUIRE(snapshot);
  orbit::WriteBatch batch;
  batch.erase_range("key1", "key9");
  const auto ops = batch.ops();
  REQUIRE(engine->write(orbit::WriteOps(ops.data(), ops.size()), true));
  const auto after = content(*engine);
  REQUIRE(after);
  REQUIRE(engine->compact());
  CHECK(*content(*engine, snapshot->get()) == before);
  snapshot->reset();
  const uint64_t full = engine->size_bytes();
  REQUIRE(engine->compact());
  REQUIRE(engine->compact());
  CHECK(engine->size_bytes() < full / 2);
  CHECK(*content(*engine) == *after);
  CHECK(engine->verify());
}

namespace {

// What a power cut leaves now.
std::unique_ptr<FaultyFiles> cut_power(const FaultyFiles& files, orbit::testkit::Loss loss) {
  orbit::testkit::CrashWalk walk(files);
  while (walk.step()) {
  }
  std::mt19937_64 none;  // these losses leave nothing to chance
  return walk.crash(loss, none);
}

void load(Engine& engine, Map& map, int count) {
  for (int i = 0; i < count; ++i) map["key" + std::to_string(10'000 + i)] = std::string(200, 'v');
  auto at = map.begin();
  REQUIRE(engine.bulk_load([&](Bytes& key, Bytes& value) {
    if (at == map.end()) return false;
    key = at->first;
    value = at->second;
    ++at;
    return true;
  }));
}

// A store whose log lies behind much that was erased, so that a compaction moves the log.
std::unique_ptr<FaultyFiles> with_log_at_the_end(const EngineOptions& options, Map& map) {
  FaultyFiles files;
  const auto engine = open(files, options);
  // It begins with the first write, behind what is loaded here.
  load(*engine, map, 3000);
  REQUIRE(put(*engine, "first", "1", true));
  map["first"] = "1";
  return cut_power(files, orbit::testkit::Loss::nothing);
}

void erase_most(Engine& engine, Map& map) {
  orbit::WriteBatch batch;
  batch.erase_range("key102", "key129");
  map.erase(map.lower_bound("key102"), map.lower_bound("key129"));
  const auto ops = batch.ops();
  REQUIRE(engine.write(orbit::WriteOps(ops.data(), ops.size()), true));
}

// After a compaction that failed, what is acknowledged is durable; recover only where a write is refused.
void check_goes_on(FaultyFiles& files, std::unique_ptr<Engine> engine, const EngineOptions& options, Map map) {
  for (const char* key : {"after", "and more"}) {
    if (!put(*engine, key, "1", true)) {
      const Result<> recovered = engine->recover();
      REQUIRE_MESSAGE(recovered.has_value(), (recovered ? std::string() : recovered.error().message));
      REQUIRE(put(*engine, key, "1", true));
    }
    map[key] = "1";
    const auto left = cut_power(files, orbit::testkit::Loss::everything);
    const auto again = open(*left, options);
    CHECK(*content(*again) == map);
    CHECK(again->verify());
  }
  REQUIRE(engine->compact());
  CHECK(*content(*engine) == map);
  engine.reset();
  CHECK(*content(*open(files, options)) == map);
}

}  // namespace

TEST_CASE("a compaction that fails at any operation loses nothing that is acknowledged after it") {
  EngineOptions options = small_options();
  Map map;
  const auto begun = with_log_at_the_end(options, map);
  Code code = Code::resource_exhausted;
  bool once = true;
  SUBCASE("once, for want of space") {}
  SUBCASE("once, by an error of the device") { code = Code::data_loss; }
  SUBCASE("until it gives up, for want of space") { once = false; }
  int failed = 0;
  for (int nth = 1;; ++nth) {
    CAPTURE(nth);
    const auto files = cut_power(*begun, orbit::testkit::Loss::nothing);
    auto engine = open(*files, options);
    erase_most(*engine, map);
    int operations = 0;
    files->set_fault([&](FileOperation) -> std::optional<orbit::Error> {
      if (++operations < nth || (once && operations > nth)) return std::nullopt;
      return orbit::Error{code, "the device of db/data.cow fails"};
    });
    const Result<> compacted = engine->compact();
    files->set_fault(nullptr);
    if (operations < nth) break;
    failed += compacted ? 0 : 1;
    check_goes_on(*files, std::move(engine), options, map);
  }
  MESSAGE(failed << " compactions failed");
  CHECK(failed > 20);
}

// What was erased fills the file until the snapshot is gone that sees it.
TEST_CASE("a full file goes on, and is not opened again, when the snapshot is gone that kept what was erased") {
  EngineOptions options = small_options();
  options.file_bytes_max = (178 + orbit::cow_btree::Space::kErasingPages + 4) * kPageBytes;
  bool compact_first = false;
  SUBCASE("with a write") {}
  SUBCASE("with a compaction") { compact_first = true; }
  for (int keys = 2100; keys < 3100; keys += 50) {
    CAPTURE(keys);
    FaultyFiles files;
    auto engine = open(files, options);
    Map map;
    load(*engine, map, keys);
    auto snapshot = engine->create_snapshot();
    REQUIRE(snapshot);
    erase_most(*engine, map);
    const Result<> refused = engine->compact();
    REQUIRE(!refused);
    CHECK(refused.error().code == Code::resource_exhausted);
    const auto full = engine->stats();
    CHECK(full.waiting_pages > 100);
    snapshot->reset();

    if (compact_first) REQUIRE(engine->compact());
    for (int i = 0; i < 300; ++i) {
      const std::string key = "new" + std::to_string(i);
      const Result<> written = put(*engine, key, "1");
      REQUIRE_MESSAGE(written.has_value(), key << ": " << (written ? std::string() : written.error().message));
      map[key] = "1";
    }
    REQUIRE(engine->compact());
    CHECK(engine->stats().used_pages < 60);
    CHECK(*content(*engine) == map);
    CHECK(engine->verify());
    engine.reset();
    CHECK(*content(*open(files, options)) == map);
  }
}

namespace {

Result<> erase(Engine& engine, const std::string& key) {
  orbit::WriteBatch batch;
  batch.erase(key);
  const auto ops = batch.ops();
  return engine.write(orbit::WriteOps(ops.data(), ops.size()), false);
}

// Puts entries of a round until there is no room; how many were put.
int fill_up(Engine& engine, Map& map, int round, size_t value_bytes) {
  constexpr int kMost = 100'000;
  for (int i = 0; i < kMost; ++i) {
    const std::string key = "key" + std::to_string(i * 7919 % 100'003);
    const std::string value(value_bytes, static_cast<char>('a' + round));
    if (const Result<> put_it = put(engine, key, value); !put_it) {
      CHECK(put_it.error().code == Code::resource_exhausted);
      return i;
    }
    map[key] = value;
  }
  FAIL("the file never became full");
  return kMost;
}

}  // namespace

TEST_CASE("a full file can be emptied and filled again and again, without a compaction and without opening it again") {
  EngineOptions options = small_options();
  options.file_bytes_max = 1 << 20;
  size_t value_bytes = 200;
  SUBCASE("with small values, written out by the writer") { options.background = false; }
  SUBCASE("with small values, written out in the background") { options.background = true; }
  SUBCASE("with values outside of pages") { value_bytes = 9000; }
  SUBCASE("with segments of the log that are larger than what stays free for erasing") {
    options.log_segment_bytes = 64 * kPageBytes;
    options.log_bytes = 64 << 20;
    options.file_bytes_max = 4 << 20;
  }
  FaultyFiles files;
  auto engine = open(files, options);
  Map map;
  const int first = fill_up(*engine, map, 0, value_bytes);
  const int rounds = static_cast<int>(std::max<size_t>(orbit::testing::with_effort(6), 2));
  for (int round = 1; round < rounds; ++round) {
    CAPTURE(round);
    while (!map.empty()) {
      const std::string key = map.begin()->first;
      const Result<> erased = erase(*engine, key);
      REQUIRE_MESSAGE(erased.has_value(), map.size() << " left: " << (erased ? std::string() : erased.error().message));
      map.erase(key);
      // One is enough to put one.
      if (map.size() % 16 == 0) {
        const Result<> again = put(*engine, "instead", std::string(value_bytes, 'i'));
        REQUIRE_MESSAGE(again.has_value(), map.size() << " left: " << (again ? std::string() : again.error().message));
        REQUIRE(erase(*engine, "instead"));
      }
    }
    CHECK(fill_up(*engine, map, round, value_bytes) > first * 8 / 10);
    CHECK(*content(*engine) == map);
  }
  CHECK(engine->verify());
  engine.reset();
  CHECK(*content(*open(files, options)) == map);
}

TEST_CASE("writes that a full file refuses do not write the tree out each time for what only a snapshot keeps") {
  FaultyFiles files;
  EngineOptions options = small_options();
  options.file_bytes_max = 1 << 20;
  auto engine = open(files, options);
  Map map;
  fill_up(*engine, map, 0, 200);
  const auto snapshot = engine->create_snapshot();
  REQUIRE(snapshot);
  for (int i = 0; i < 100; ++i) {
    const Result<> erased = erase(*engine, map.begin()->first);
    if (!erased) break;
    map.erase(map.begin());
  }
  const uint64_t before = engine->stats().checkpoints;
  for (int i = 0; i < 100; ++i) CHECK_FALSE(put(*engine, "more" + std::to_string(i), std::string(900, 'm')));
  CHECK(engine->stats().checkpoints <= before + 2);
  CHECK(*content(*engine) == map);
}

// The snapshot keeps the room that a compaction would have, but for some pages more each time.
TEST_CASE("a compaction on a device that is full loses nothing that is acknowledged when there is room again") {
  const EngineOptions options = small_options();
  Map map;
  const auto begun = with_log_at_the_end(options, map);
  int failed = 0;
  for (int pages = 0; pages < 40; ++pages) {
    CAPTURE(pages);
    const auto files = cut_power(*begun, orbit::testkit::Loss::nothing);
    auto engine = open(*files, options);
    Map now = map;
    for (int i = 0; i < pages; ++i) {
      const std::string key = "key11" + std::to_string(i);
      REQUIRE(put(*engine, key, std::string(4000, 'v')));
      now[key] = std::string(4000, 'v');
    }
    auto snapshot = engine->create_snapshot();
    REQUIRE(snapshot);
    erase_most(*engine, now);
    files->set_fault([](FileOperation operation) -> std::optional<orbit::Error> {
      if (operation != FileOperation::allocate) return std::nullopt;
      return orbit::Error{Code::resource_exhausted, "no space left on device"};
    });
    failed += engine->compact() ? 0 : 1;
    files->set_fault(nullptr);
    snapshot->reset();
    // Nothing was written that a slot leads to, so there is nothing to recover from.
    REQUIRE(put(*engine, "at once", "1", true));
    now["at once"] = "1";
    check_goes_on(*files, std::move(engine), options, now);
  }
  MESSAGE(failed << " compactions failed");
  CHECK(failed == 40);
}

TEST_CASE("what batches replace before the tree is written out is used again at once, unless somebody reads it") {
  FaultyFiles files;
  EngineOptions options = small_options();
  options.cache_bytes = 16 << 20;
  options.log_bytes = 64 << 20;
  const auto engine = open(files, options);
  const auto rewrite_all = [&](int times) {
    for (int n = 0; n < times; ++n) {
      orbit::WriteBatch batch;
      for (int i = 0; i < 2000; ++i) batch.put("key" + std::to_string(10'000 + i), std::string(60, static_cast<char>('a' + n)));
      const auto ops = batch.ops();
      REQUIRE(engine->write(orbit::WriteOps(ops.data(), ops.size()), false));
    }
  };
  rewrite_all(1);
  const uint64_t once = engine->stats().used_pages;
  rewrite_all(20);
  CHECK(engine->stats().waiting_pages < 2 * once);
  CHECK(engine->stats().dirty_pages < 3 * once);
  auto snapshot = engine->create_snapshot();
  REQUIRE(snapshot);
  const auto before = content(*engine, snapshot->get());
  REQUIRE(before);
  rewrite_all(5);
  CHECK(*content(*engine, snapshot->get()) == *before);
}

TEST_CASE("a data set of many times the cache is written with few syncs, and in little memory") {
  FaultyFiles files;
  EngineOptions options = tiny_cache_options();
  SUBCASE("by the writer") {}
  SUBCASE("in the background") { options.background = true; }
  SUBCASE("encrypted") { options.keys = orbit::cow_btree::testing::test_keys(); }
  Map map;
  {
    const auto engine = open(files, options);
    map = fill(*engine, static_cast<int>(std::max<size_t>(orbit::testing::with_effort(20'000), 6'000)), 1 << 20);
    const auto stats = engine->stats();
    CHECK(stats.used_pages - stats.waiting_pages > options.cache_bytes / kPageBytes * 3 / 2);
    CHECK(stats.dirty_pages <= options.cache_bytes / kPageBytes);
    CHECK(stats.checkpoints < 3);
    CHECK(*content(*engine) == map);
    CHECK(engine->verify());
    orbit::testkit::CrashWalk walk(files);
    while (walk.step()) {
    }
    std::mt19937_64 random(1);
    const auto left = walk.crash(orbit::testkit::Loss::nothing, random);
    CHECK(*content(*open(*left, options)) == map);
  }
  CHECK(*content(*open(files, options)) == map);
}

TEST_CASE("a snapshot does not hold up writers that replace many times what the cache holds") {
  FaultyFiles files;
  EngineOptions options = tiny_cache_options();
  SUBCASE("by the writer") {}
  SUBCASE("in the background") { options.background = true; }
  const auto engine = open(files, options);
  const Map before = fill(*engine, 1000);
  auto snapshot = engine->create_snapshot();
  REQUIRE(snapshot);
  Map after;
  for (int i = 0; i < 4000; ++i) {
    const std::string key = "key" + std::to_string(i % 1000 * 7919 % 100'003);
    REQUIRE(put(*engine, key, std::to_string(i)));
    after[key] = std::to_string(i);
  }
  CHECK(*content(*engine, snapshot->get()) == before);
  CHECK(*content(*engine) == after);
}

// While the thread in the background asks which pages are changed, frames go from one page to another.
TEST_CASE("pages that leave memory while the tree is written out are not taken for the changed ones that come into their frames") {
  FaultyFiles files;
  EngineOptions options = tiny_cache_options();
  options.background = true;
  const auto engine = open(files, options);
  Map map = fill(*engine, 8000, 1 << 20);
  const auto keys = [&] {
    std::vector<std::string> out;
    for (const auto& [key, value] : map) out.push_back(key);
    return out;
  }();
  std::atomic<bool> done{false};
  std::thread reader([&] {
    std::mt19937_64 random(3);
    while (!done.load()) {
      std::string value;
      const auto found = engine->get(nullptr, keys[random() % keys.size()],
                                     orbit::ValueSink({&value, [](void* into, orbit_bytes part) { static_cast<std::string*>(into)->append(part.data, part.size); }}));
      if (!found || !*found) return;
    }
  });
  std::mt19937_64 random(4);
  const int steps = static_cast<int>(orbit::testing::with_effort(60'000));
  for (int i = 0; i < steps; ++i) {
    const std::string& key = keys[random() % keys.size()];
    REQUIRE(put(*engine, key, std::to_string(i)));
    map[key] = std::to_string(i);
  }
  done = true;
  reader.join();
  CHECK(*content(*engine) == map);
  CHECK(engine->verify());
}

TEST_CASE("keys of all lengths are found by get, multi-get and scans both ways, in a large cache and in a small one") {
  const uint64_t seed = orbit::testing::seed_of_this_run();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  const std::string stems[] = {"", "a", "abcd", "abcdefgh", std::string(20, 'm'), std::string(200, 'x'), std::string(511, 'y')};
  Map map;
  while (map.size() < 4000) {
    std::string key = stems[random() % std::size(stems)];
    for (size_t i = random() % 24; i > 0; --i) key.push_back("\0\1ab\xff"[random() % 5]);
    if (!key.empty()) map[key] = std::string(random() % 90, static_cast<char>('a' + random() % 26));
  }
  std::vector<std::string> asked;
  for (const auto& [key, value] : map) {
    asked.push_back(key);
    asked.push_back(key + '\0');
  }
  std::shuffle(asked.begin(), asked.end(), random);
  for (const uint64_t cache_bytes : {uint64_t{16} << 20, uint64_t{256} << 10}) {
    FaultyFiles files;
    EngineOptions options = small_options();
    options.cache_bytes = cache_bytes;
    const auto engine = open(files, options);
    for (const auto& [key, value] : map) REQUIRE(put(*engine, key, value));
    REQUIRE(engine->checkpoint());
    std::vector<orbit_bytes> keys;
    for (const std::string& key : asked) keys.push_back(orbit::to_c(key));
    size_t visited = 0;
    size_t wrong = 0;
    REQUIRE(engine->multi_get(nullptr, orbit::KeyList(keys.data(), keys.size()), [&](size_t i, bool found, Bytes value) {
      const auto at = map.find(asked[i]);
      ++visited;
      if (found != (at != map.end()) || (found && value != at->second)) ++wrong;
    }));
    CHECK(visited == asked.size());
    CHECK(wrong == 0);
    for (const std::string& key : asked) {
      std::string value;
      const auto found = engine->get(nullptr, key, orbit::ValueSink({&value, [](void* into, orbit_bytes part) {
                                                                       static_cast<std::string*>(into)->append(part.data, part.size);
                                                                     }}));
      REQUIRE(found);
      const auto at = map.find(key);
      if (*found != (at != map.end()) || (*found && value != at->second)) ++wrong;
    }
    CHECK(wrong == 0);
    CHECK(*content(*engine) == map);
    auto at = map.rbegin();
    REQUIRE(engine->scan(nullptr, {}, {}, true, [&](Bytes key, Bytes value) {
      if (at == map.rend() || key != at->first || value != at->second) ++wrong;
      if (at != map.rend()) ++at;
      return true;
    }));
    CHECK(at == map.rend());
    CHECK(wrong == 0);
  }
}

TEST_CASE("a backup is a complete file of one moment, made while writers go on") {
  FaultyFiles files;
  EngineOptions options = small_options();
  options.background = true;
  const auto engine = open(files, options);
  Map map = fill(*engine, 3000);
  const std::string long_key(1500, 'k');
  for (const char* end : {"a", "b", "c"}) {
    REQUIRE(put(*engine, long_key + end, end));
    map[long_key + end] = end;
  }
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (int i = 0; !done; ++i) {
      orbit::WriteBatch batch;
      for (const char* name : {"zz1", "zz2"}) batch.put(name, std::to_string(i));
      const auto ops = batch.ops();
      if (!engine->write(orbit::WriteOps(ops.data(), ops.size()), false)) return;
    }
  });
  const Result<> made = engine->backup("db/copy.cow");
  done = true;
  writer.join();
  REQUIRE_MESSAGE(made.has_value(), (made ? std::string() : made.error().message));
  REQUIRE(!engine->backup("db/copy.cow"));
  EngineOptions copy_options = options;
  copy_options.path = "db/copy.cow";
  const auto copy = open(files, copy_options);
  Map found = *content(*copy);
  CHECK(found["zz1"] == found["zz2"]);
  found.erase("zz1");
  found.erase("zz2");
  CHECK(found == map);
  CHECK(copy->verify());
  REQUIRE(put(*copy, "key0", "changed"));
  CHECK((*content(*copy))["key0"] == "changed");
}

TEST_CASE("a bulk load fills an empty store at once, or leaves it empty") {
  FaultyFiles files;
  const EngineOptions options = small_options();
  Map map;
  {
    const auto engine = open(files, options);
    for (int i = 0; i < 20'000; ++i) map["key" + std::to_string(1'000'000 + i)] = std::string(i % 500 == 0 ? 5000 : 40, 'v');
    auto at = map.begin();
    const auto next = [&](Bytes& key, Bytes& value) {
      if (at == map.end()) return false;
      key = at->first;
      value = at->second;
      ++at;
      return true;
    };
    int calls = 0;
    const Result<> wrong = engine->bulk_load([&](Bytes& key, Bytes& value) {
      key = "the same";
      value = "v";
      return ++calls < 3;
    });
    REQUIRE(!wrong);
    CHECK(wrong.error().code == Code::invalid_argument);
    CHECK(content(*engine)->empty());
    REQUIRE(engine->bulk_load(next));
    CHECK(*content(*engine) == map);
    CHECK(!engine->bulk_load(next));  // not empty
    for (int i = 0; i < 3000; ++i) {
      const std::string key = "key" + std::to_string(1'000'000 + i * 7) + "x";
      REQUIRE(put(*engine, key, "new"));
      map[key] = "new";
    }
    CHECK(*content(*engine) == map);
    CHECK(engine->verify());
  }
  CHECK(*content(*open(files, options)) == map);
}

TEST_CASE("a second engine on the same file is refused") {
  FaultyFiles files;
  const auto engine = open(files);
  const auto second = Engine::open(files, small_options());
  REQUIRE(!second);
  CHECK(second.error().code == Code::failed_precondition);
}

TEST_CASE("each time the tree is written out its figures are told, with the time that writers waited") {
  FaultyFiles files;
  EngineOptions options = small_options();
  options.background = true;
  std::vector<orbit::cow_btree::EngineStats> told;
  options.after_checkpoint = [&](const orbit::cow_btree::EngineStats& stats) { told.push_back(stats); };
  const auto engine = open(files, options);
  fill(*engine, 3000);
  REQUIRE(engine->checkpoint());
  const auto now = engine->stats();
  REQUIRE(!told.empty());
  CHECK(told.back().checkpoints == now.checkpoints);
  CHECK(told.size() == now.checkpoints - told.front().checkpoints + 1);
  CHECK(told.back().dirty_pages == 0);
  CHECK(told.back().log_bytes == 0);
  CHECK(told.back().used_pages > 0);
  CHECK(told.back().used_pages <= told.back().file_pages);
  CHECK(now.batches == 3000);
  REQUIRE(put(*engine, "one", "more"));
  CHECK(engine->stats().log_bytes > 0);
}

TEST_CASE("durable batches of many threads share syncs, and each is durable when it is acknowledged") {
  const auto found = orbit::test::check_group_commit(orbit::cow_btree::testing::subject());
  MESSAGE(found.batches << " batches, " << found.syncs << " syncs, " << found.shared_rounds << " rounds shared theirs");
  CHECK(found.syncs > 0);
}
