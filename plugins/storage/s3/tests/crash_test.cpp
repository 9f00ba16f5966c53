// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Processes that are killed before or after any request, requests that fail, are lost or arrive late, and writers that
// take over from each other: nothing acknowledged is lost, nothing refused is there, no batch is torn.
#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "effort.hpp"
#include "tests/seed.hpp"
#include "workload.hpp"

using namespace orbit;
using namespace orbit::s3;
using namespace orbit::s3::testing;

namespace {

// What a workload is known to have done when its process ended.
struct Left {
  std::vector<Map> possible;  // one of these is stored: the acknowledged state, or with the batch that was under way
  std::string wrong;
};

// Batches, flushes and merges until the store is dead or all are done.
Left run_until_killed(const std::shared_ptr<FakeStore>& store, uint64_t seed, int batches, uint64_t delay_ms = 0) {
  std::mt19937_64 random(seed);
  Left out{{Map()}, {}};
  EngineOptions options = small_options("the first process");
  options.unsynced_delay_ms = delay_ms;
  auto engine = Engine::open(store, options);
  if (!engine) {
    if (!store->is_dead()) out.wrong = "it cannot be opened: " + engine.error().message;
    return out;
  }
  for (int i = 0; i < batches; ++i) {
    const Batch batch = some_batch(random);
    Map next = out.possible.back();
    apply_to(next, batch);
    if (random() % 12 == 0) {
      static_cast<void>((*engine)->compact());
      if (store->is_dead()) return out;
    }
    if (write(**engine, batch)) {
      out.possible = {std::move(next)};
    } else {
      if (!store->is_dead()) out.wrong = "a write failed although nothing did";
      out.possible.push_back(std::move(next));
      return out;
    }
  }
  return out;
}

// Opens what is left, compares, goes on, and opens again. Empty: all is well.
std::string look_at(const std::shared_ptr<Objects>& objects, const std::vector<Map>& possible,
                    std::mt19937_64& random) {
  Map now;
  {
    const auto store = std::make_shared<FakeStore>(objects);
    auto engine = Engine::open(store, small_options("the second process"));
    if (!engine) return "it cannot be opened: " + engine.error().message;
    const Result<Map> found = content(**engine);
    if (!found) return "it cannot be read: " + found.error().message;
    if (std::find(possible.begin(), possible.end(), *found) == possible.end())
      return "what is stored is neither what was acknowledged nor that with the batch under way";
    if (const Result<Map> back = content(**engine, nullptr, true); !back || *back != *found)
      return "backwards it is something else";
    now = *found;
    for (int i = 0; i < 6; ++i) {
      const Batch batch = some_batch(random);
      if (const Result<> written = write(**engine, batch); !written)
        return "it cannot be written to: " + written.error().message;
      apply_to(now, batch);
    }
    if (const Result<> fine = (*engine)->verify(); !fine) return fine.error().message;
  }
  auto engine = Engine::open(std::make_shared<FakeStore>(objects), small_options("the third process"));
  if (!engine) return "it cannot be opened again: " + engine.error().message;
  const Result<Map> found = content(**engine);
  return found && *found == now ? "" : "it is not what it was when it was closed";
}

}  // namespace

namespace {

using orbit::testing::with_effort;

// Under sanitizers not each request is the last one.
constexpr uint64_t kStep = 16 / with_effort(16);

}  // namespace

TEST_CASE("a process that is killed before or after any of its requests loses nothing acknowledged") {
  const uint64_t first_seed = orbit::testing::seed_of_this_run();
  size_t kills = 0;
  for (uint64_t seed = first_seed; seed < first_seed + with_effort(3); ++seed) {
    for (const Fate how : {Fate::killed, Fate::killed_after}) {
      for (uint64_t at = 1;; at += kStep) {
        const auto objects = std::make_shared<Objects>();
        const auto store = std::make_shared<FakeStore>(objects);
        store->fate = [&](uint64_t number, Bytes, const std::string&) { return number == at ? how : Fate::done; };
        const Left left = run_until_killed(store, seed, 90);
        std::mt19937_64 random(seed + at);
        const std::string wrong = left.wrong.empty() ? look_at(objects, left.possible, random) : left.wrong;
        REQUIRE_MESSAGE(wrong.empty(), "seed " << seed << ", killed " << (how == Fate::killed ? "before" : "after")
                                               << " request " << at << ": " << wrong);
        if (!store->is_dead()) break;
        ++kills;
      }
    }
  }
  CHECK(kills > with_effort(3) * 200 / kStep);
}

