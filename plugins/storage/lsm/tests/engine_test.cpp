// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Damaged files, failing devices, threads, and what only this engine offers.
#include <doctest/doctest.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
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
using orbit::lsm::Engine;
using orbit::lsm::EngineOptions;
using orbit::lsm::testing::small_options;
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

Result<> write(Engine& engine, const orbit::WriteBatch& batch, bool sync = false) {
  const auto ops = batch.ops();
  return engine.write(orbit::WriteOps(ops.data(), ops.size()), sync);
}
Result<> put(Engine& engine, const std::string& key, const std::string& value, bool sync = false) {
  orbit::WriteBatch batch;
  batch.put(key, value);
  return write(engine, batch, sync);
}

Map fill(Engine& engine, int count) {
  Map map;
  for (int i = 0; i < count; ++i) {
    const std::string key = "key" + std::to_string(i * 7919 % 100'003);
    const std::string value(static_cast<size_t>(i) % 50 == 0 ? 3000 : 60, static_cast<char>('a' + i % 26));
    REQUIRE(put(engine, key, value));
    map[key] = value;
  }
  return map;
}

std::vector<std::string> names(FaultyFiles& files, const std::string& suffix) {
  std::vector<std::string> out;
  const std::vector<std::string> all = *files.list("db");
  for (const std::string& name : all)
    if (name.ends_with(suffix)) out.push_back("db/" + name);
  return out;
}

}  // namespace

TEST_CASE("a flipped bit in any part of a table or of the manifest is found and named") {
  FaultyFiles files;
  EngineOptions options = small_options();
  SUBCASE("plain") {}
  SUBCASE("encrypted") { options = orbit::lsm::testing::encrypted_options(); }
  Map map;
  {
    const auto engine = open(files, options);
    map = fill(*engine, 1200);
    orbit::WriteBatch batch;
    batch.erase_range("key2", "key3");
    REQUIRE(write(*engine, batch));
    map.erase(map.lower_bound("key2"), map.lower_bound("key3"));
    REQUIRE(engine->flush());
  }
  files.stop_recording();
  std::vector<std::string> paths = names(files, ".table");
  REQUIRE(paths.size() > 3);
  paths.push_back("db/MANIFEST");
  std::mt19937_64 random(orbit::testing::seed_of_this_run());
  size_t found = 0;
  for (const std::string& path : paths) {
    const std::string good = files.content(path);
    for (size_t at = 0; at < good.size(); at += 1 + random() % 150) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ (1 << random() % 8));
      files.set_content(path, bad);
      auto engine = Engine::open(files, options);
      const auto all = engine ? content(**engine) : Result<Map>(tl::unexpected<orbit::Error>(engine.error()));
      if (all) {
        // Filters are not read by a scan; a check of everything, and a get, read them.
        CHECK(*all == map);
        const auto checked = (*engine)->verify();
        REQUIRE(!checked);
        CHECK(checked.error().message.find(path) != std::string::npos);
      } else {
        CHECK_MESSAGE(all.error().code == Code::data_loss, all.error().message);
        CHECK_MESSAGE(all.error().message.find(path) != std::string::npos, all.error().message);
      }
      ++found;
      if (engine) engine->reset();
      files.set_content(path, good);
    }
  }
  CHECK(found > 200);
  CHECK(*content(*open(files, options)) == map);
}

