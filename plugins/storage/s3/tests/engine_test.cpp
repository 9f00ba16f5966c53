// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "tests/seed.hpp"
#include "workload.hpp"

using namespace orbit;
using namespace orbit::s3;
using namespace orbit::s3::testing;

namespace {

std::shared_ptr<FakeStore> store_of(const std::shared_ptr<Objects>& objects) {
  return std::make_shared<FakeStore>(objects);
}

Map fill(Engine& engine, int count) {
  Map map;
  for (int i = 0; i < count; ++i) {
    const std::string key = "key" + std::to_string(i * 7919 % 10'007);
    const std::string value(static_cast<size_t>(i) % 50 == 0 ? 2000 : 40, static_cast<char>('a' + i % 26));
    REQUIRE(put(engine, key, value));
    map[key] = value;
  }
  return map;
}

size_t count_of(const Objects& objects, const std::string& prefix) {
  size_t out = 0;
  for (const auto& [name, object] : objects.all) out += name.starts_with(prefix) ? 1 : 0;
  return out;
}

}  // namespace

TEST_CASE("a flipped bit in any object is found and named, and never returned as data") {
  const auto objects = std::make_shared<Objects>();
  Map map;
  {
    auto engine = must_open(store_of(objects));
    map = fill(*engine, 200);
    REQUIRE(write(*engine, {{WriteKind::erase_range, "key2", "key3"}}));
    map.erase(map.lower_bound("key2"), map.lower_bound("key3"));
    REQUIRE(engine->flush());
    REQUIRE(put(*engine, "key1", "in the log"));
    map["key1"] = "in the log";
  }
  std::mt19937_64 random(orbit::testing::seed_of_this_run());
  const auto good = objects->all;
  size_t flips = 0;
  for (const auto& [name, object] : good) {
    // Fences of the past are only ever looked at by who finds its number taken.
    if (name.starts_with("wal/") && object.bytes.size() == kWalEmptyBytes && name != good.rbegin()->first) continue;
    const size_t step = object.bytes.size() < 400 ? 5 : 31;
    for (size_t at = random() % step; at < object.bytes.size(); at += step, ++flips) {
      objects->all = good;
      char& byte = objects->all[name].bytes[at];
      byte = static_cast<char>(byte ^ (1 << random() % 8));
      auto engine = Engine::open(store_of(objects), small_options());
      Result<Map> found = engine ? content(**engine) : Result<Map>(tl::unexpected<Error>(engine.error()));
      if (found) {
        // A scan does not read filters and ends of tables; a check of everything does.
        CHECK_MESSAGE(*found == map, name << ", byte " << at);
        const Result<> fine = (*engine)->verify();
        REQUIRE_MESSAGE(!fine, name << ", byte " << at);
        found = tl::unexpected<Error>(fine.error());
      }
      CHECK_MESSAGE(found.error().code == Code::data_loss, found.error().message);
      CHECK_MESSAGE(found.error().message.find(name) != std::string::npos, found.error().message);
    }
  }
  CHECK(flips > 150);
  objects->all = good;
  CHECK(must_content(*must_open(store_of(objects))) == map);
}

TEST_CASE("an object that is missing or under another name is an error that names it") {
  const auto objects = std::make_shared<Objects>();
  {
    auto engine = must_open(store_of(objects));
    fill(*engine, 100);
    REQUIRE(engine->flush());
    for (int i = 0; i < 5; ++i) REQUIRE(put(*engine, "key" + std::to_string(i), "in the log"));
  }
  const auto good = objects->all;
  std::vector<std::string> tables;
  std::vector<std::string> logs;
  for (const auto& [name, object] : good) {
    if (name.starts_with("table/")) tables.push_back(name);
    if (name.starts_with("wal/") && object.bytes.size() != kWalEmptyBytes) logs.push_back(name);
  }
  REQUIRE(tables.size() > 1);
  REQUIRE(logs.size() == 5);
  const auto fails_naming = [&](const std::string& name) {
    auto engine = Engine::open(store_of(objects), small_options());
    const Result<Map> found = engine ? content(**engine) : Result<Map>(tl::unexpected<Error>(engine.error()));
    REQUIRE(!found);
    CHECK(found.error().code == Code::data_loss);
    CHECK_MESSAGE(found.error().message.find(name) != std::string::npos, found.error().message);
    objects->all = good;
  };
  objects->all.erase(tables[0]);
  fails_naming(tables[0]);
  objects->all.erase(logs[2]);
  fails_naming(logs[2]);
  std::swap(objects->all[logs[1]], objects->all[logs[2]]);
  fails_naming(logs[1]);
  std::swap(objects->all[tables[0]], objects->all[tables[1]]);
  fails_naming("table/");
}

TEST_CASE("objects that nobody needs any more are removed, and those of crashes at the next opening") {
  const auto objects = std::make_shared<Objects>();
  auto engine = must_open(store_of(objects));
  Map map;
  std::mt19937_64 random(orbit::testing::seed_of_this_run());
  for (int i = 0; i < 400; ++i) {
    const Batch batch = some_batch(random);
    REQUIRE(write(*engine, batch));
    apply_to(map, batch);
  }
  REQUIRE(engine->compact());
  CHECK(count_of(*objects, "table/") == engine->stats().tables);
  // A fence stays; logs that are in tables do not.
  CHECK(count_of(*objects, "wal/") == 1);
  CHECK(engine->stats().flushes > 20);
  CHECK(engine->stats().compactions > 20);

  auto snapshot = engine->create_snapshot();
  REQUIRE(snapshot);
  const Map before = map;
  REQUIRE(write(*engine, {{WriteKind::erase_range, "", ""}}));
  REQUIRE(put(*engine, "only", "one"));
  REQUIRE(engine->compact());
  CHECK(must_content(*engine, snapshot->get()) == before);
  snapshot->reset();
  REQUIRE(put(*engine, "only", "two"));
  REQUIRE(engine->compact());
  CHECK(must_content(*engine) == Map{{"only", "two"}});
  CHECK(count_of(*objects, "table/") == engine->stats().tables);
  CHECK(engine->stats().table_bytes < 2000);

  engine.reset();
  objects->all["table/" + digits(1) + "-" + digits(99'999)] = {"what an upload left whose process was killed", "\"x\""};
  const std::string of_later = "table/" + digits(1'000) + "-" + digits(1);
  objects->all[of_later] = {"of a writer that this one knows nothing of yet", "\"y\""};
  engine = must_open(store_of(objects));
  REQUIRE(put(*engine, "more", "x"));
  REQUIRE(engine->flush());
  CHECK(!objects->all.contains("table/" + digits(1) + "-" + digits(99'999)));
  CHECK(objects->all.contains(of_later));
}

TEST_CASE("a store that ignores conditions is refused") {
  class Careless final : public ObjectStore {
   public:
    explicit Careless(std::shared_ptr<ObjectStore> below) : below_(std::move(below)) {}
    bool ignores_absent = false;
    bool ignores_match = false;
    std::optional<Object> get(const std::string& name) override { return below_->get(name); }
    std::optional<std::string> get_range(const std::string& name, uint64_t offset, uint64_t size) override {
      return below_->get_range(name, offset, size);
    }
    std::optional<std::string> put(const std::string& name, Bytes bytes, const PutCondition& condition) override {
      const bool ignored = (condition.kind == PutCondition::Kind::absent && ignores_absent) ||
                           (condition.kind == PutCondition::Kind::match && ignores_match);
      return below_->put(name, bytes, ignored ? PutCondition{} : condition);
    }
    void upload(const std::string& name, Bytes bytes) override { below_->upload(name, bytes); }
    void list(const std::string& prefix, const std::string& after,
              const std::function<void(const std::string&, uint64_t)>& visit) override {
      below_->list(prefix, after, visit);
    }
    void remove(const std::string& name) override { below_->remove(name); }
    std::string describe(const std::string& name) const override { return below_->describe(name); }

   private:
    std::shared_ptr<ObjectStore> below_;
  };
  for (const bool absent : {true, false}) {
    const auto store = std::make_shared<Careless>(store_of(std::make_shared<Objects>()));
    store->ignores_absent = absent;
    store->ignores_match = !absent;
    const auto engine = Engine::open(store, small_options());
    REQUIRE(!engine);
    CHECK(engine.error().code == Code::failed_precondition);
    CHECK_MESSAGE(engine.error().message.find(absent ? "If-None-Match" : "If-Match") != std::string::npos,
                  engine.error().message);
  }
}

TEST_CASE("bounds are errors that name them") {
  const auto objects = std::make_shared<Objects>();
  const auto store = store_of(objects);
  EngineOptions options = small_options();
  options.batch_bytes_max = 1000;
  options.background = true;
  std::atomic<bool> full = true;  // outlives the engine, whose threads ask for it
  store->fate = [&](uint64_t, Bytes kind, const std::string& name) {
    return full && kind == "put" && name.starts_with("table/") ? Fate::refused : Fate::done;
  };
  auto engine = must_open(store, options);
  const Result<> large = put(*engine, "key", std::string(2000, 'x'));
  REQUIRE(!large);
  CHECK(large.error().code == Code::resource_exhausted);
  CHECK(large.error().message.find("batch_bytes_max") != std::string::npos);

  Map map;
  Result<> refused;
  for (int i = 0; refused && i < 1000; ++i) {
    const std::string key = "key" + std::to_string(i);
    refused = put(*engine, key, std::string(500, 'x'));
    if (refused) map[key] = std::string(500, 'x');
  }
  REQUIRE(!refused);
  CHECK(refused.error().code == Code::unavailable);
  CHECK_MESSAGE(refused.error().message.find("write_buffers_max") != std::string::npos, refused.error().message);
  CHECK_MESSAGE(refused.error().message.find("table/") != std::string::npos, refused.error().message);
  CHECK(must_content(*engine) == map);
  CHECK(!engine->recover());
  full = false;
  while (!engine->recover()) continue;
  REQUIRE(put(*engine, "last", "word"));
  map["last"] = "word";
  CHECK(must_content(*engine) == map);
}

TEST_CASE("a cached get says what memory knows, and no more") {
  const auto objects = std::make_shared<Objects>();
  EngineOptions options = small_options();
  options.cache_bytes = 1 << 20;
  options.wal_objects_max = 1000;
  {
    auto engine = must_open(store_of(objects), options);
    for (int i = 0; i < 50; ++i) REQUIRE(put(*engine, "key" + std::to_string(i), "value"));
    REQUIRE(engine->flush());
    std::string value;
    // What was just flushed is in the cache.
    CHECK(*engine->get_cached("key7", sink(value)) == CachedGet::found);
  }
  const auto store = store_of(objects);
  auto engine = must_open(store, options);
  std::string value;
  CHECK(*engine->get_cached("key7", sink(value)) == CachedGet::unknown);
  CHECK(*engine->get_cached("a key before all others", sink(value)) == CachedGet::absent);
  CHECK(*engine->get(nullptr, "key7", sink(value)));
  const uint64_t requests = store->requests();
  CHECK(*engine->get_cached("key7", sink(value)) == CachedGet::found);
  CHECK(*engine->get(nullptr, "key7", sink(value)));
  CHECK(store->requests() == requests);
  CHECK(value == "valuevaluevalue");
  REQUIRE(put(*engine, "key7", "newer"));
  value.clear();
  CHECK(*engine->get_cached("key7", sink(value)) == CachedGet::found);
  CHECK(value == "newer");
}

TEST_CASE("a cold multi-get and a cold scan ask for far less than an object per key") {
  const auto objects = std::make_shared<Objects>();
  Map map;
  {
    auto engine = must_open(store_of(objects));
    map = fill(*engine, 1000);
    REQUIRE(engine->compact());
  }
  const auto store = store_of(objects);
  EngineOptions options = small_options();
  options.parallel_reads = 4;
  options.cache_bytes = 1 << 20;
  options.read_ahead_bytes = 1 << 16;
  auto engine = must_open(store, options);
  std::vector<std::string> names;
  for (const auto& [key, value] : map) names.push_back(key);
  names.push_back("not there");
  std::vector<orbit_bytes> keys;
  for (const std::string& name : names) keys.push_back(to_c(Bytes(name)));
  size_t visits = 0;
  REQUIRE(engine->multi_get(nullptr, KeyList(keys.data(), keys.size()), [&](size_t i, bool found, Bytes value) {
    ++visits;
    CHECK(found == (i + 1 < names.size()));
    if (found) CHECK(value == map[names[i]]);
  }));
  CHECK(visits == names.size());
  CHECK(store->requests() < names.size());

  const auto again = store_of(objects);
  engine = must_open(again, options);
  const uint64_t opening = again->requests();
  CHECK(must_content(*engine) == map);
  CHECK(again->requests() - opening < names.size() / 20);
}

TEST_CASE("many writers share objects, with flushes, merges and readers beside them") {
  const auto objects = std::make_shared<Objects>();
  EngineOptions options = small_options();
  options.background = true;
  options.parallel_reads = 2;
  auto engine = must_open(store_of(objects), options);
  constexpr int kWriters = 6;
  constexpr int kBatches = 120;
  std::atomic<int> errors = 0;
  std::atomic<int> torn = 0;
  std::atomic<bool> done = false;
  std::thread reader([&] {
    for (int round = 0; !done; ++round) {
      auto snapshot = engine->create_snapshot();
      const Result<Map> all = content(*engine, round % 2 == 0 ? snapshot->get() : nullptr, round % 3 == 0);
      if (!all) {
        ++errors;
        continue;
      }
      Map newest;
      for (const auto& [key, value] : *all) {
        const auto [at, fresh] = newest.emplace(key.substr(0, 2), value);
        if (!fresh && at->second != value) ++torn;
      }
    }
  });
  std::vector<std::thread> writers;
  for (int w = 0; w < kWriters; ++w)
    writers.emplace_back([&, w] {
      for (int i = 1; i <= kBatches; ++i) {
        Batch batch;
        for (int k = 0; k < 8; ++k)
          batch.push_back({WriteKind::put, "w" + std::to_string(w) + "/" + std::to_string(k), std::to_string(i)});
        if (i % 30 == 0)
          batch.push_back({WriteKind::erase_range, "w" + std::to_string(w) + "/5", "w" + std::to_string(w) + "/7"});
        if (!write(*engine, batch)) ++errors;
      }
    });
  for (std::thread& writer : writers) writer.join();
  done = true;
  reader.join();
  CHECK(errors == 0);
  CHECK(torn == 0);
  CHECK(engine->stats().wal_objects <= kWriters * kBatches);
  CHECK(engine->stats().flushes > 0);
  const Map all = must_content(*engine);
  CHECK(all.size() == kWriters * 6);
  REQUIRE(engine->verify());
  engine.reset();
  CHECK(must_content(*must_open(store_of(objects))) == all);
}

TEST_CASE("random operations agree with a map, with snapshots and reopening in between") {
  const uint64_t first_seed = orbit::testing::seed_of_this_run();
  for (uint64_t seed = first_seed; seed < first_seed + 30; ++seed) {
    std::mt19937_64 random(seed);
    const auto objects = std::make_shared<Objects>();
    auto engine = must_open(store_of(objects));
    Map map;
    struct Held {
      std::unique_ptr<StorageSnapshot> snapshot;
      Map map;
    };
    std::vector<Held> held;
    for (int i = 0; i < 150; ++i) {
      const uint64_t what = random() % 40;
      if (what < 26) {
        const Batch batch = some_batch(random);
        REQUIRE(write(*engine, batch));
        apply_to(map, batch);
      } else if (what < 34) {
        const Held* const of = held.empty() || random() % 2 == 0 ? nullptr : &held[random() % held.size()];
        const Map& expected = of == nullptr ? map : of->map;
        const StorageSnapshot* const snapshot = of == nullptr ? nullptr : of->snapshot.get();
        std::string from = random() % 4 == 0 ? std::string() : some_key(random);
        const std::string to = random() % 4 == 0 ? std::string() : some_key(random);
        const bool reverse = random() % 2 == 0;
        std::vector<std::pair<std::string, std::string>> found;
        REQUIRE(engine->scan(snapshot, from, to, reverse, [&](Bytes key, Bytes value) {
          found.emplace_back(key, value);
          return true;
        }));
        std::vector<std::pair<std::string, std::string>> wanted;
        if (to.empty() || from < to)
          wanted.assign(expected.lower_bound(from), to.empty() ? expected.end() : expected.lower_bound(to));
        if (reverse) std::reverse(wanted.begin(), wanted.end());
        REQUIRE_MESSAGE(found == wanted, "seed " << seed << ", step " << i << ", from " << from << " to " << to
                                                 << (reverse ? " backwards" : ""));
        const std::string key = some_key(random);
        std::string value;
        const Result<bool> got = engine->get(snapshot, key, sink(value));
        REQUIRE(got);
        const auto at = expected.find(key);
        REQUIRE_MESSAGE((*got == (at != expected.end()) && (!*got || value == at->second)),
                        "seed " << seed << ", step " << i << ", " << key);
      } else if (what < 36) {
        auto made = engine->create_snapshot();
        REQUIRE(made);
        if (held.size() < 4) held.push_back({std::move(*made), map});
      } else if (what < 38) {
        if (!held.empty()) held.erase(held.begin() + static_cast<ptrdiff_t>(random() % held.size()));
      } else if (what == 38) {
        const Result<> done = random() % 2 == 0 ? engine->flush() : engine->compact();
        REQUIRE(done);
      } else {
        held.clear();
        engine.reset();
        engine = must_open(store_of(objects));
      }
    }
    REQUIRE_MESSAGE(must_content(*engine) == map, "seed " << seed);
  }
}

TEST_CASE("what a range has erased is leapt over by scans and merges, and not read") {
  const auto objects = std::make_shared<Objects>();
  Map map;
  {
    auto engine = must_open(store_of(objects));
    map = fill(*engine, 4000);
    REQUIRE(engine->compact());
    REQUIRE(engine->stats().tables > 8);
  }
  const auto store = store_of(objects);
  EngineOptions options = small_options();
  options.wal_objects_max = 1000;
  auto engine = must_open(store, options);
  size_t reads = 0;
  store->fate = [&](uint64_t, Bytes kind, const std::string& name) {
    reads += kind == "get" && name.starts_with("table/") ? 1 : 0;
    return Fate::done;
  };
  const auto reads_of = [&](auto&& work) {
    const size_t before = reads;
    work();
    return reads - before;
  };
  const auto scan_both_ways = [&] {
    for (const bool reverse : {false, true}) {
      const Result<Map> found = content(*engine, nullptr, reverse);
      REQUIRE(found);
      CHECK(*found == map);
    }
  };
  // All but a few keys at both ends: what is read has nothing to do with how much lies between.
  const std::string from = std::next(map.begin(), 3)->first;
  const std::string to = std::prev(map.end(), 3)->first;
  REQUIRE(write(*engine, {{WriteKind::erase_range, from, to}}));
  map.erase(map.lower_bound(from), map.lower_bound(to));
  const auto kept = engine->create_snapshot();
  REQUIRE(kept);
  const Map before = map;
  CHECK(reads_of(scan_both_ways) < 20);
  // All, and only the write buffer knows.
  REQUIRE(write(*engine, {{WriteKind::erase_range, "", ""}, {WriteKind::put, "only", "one"}}));
  map = {{"only", "one"}};
  CHECK(reads_of(scan_both_ways) == 0);
  // All, and a table says so.
  REQUIRE(engine->flush());
  CHECK(reads_of(scan_both_ways) < 4);
  CHECK(must_content(*engine, kept->get()) == before);
  // A merge writes what is left and reads next to nothing.
  REQUIRE(put(*engine, "only", "two"));
  map = {{"only", "two"}};
  CHECK(reads_of([&] { REQUIRE(engine->compact()); }) < 12);
  scan_both_ways();
}