TEST_CASE("requests that fail, are lost or come late: what was refused is not there, what was acknowledged is") {
  const uint64_t first_seed = orbit::testing::seed_of_this_run();
  size_t refused_writes = 0;
  size_t faults = 0;
  for (uint64_t seed = first_seed; seed < first_seed + with_effort(150); ++seed) {
    std::mt19937_64 random(seed);
    std::mt19937_64 fates(seed * 31);
    const auto objects = std::make_shared<Objects>();
    const auto store = std::make_shared<FakeStore>(objects);
    bool calm = false;
    store->fate = [&](uint64_t, Bytes kind, const std::string&) {
      if (calm || fates() % 12 != 0) return Fate::done;
      ++faults;
      if (kind != "put") return Fate::refused;
      constexpr Fate kFates[] = {Fate::refused, Fate::lost, Fate::repeated, Fate::late};
      return kFates[fates() % 4];
    };
    std::unique_ptr<Engine> engine;
    Map map;
    std::vector<Map> possible{map};
    for (int i = 0; i < 80; ++i) {
      if (!engine || random() % 25 == 0) {
        engine.reset();
        while (!engine) {
          auto opened = Engine::open(store, small_options("process " + std::to_string(i)));
          if (opened) engine = std::move(*opened);
        }
        calm = true;
        map = must_content(*engine);
        calm = false;
        REQUIRE_MESSAGE(std::find(possible.begin(), possible.end(), map) != possible.end(),
                        "seed " << seed << ", opened before batch " << i);
        possible = {map};
      }
      const Batch batch = some_batch(random);
      Map next = map;
      apply_to(next, batch);
      if (write(*engine, batch)) {
        map = std::move(next);
        possible = {map};
        continue;
      }
      ++refused_writes;
      calm = true;
      REQUIRE_MESSAGE(must_content(*engine) == map, "seed " << seed << ", batch " << i << " was refused and is there");
      calm = false;
      possible.push_back(std::move(next));
      // Sometimes the process ends with the question open.
      if (random() % 5 == 0) {
        engine.reset();
        continue;
      }
      while (!engine->recover()) continue;
      possible = {map};
    }
    calm = true;
    engine.reset();
    const std::string wrong = look_at(objects, possible, random);
    REQUIRE_MESSAGE(wrong.empty(), "seed " << seed << ": " << wrong);
  }
  CHECK(refused_writes > with_effort(100));
  CHECK(faults > with_effort(1000));
}

TEST_CASE("writes without sync that are collected are lost from the end only, and a sync keeps them") {
  const uint64_t seed = orbit::testing::seed_of_this_run();
  for (uint64_t at = 4; at < 60; at += kStep) {
    const auto objects = std::make_shared<Objects>();
    const auto store = std::make_shared<FakeStore>(objects);
    store->fate = [&](uint64_t number, Bytes, const std::string&) { return number == at ? Fate::killed : Fate::done; };
    EngineOptions options = small_options();
    options.unsynced_delay_ms = 3'600'000;
    std::mt19937_64 random(seed + at);
    std::vector<Map> states{Map()};
    size_t synced = 0;
    {
      auto engine = Engine::open(store, options);
      for (int i = 0; engine && i < 60; ++i) {
        const Batch batch = some_batch(random);
        const bool sync = random() % 6 == 0;
        Map next = states.back();
        apply_to(next, batch);
        states.push_back(std::move(next));
        if (!write(**engine, batch, sync)) break;
        if (const Result<Map> found = content(**engine)) CHECK(*found == states.back());
        if (sync) synced = states.size() - 1;
      }
      store->kill();
    }
    const std::string wrong = look_at(objects, {states.begin() + static_cast<ptrdiff_t>(synced), states.end()}, random);
    REQUIRE_MESSAGE(wrong.empty(), "seed " << seed << ", killed before request " << at << ": " << wrong);
  }
}