TEST_CASE("a flipped bit in a synced record of the log is found, and not taken for its end") {
  FaultyFiles files;
  std::unique_ptr<FaultyFiles> left;
  {
    const auto engine = open(files);
    for (int i = 0; i < 40; ++i) REQUIRE(put(*engine, "key" + std::to_string(i), std::string(100, 'v'), true));
    orbit::testkit::CrashWalk walk(files);
    while (walk.step()) {
    }
    std::mt19937_64 random(1);
    left = walk.crash(orbit::testkit::Loss::everything, random);
  }
  const std::string manifest = left->content("db/MANIFEST");
  const std::string path = names(*left, ".log").front();
  const std::string good = left->content(path);
  for (size_t at = 0; (at = good.find("key2", at)) != std::string::npos; ++at) {
    std::string bad = good;
    bad[at] = 'x';
    left->set_content(path, bad);
    const auto engine = Engine::open(*left, small_options());
    REQUIRE(!engine);
    CHECK(engine.error().code == Code::data_loss);
    CHECK(engine.error().message.find(path) != std::string::npos);
  }
  SUBCASE("salvage gives up what is after the damage") {
    std::string bad = good;
    bad[good.find("key20")] = 'x';
    left->set_content(path, bad);
    EngineOptions options = small_options();
    options.recovery = orbit::lsm::LogRecovery::salvage;
    CHECK(content(*open(*left, options))->size() == 20);
  }
  SUBCASE("without damage everything is there") {
    left->set_content(path, good);
    CHECK(content(*open(*left))->size() == 40);
  }
}

TEST_CASE("after a clean end a damaged last record of the log is found") {
  FaultyFiles files;
  {
    const auto engine = open(files);
    REQUIRE(put(*engine, "key1", "value1"));
    REQUIRE(put(*engine, "key2", "value2"));
  }
  const std::string path = names(files, ".log").front();
  std::string bytes = files.content(path);
  bytes[bytes.find("value2")] = 'V';
  files.set_content(path, bytes);
  const auto engine = Engine::open(files, small_options());
  REQUIRE(!engine);
  CHECK(engine.error().code == Code::data_loss);
}

TEST_CASE("a missing table, log or manifest is an error that names it") {
  FaultyFiles files;
  {
    const auto engine = open(files);
    fill(*engine, 1200);
    REQUIRE(put(*engine, "last", "word"));
  }
  for (const std::string& path :
       {names(files, ".table").front(), names(files, ".log").front(), std::string("db/MANIFEST")}) {
    const std::string good = files.content(path);
    REQUIRE(files.remove(path));
    const auto engine = Engine::open(files, small_options());
    REQUIRE(!engine);
    CHECK(engine.error().code == Code::data_loss);
    CHECK_MESSAGE(engine.error().message.find(path) != std::string::npos, engine.error().message);
    REQUIRE(files.open(path, orbit::OpenMode::exclusive));
    files.set_content(path, good);
  }
  open(files);
}

