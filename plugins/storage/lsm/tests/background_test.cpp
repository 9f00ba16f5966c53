// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What flushes and compactions may write, what filters spare, and what goes when its time is over.
#include <doctest/doctest.h>

#include <atomic>
#include <map>
#include <random>

#include "subject.hpp"
#include "tests/seed.hpp"

namespace {

using orbit::Bytes;
using orbit::Result;
using orbit::lsm::Engine;
using orbit::lsm::EngineOptions;
using orbit::lsm::RateClock;
using orbit::lsm::RateLimit;
using orbit::lsm::testing::small_options;
using orbit::testkit::FaultyFiles;

using Map = std::map<std::string, std::string>;

std::unique_ptr<Engine> made(orbit::FileSystem& files, const EngineOptions& options) {
  auto engine = Engine::open(files, options);
  REQUIRE_MESSAGE(engine.has_value(), (engine ? std::string() : engine.error().message));
  return std::move(*engine);
}

void put_one(Engine& engine, const std::string& key, const std::string& value) {
  orbit::WriteBatch batch;
  batch.put(key, value);
  const auto ops = batch.ops();
  REQUIRE(engine.write(orbit::WriteOps(ops.data(), ops.size()), false));
}

std::string numbered(size_t number) {
  std::string out = std::to_string(number);
  return "key" + std::string(6 - out.size(), '0') + out;
}

std::string noise(std::mt19937_64& random, size_t bytes) {
  std::string out(bytes, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

bool has(Engine& engine, const std::string& key) {
  const orbit::ValueSink nothing({nullptr, [](void*, orbit_bytes) {}});
  const Result<bool> found = engine.get(nullptr, key, nothing);
  REQUIRE(found);
  return *found;
}

// Time that passes only when somebody sleeps.
struct SleptTime {
  RateClock::Time now{};
  RateClock clock() {
    return {[this] { return now; }, [this](RateClock::Time until) { now = std::max(now, until); }};
  }
  double seconds() const { return std::chrono::duration<double>(now.time_since_epoch()).count(); }
};

// The bytes that came into being in tables, those that are gone again included.
class TableBytes {
 public:
  explicit TableBytes(FaultyFiles& files) : files_(files) {}
  uint64_t count() {
    const std::vector<std::string> all = *files_.list("db");
    for (const std::string& name : all)
      if (name.ends_with(".table")) seen_[name] = files_.content("db/" + name).size();
    uint64_t sum = 0;
    for (const auto& [name, bytes] : seen_) sum += bytes;
    return sum;
  }

 private:
  FaultyFiles& files_;
  std::map<std::string, uint64_t> seen_;
};

}  // namespace

TEST_CASE("a limit lets pass what it says, however much is taken at once, and what was not taken is not saved up") {
  SleptTime time;
  RateLimit limit(1000, time.clock());
  uint64_t before = 0;
  for (const size_t bytes : {10, 5000, 1, 300, 300, 2000}) {
    limit.take(bytes);
    CHECK(time.seconds() == doctest::Approx(static_cast<double>(before) / 1000));
    before += bytes;
  }
  const double pause_until = time.seconds() + 100;
  time.now += std::chrono::seconds(100);
  limit.take(1000);
  CHECK(time.seconds() == doctest::Approx(pause_until));
  limit.take(1000);
  CHECK(time.seconds() == doctest::Approx(pause_until + 1));
}

TEST_CASE("flushes and compactions together write no faster than their limit, and no slower") {
  std::mt19937_64 random(orbit::testing::seed_of_this_run());
  SleptTime time;
  FaultyFiles files;
  files.stop_recording();
  EngineOptions options = small_options();
  options.compression = {orbit::lsm::Compression::none};
  options.background_bytes_per_second = 10'000;
  options.rate_clock = time.clock();
  const auto engine = made(files, options);
  TableBytes tables(files);
  uint64_t written = 0;
  uint64_t compactions = 0;
  // Of the last write of each table the time is only owed when the next one comes.
  const double largest = static_cast<double>(2 * options.write_buffer_bytes) / 10'000;
  for (size_t i = 0; i < 1600; ++i) {
    put_one(*engine, numbered(random() % 5000), noise(random, 100));
    if (engine->stats().compactions == compactions) continue;
    compactions = engine->stats().compactions;
    const auto stats = engine->stats();
    written = stats.flush_bytes + stats.compaction_bytes;
    CHECK(time.seconds() >= static_cast<double>(written) / 10'000 - largest);
    CHECK(time.seconds() <= static_cast<double>(written) / 10'000);
  }
  CHECK(compactions > 3);
  // What is counted is what there is.
  REQUIRE(engine->flush());
  CHECK(tables.count() <= engine->stats().flush_bytes + engine->stats().compaction_bytes);
  CHECK(tables.count() > 0);
}

TEST_CASE("an engine that is closed does not wait until its limit lets it write") {
  FaultyFiles files;
  files.stop_recording();
  std::mt19937_64 random(orbit::testing::seed_of_this_run());
  EngineOptions options = small_options();
  options.background = true;
  options.write_buffer_bytes = 512 << 10;
  options.background_bytes_per_second = 1;
  Map map;
  {
    const auto engine = made(files, options);
    // More than a table's writer holds back, so that it has to wait.
    while (map.size() < 6000) put_one(*engine, numbered(map.size()), map[numbered(map.size())] = noise(random, 100));
  }
  const auto engine = made(files, small_options());
  CHECK(has(*engine, numbered(0)));
  CHECK(has(*engine, numbered(map.size() - 1)));
}

TEST_CASE("what a crash left in the log is read back without a limit") {
  FaultyFiles files;
  std::mt19937_64 random(orbit::testing::seed_of_this_run());
  EngineOptions options = small_options();
  options.write_buffer_bytes = 2 << 20;
  std::unique_ptr<FaultyFiles> left;
  {
    const auto engine = made(files, options);
    for (size_t i = 0; i < 6000; ++i) put_one(*engine, numbered(i), noise(random, 100));
    REQUIRE(engine->sync());
    orbit::testkit::CrashWalk walk(files);
    while (walk.step()) {
    }
    left = walk.crash(orbit::testkit::Loss::everything, random);
  }
  SleptTime time;
  options.background_bytes_per_second = 1;
  options.rate_clock = time.clock();
  const auto engine = made(*left, options);
  CHECK(engine->stats().flush_bytes > 600'000);
  CHECK(time.seconds() == 0);
  CHECK(has(*engine, numbered(5999)));
}

TEST_CASE("filters spare nearly all reads for absent keys") {
  constexpr size_t kKeys = 4000;
  std::mt19937_64 random(orbit::testing::seed_of_this_run());
  std::map<unsigned, size_t> reads_with;
  for (const unsigned bits : {0U, 10U}) {
    FaultyFiles files;
    files.stop_recording();
    EngineOptions options = small_options();
    options.cache_bytes = 64 << 20;
    options.table_bytes = 64 << 10;
    options.table.filter_bits_per_key = bits;
    size_t blocks = 0;
    {
      const auto engine = made(files, options);
      for (size_t i = 0; i < kKeys; ++i) put_one(*engine, numbered(2 * (i * 7919 % kKeys)), noise(random, 100));
      REQUIRE(engine->flush());
      CHECK(engine->stats().tables > 5);
      blocks = engine->stats().table_bytes / options.table.block_bytes;
    }
    const auto engine = made(files, options);
    size_t reads = 0;
    files.set_read_fault([&]() -> std::optional<orbit::Error> {
      ++reads;
      return std::nullopt;
    });
    // Between all that are there: without filters every block would be looked into.
    for (size_t i = 0; i < kKeys; ++i) CHECK(!has(*engine, numbered(2 * i + 1)));
    reads_with[bits] = reads;
    if (bits == 0) CHECK(reads > blocks / 2);
    reads = 0;
    for (size_t i = 0; i < kKeys; ++i) CHECK(has(*engine, numbered(2 * i)));
    if (bits != 0) CHECK(reads > blocks / 2);
  }
  MESSAGE(reads_with[0] << " reads without filters, " << reads_with[10] << " with");
  CHECK(reads_with[10] * 5 < reads_with[0]);
}

TEST_CASE("tables of which everything has expired are removed without being read, and younger ones stay") {
  FaultyFiles files;
  files.stop_recording();
  uint64_t now = 1000;
  EngineOptions options = small_options();
  options.cache_bytes = 64 << 10;
  options.ttl_seconds = 100;
  options.clock_seconds = [&] { return now; };
  const auto engine = made(files, options);
  for (size_t i = 0; i < 1000; ++i) put_one(*engine, numbered(i), std::string(60, 'o'));
  REQUIRE(engine->flush());
  const uint64_t old_tables = engine->stats().tables;
  now += 2;
  CHECK(has(*engine, numbered(0)));  // by then they had been written: a hundredth of the time, or the next operation
  now += 88;
  for (size_t i = 500; i < 520; ++i) put_one(*engine, numbered(i), "young");
  REQUIRE(engine->flush());
  CHECK(engine->stats().tables == old_tables + 1);
  now += 12;
  size_t reads = 0;
  files.set_read_fault([&]() -> std::optional<orbit::Error> {
    ++reads;
    return std::nullopt;
  });
  REQUIRE(engine->merge_due());
  CHECK(reads == 0);
  CHECK(engine->stats().tables_expired == old_tables);
  CHECK(engine->stats().tables == 1);
  for (size_t i = 0; i < 1000; ++i) CHECK(has(*engine, numbered(i)) == (i >= 500 && i < 520));
  now += 100;
  REQUIRE(engine->merge_due());
  CHECK(engine->stats().tables == 0);
  CHECK(engine->size_bytes() < 1000);
}