TEST_CASE("a writer that takes over at any moment fences the one before, whose later writes all fail and say why") {
  const uint64_t seed = orbit::testing::seed_of_this_run();
  size_t takeovers = 0;
  // The second opens inside the first one's request number `at`; its answer is on the way, or the request itself comes
  // late.
  for (const Fate how : {Fate::done, Fate::late, Fate::lost}) {
    for (uint64_t at = 5; at < 90; at += kStep) {
      const auto objects = std::make_shared<Objects>();
      const auto first_store = std::make_shared<FakeStore>(objects);
      auto first = must_open(first_store, small_options("the first writer"));
      std::mt19937_64 random(seed + at);
      Map acknowledged;
      Map under_way;
      std::unique_ptr<Engine> second;
      uint64_t takeover_at = 0;
      first_store->fate = [&](uint64_t number, Bytes kind, const std::string&) {
        if (number == at) takeover_at = number;
        return number == at && kind == "put" ? how : Fate::done;
      };
      bool failed = false;
      Map found;
      for (int i = 0; i < 40 && !failed; ++i) {
        const Batch batch = some_batch(random);
        under_way = acknowledged;
        apply_to(under_way, batch);
        const bool written = write(*first, batch).has_value();
        if (written) acknowledged = under_way;
        if (takeover_at != 0 && !second) {
          second = must_open(std::make_shared<FakeStore>(objects), small_options("the second writer"));
          found = must_content(*second);
          REQUIRE_MESSAGE((found == acknowledged || found == under_way), "seed " << seed << ", request " << at);
          ++takeovers;
        } else if (second) {
          REQUIRE_MESSAGE(!written, "seed " << seed << ", request " << at << ": a fenced writer wrote");
          failed = true;
        }
      }
      if (!second) continue;
      for (int i = 0; i < 3; ++i) {
        static_cast<void>(first->recover());
        const Result<> more = put(*first, "late", "write");
        REQUIRE(!more);
        CHECK(more.error().code == Code::failed_precondition);
        CHECK_MESSAGE(more.error().message.find("the second writer") != std::string::npos, more.error().message);
        CHECK(!first->flush());
      }
      CHECK(!content(*first));
      CHECK(must_content(*second) == found);
      first.reset();
      REQUIRE(put(*second, "and", "on"));
      found["and"] = "on";
      const std::string wrong = look_at(objects, {found}, random);
      REQUIRE_MESSAGE(wrong.empty(), "seed " << seed << ", request " << at << ": " << wrong);
    }
  }
  CHECK(takeovers > 60 / kStep);
}

TEST_CASE("writers that take over from each other while they write lose no acknowledged write") {
  const auto objects = std::make_shared<Objects>();
  Map acknowledged;
  std::unique_ptr<Engine> before;
  for (int round = 0; round < 12; ++round) {
    EngineOptions options = small_options("writer " + std::to_string(round));
    options.background = true;
    const auto store = std::make_shared<FakeStore>(objects);
    std::atomic<bool> running = false;
    std::vector<std::pair<std::string, std::string>> written;
    std::thread writer;
    if (before)
      writer = std::thread([&, engine = before.get()] {
        for (int i = 0; i < 100'000; ++i) {
          const std::string key = std::to_string(round) + "/" + std::to_string(i % 50);
          const std::string value = std::to_string(i);
          if (!put(*engine, key, value)) break;
          written.emplace_back(key, value);
          running = i > 20;
        }
        running = true;
      });
    while (before && !running) std::this_thread::yield();
    auto next = Engine::open(store, options);
    if (writer.joinable()) writer.join();
    REQUIRE_MESSAGE(next.has_value(), (next ? std::string() : next.error().message));
    for (const auto& [key, value] : written) acknowledged[key] = value;
    const Map found = must_content(**next);
    for (const auto& [key, value] : acknowledged) {
      const auto at = found.find(key);
      REQUIRE_MESSAGE((at != found.end() && std::stoi(at->second) >= std::stoi(value)),
                      "round " << round << ", key " << key);
    }
    acknowledged = found;
    before = std::move(*next);
  }
}