TEST_CASE("each failing operation gives an error, loses nothing, and recover goes on") {
  for (const Code code : {Code::data_loss, Code::resource_exhausted}) {
    for (int nth = 1; nth < 300; nth += kNthStep) {
      FaultyFiles files;
      auto engine = open(files);
      std::mt19937_64 random(orbit::testing::seed_of_this_run() + static_cast<uint64_t>(nth));
      Map map;
      int operations = 0;
      files.set_fault([&](FileOperation) -> std::optional<orbit::Error> {
        if (++operations < nth || operations > nth + 2) return std::nullopt;
        return orbit::Error{code, "the device of db fails"};
      });
      for (int i = 0; i < 150; ++i) {
        const std::string key = "key" + std::to_string(random() % 200);
        const std::string value(random() % 20 == 0 ? 9000 : 100, static_cast<char>('a' + i % 26));
        if (put(*engine, key, value, i % 3 == 0)) {
          map[key] = value;
          continue;
        }
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

      orbit::testkit::CrashWalk walk(files);
      while (walk.step()) {
      }
      const auto left = walk.crash(orbit::testkit::Loss::everything, random);
      const auto after = Engine::open(*left, small_options());
      REQUIRE_MESSAGE(after.has_value(), (after ? std::string() : after.error().message));
      CHECK(*content(**after) == map);
      engine.reset();
      CHECK(*content(*open(files)) == map);
    }
  }
}

TEST_CASE("readers, scans and eight writers at once, with tables written and merged behind them") {
  FaultyFiles files;
  files.stop_recording();
  EngineOptions options = small_options();
  options.background = true;
  options.cache_bytes = 64 << 10;
  const auto engine = open(files, options);
  constexpr int kWriters = 8;
  constexpr int kBatches = 250;
  std::atomic<int> errors{0};
  std::atomic<int> torn{0};
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t)
    threads.emplace_back([&, t] {
      while (!done) {
        auto snapshot = engine->create_snapshot();
        std::map<std::string, std::string> newest;
        const auto all = content(*engine, snapshot->get());
        if (!all) {
          ++errors;
          continue;
        }
        for (const auto& [key, value] : *all) {
          const std::string writer = key.substr(0, 2);
          const auto [it, fresh] = newest.emplace(writer, value);
          if (!fresh && it->second != value) ++torn;
        }
        if (t == 0)
          for (const auto& [key, value] : *all) {
            std::string got;
            const auto found = engine->get(
                snapshot->get(), key, orbit::ValueSink({&got, [](void* into, orbit_bytes part) {
                                                          static_cast<std::string*>(into)->append(part.data, part.size);
                                                        }}));
            if (!found || !*found || got != value) ++errors;
          }
      }
    });
  std::vector<std::thread> writers;
  for (int w = 0; w < kWriters; ++w)
    writers.emplace_back([&, w] {
      for (int i = 1; i <= kBatches; ++i) {
        orbit::WriteBatch batch;
        for (int k = 0; k < 10; ++k)
          batch.put("w" + std::to_string(w) + "/" + std::to_string(k * 37 % 10), std::to_string(i));
        if (i % 40 == 0) batch.erase_range("w" + std::to_string(w) + "/5", "w" + std::to_string(w) + "/7");
        if (!write(*engine, batch, i % 8 == 0)) ++errors;
      }
    });
  for (auto& thread : writers) thread.join();
  done = true;
  for (auto& thread : threads) thread.join();
  CHECK(errors == 0);
  CHECK(torn == 0);
  CHECK(engine->stats().flushes > 0);
  CHECK(engine->stats().batches >= kWriters * kBatches);
  CHECK(engine->verify());
  CHECK(content(*engine)->size() == kWriters * 10);
}

TEST_CASE("what is erased takes no room once everything is merged, unless a snapshot sees it") {
  FaultyFiles files;
  const auto engine = open(files);
  const Map before = fill(*engine, 3000);
  auto snapshot = engine->create_snapshot();
  orbit::WriteBatch batch;
  batch.erase_range("key", "kez");
  REQUIRE(write(*engine, batch));
  REQUIRE(engine->compact());
  CHECK(content(*engine)->empty());
  CHECK(*content(*engine, snapshot->get()) == before);
  snapshot->reset();
  REQUIRE(put(*engine, "another", "key"));
  REQUIRE(engine->compact());
  CHECK(engine->stats().table_bytes < 2000);
  CHECK(*content(*engine) == Map{{"another", "key"}});
}

TEST_CASE("a checkpoint is a directory of its own, and later writes do not reach it") {
  FaultyFiles files;
  const auto engine = open(files);
  const Map map = fill(*engine, 2000);
  REQUIRE(engine->checkpoint("copy"));
  CHECK(engine->checkpoint("copy").error().code == Code::already_exists);
  REQUIRE(put(*engine, "key0", "later"));
  REQUIRE(engine->compact());
  EngineOptions options = small_options();
  options.path = "copy";
  const auto copy = open(files, options);
  CHECK(*content(*copy) == map);
  REQUIRE(copy->verify());
  REQUIRE(put(*copy, "key0", "other"));
  CHECK((*content(*copy))["key0"] == "other");
  CHECK((*content(*engine))["key0"] == "later");
}

TEST_CASE("entries expire after their time, and their tables go") {
  FaultyFiles files;
  uint64_t now = 1000;
  EngineOptions options = small_options();
  options.ttl_seconds = 100;
  options.clock_seconds = [&] { return now; };
  auto engine = open(files, options);
  fill(*engine, 500);
  now += 2;
  CHECK(content(*engine)->size() == 500);
  now += 58;
  REQUIRE(put(*engine, "young", "value"));
  CHECK(content(*engine)->size() == 501);
  REQUIRE(engine->flush());
  now += 60;
  REQUIRE(put(*engine, "younger", "value"));
  CHECK(*content(*engine) == Map{{"young", "value"}, {"younger", "value"}});
  engine.reset();
  engine = open(files, options);
  CHECK(*content(*engine) == Map{{"young", "value"}, {"younger", "value"}});
  REQUIRE(engine->compact());
  CHECK(engine->stats().table_bytes < 3000);
  now += 1000;
  CHECK(content(*engine)->empty());
}

TEST_CASE("writers are slowed down before they have to stop when memtables wait to become tables") {
  std::mutex lock;
  std::condition_variable changed;
  bool held = true;
  bool flushed = false;
  FaultyFiles files;
  files.stop_recording();
  EngineOptions options = small_options();
  options.background = true;
  options.write_buffers_max = 3;
  options.after_background = [&](const orbit::lsm::EngineStats&) {
    std::unique_lock guard(lock);
    flushed = true;
    changed.notify_all();
    changed.wait(guard, [&] { return !held; });
  };
  Map map;
  {
    const auto engine = open(files, options);
    size_t next = 0;
    const auto write_one = [&](size_t bytes) {
      const std::string key = "key" + std::to_string(next++);
      REQUIRE(put(*engine, key, map[key] = std::string(bytes, 'v')));
    };
    while (engine->stats().flushes == 0 && engine->stats().memtable_bytes < options.write_buffer_bytes * 11 / 10) write_one(500);
    {
      std::unique_lock guard(lock);
      changed.wait(guard, [&] { return flushed; });
    }
    // Two memtables wait, and the last that there may be is filled beyond its half.
    while (engine->stats().memtable_bytes < options.write_buffer_bytes * 27 / 10) write_one(500);
    const uint64_t before = engine->stats().slowed_microseconds;
    write_one(64 << 10);
    CHECK(engine->stats().slowed_microseconds > before);
    CHECK(engine->stats().stopped_microseconds == 0);
    {
      const std::lock_guard guard(lock);
      held = false;
    }
    changed.notify_all();
    for (int i = 0; i < 200; ++i) write_one(500);
    CHECK(*content(*engine) == map);
  }
  CHECK(*content(*open(files, options)) == map);
}

TEST_CASE("a cached get says what memory knows, and no more") {
  FaultyFiles files;
  {
    const auto engine = open(files);
    REQUIRE(put(*engine, "key", "value"));
    REQUIRE(engine->flush());
  }
  const auto engine = open(files);
  std::string value;
  const orbit::ValueSink sink(
      {&value, [](void* into, orbit_bytes part) { static_cast<std::string*>(into)->append(part.data, part.size); }});
  CHECK(*engine->get_cached("key", sink) == orbit::CachedGet::unknown);
  CHECK(*engine->get_cached("other", sink) == orbit::CachedGet::absent);
  CHECK(*engine->get(nullptr, "key", sink));
  CHECK(*engine->get_cached("key", sink) == orbit::CachedGet::found);
  CHECK(value == "valuevalue");
}

TEST_CASE("a second engine on the same directory is refused") {
  FaultyFiles files;
  const auto engine = open(files);
  const auto second = Engine::open(files, small_options());
  REQUIRE(!second);
  CHECK(second.error().code == Code::failed_precondition);
}

TEST_CASE("durable batches of many threads share syncs, and each is durable when it is acknowledged") {
  const auto found = orbit::test::check_group_commit(orbit::lsm::testing::subject());
  MESSAGE(found.batches << " batches, " << found.syncs << " syncs, " << found.shared_rounds << " rounds shared theirs");
  CHECK(found.syncs > 0);
}
