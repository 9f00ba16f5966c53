// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Holds that erase whole types in one batch with what they change.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "actor/erasing.hpp"
#include "effort.hpp"
#include "sim_node.hpp"
#include "state/record_format.hpp"

using namespace test;
using orbit::testing::with_effort;

namespace {

struct Erasure {
  std::vector<std::string> types;                           // to erase
  std::vector<std::pair<std::string, std::string>> actors;  // to hold: type, key
  int64_t value = 0;                                        // that they get, cleared before if their type is erased
  bool erase = true;                                        // false: releases without
  bool adds = false;                                        // value is added to what they have
  bool finished = false;
  bool granted = false;
  orbit_code code = ORBIT_OK;
  std::string message;
};

bool erased(const Erasure& its, const std::string& type) {
  return its.erase && std::find(its.types.begin(), its.types.end(), type) != its.types.end();
}

void granted(void* ctx, orbit_hold* hold, void* const* actors, size_t count, orbit_code code, const char* message) {
  auto* its = static_cast<Erasure*>(ctx);
  const auto end = [](void* raw, orbit_code ended, const char* why) {
    auto* done = static_cast<Erasure*>(raw);
    CHECK_FALSE(done->finished);
    done->code = ended;
    done->message = why;
    done->finished = true;
  };
  if (code != ORBIT_OK) return end(its, code, message);
  its->granted = true;
  for (size_t i = 0; i < count; ++i) {
    auto* cell = static_cast<Cell*>(actors[i]);
    if (erased(*its, its->actors[i].first)) *cell = Cell{cell->activation, cell->key};
    cell->value = (its->adds ? cell->value : 0) + its->value;
    cell->exists = true;
  }
  const std::vector<uint8_t> dirty(count, 1);
  const std::vector<uint8_t> erase(its->types.size(), its->erase ? 1 : 0);
  erasing_table()->release(hold, dirty.data(), erase.data(), end, its);
}

void start(SimNode& node, uint32_t worker, Erasure& its) {
  node.runtime.post(worker, [&its] {
    const orbit_actors_v1* api = Runtime::api();
    std::vector<orbit_actor_ref> refs;
    for (const auto& [type, key] : its.actors) refs.push_back({api->type(type.c_str()), orbit::to_c(key)});
    std::vector<const orbit_type*> types;
    for (const std::string& type : its.types) types.push_back(api->type(type.c_str()));
    erasing_table()->hold(refs.data(), refs.size(), types.data(), types.size(), 0, &granted, &its);
  });
}

orbit_code run(SimNode& node, uint32_t worker, Erasure& its) {
  start(node, worker, its);
  REQUIRE(node.run_until([&] { return its.finished; }));
  return its.code;
}

// What is stored of a type: values by key.
std::map<std::string, int64_t> stored(const Disk& disk, const std::string& type) {
  std::map<std::string, int64_t> out;
  for (const auto& [key, value] : disk.data) {
    if (key[0] != kMainSpace) continue;
    std::string_view address = std::string_view(key).substr(1);
    const auto actor = take_actor(address);
    REQUIRE(actor);
    if (actor->type != type) continue;
    std::string_view in = value;
    REQUIRE(take_main_header(in));
    int64_t number = 0;
    std::memcpy(&number, in.data(), sizeof number);
    out[std::string(actor->key)] = number;
  }
  return out;
}

uint64_t counted(SimNode& node, const std::string& type) {
  uint64_t count = UINT64_MAX;
  node.on_worker(0, [&] {
    const orbit_actors_v1* api = Runtime::api();
    api->count(
        api->type(type.c_str()),
        [](void* ctx, uint64_t found, orbit_code code, const char*) {
          CHECK(code == ORBIT_OK);
          *static_cast<uint64_t*>(ctx) = found;
        },
        &count);
  });
  REQUIRE(node.run_until([&] { return count != UINT64_MAX; }));
  return count;
}

// Holds that erase, holds that do not, and erase_all, all over the same few actors.
void storm(uint64_t seed, bool disk_fails) {
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  const uint32_t workers = 1 + seed % 3;
  const char* names[] = {"sync", "async", "none"};
  Disk disk;
  SimNode node(disk, seed, workers);
  std::vector<Erasure> all(50);
  struct Erasures {
    int wanted = 0;
    int ended = 0;
    bool may_fail = false;
  } erasures;
  erasures.may_fail = disk_fails;
  for (size_t i = 0; i < all.size(); ++i) {
    Erasure& its = all[i];
    its.value = static_cast<int64_t>(i);
    const bool plain = random() % 2 == 0;
    for (uint64_t left = random() % 4; left > 0; --left)
      its.actors.push_back({names[random() % 3], "k" + std::to_string(random() % 4)});
    for (const char* name : names)
      if (!plain && random() % 2 == 0) its.types.push_back(name);
    its.erase = random() % 4 != 0;
    if (its.actors.empty()) its.types.push_back("async");
    const auto worker = static_cast<uint32_t>(random() % workers);
    if (its.types.empty()) {
      node.runtime.post(worker, [&its] {
        const orbit_actors_v1* api = Runtime::api();
        std::vector<orbit_actor_ref> refs;
        for (const auto& [type, key] : its.actors) refs.push_back({api->type(type.c_str()), orbit::to_c(key)});
        api->hold(
            refs.data(), refs.size(), 0,
            [](void* ctx, orbit_hold* hold, void* const* actors, size_t count, orbit_code code, const char*) {
              auto* done = static_cast<Erasure*>(ctx);
              done->code = code;
              if (code != ORBIT_OK) return void(done->finished = true);
              for (size_t at = 0; at < count; ++at) {
                static_cast<Cell*>(actors[at])->value += done->value;
                static_cast<Cell*>(actors[at])->exists = true;
              }
              const std::vector<uint8_t> dirty(count, 1);
              Runtime::api()->release(
                  hold, dirty.data(),
                  [](void* raw, orbit_code committed, const char*) {
                    auto* ended = static_cast<Erasure*>(raw);
                    ended->code = committed;
                    ended->finished = true;
                  },
                  done);
            },
            &its);
      });
    } else {
      start(node, worker, its);
    }
    if (random() % 8 == 0) {
      ++erasures.wanted;
      node.runtime.post(worker, [&erasures, name = names[random() % 3]] {
        const orbit_actors_v1* api = Runtime::api();
        api->erase_all(
            api->type(name),
            [](void* ctx, orbit_code code, const char*) {
              auto* of = static_cast<Erasures*>(ctx);
              CHECK((code == ORBIT_OK || of->may_fail));
              ++of->ended;
            },
            &erasures);
      });
    }
    for (uint64_t step = random() % 12; step > 0; --step) node.executor.step();
    if (disk_fails && random() % 6 == 0) disk.full = !disk.full;
  }
  disk.full = false;
  REQUIRE(node.run_until([&] {
    return erasures.ended == erasures.wanted &&
           std::all_of(all.begin(), all.end(), [](const Erasure& one) { return one.finished; });
  }));
  for (const Erasure& one : all) CHECK((one.code == ORBIT_OK || disk_fails));
  if (disk_fails) node.pass_ms(10'000);
  // Nothing stays closed, and memory is what is stored.
  for (const char* name : names) {
    for (int k = 0; k < 4; ++k) CHECK(node.call(name, "k" + std::to_string(k), kAdd, 1).code == ORBIT_OK);
    CHECK(counted(node, name) == 4);
    const auto values = stored(disk, name);
    for (const auto& [key, value] : values) CHECK(node.call(name, key, kGet).value == value);
  }
}

}  // namespace

TEST_CASE("types are erased and other actors changed as one, whatever crashes") {
  for (uint64_t seed = 1; seed <= with_effort(60); ++seed) {
    CAPTURE(seed);
    const uint32_t workers = 1 + seed % 3;
    constexpr int64_t kActors = 12;
    Disk disk;
    SimNode node(disk, seed, workers);
    for (int64_t i = 0; i < kActors; ++i) {
      node.call("async", "k" + std::to_string(i), kAdd, 1);
      node.call("none", "k" + std::to_string(i), kSetSub, 1 + i);
    }
    node.call("sync", "mark", kAdd, 7);
    node.pass_ms(500);
    REQUIRE(stored(disk, "async").size() == kActors);
    // Some of them have changes that are not stored yet, and some are not in memory.
    for (uint64_t i = 0; i < seed % 7; ++i) node.call("async", "k" + std::to_string(i), kAdd, 1);
    Erasure erasure{{"async", "none"}, {{"async", "k3"}, {"sync", "mark"}, {"async", "new"}, {"none", "k4"}}, 100};
    start(node, static_cast<uint32_t>(seed) % workers, erasure);
    std::vector<std::vector<std::shared_ptr<Answer>>> meanwhile(
        workers);  // by sending worker, whose messages keep their order
    for (int step = 0; step < 200'000 && !erasure.finished; ++step) {
      node.executor.step();
      const uint32_t from = static_cast<uint32_t>(step) % workers;
      if (step % 5 == 0 && meanwhile[from].size() < 20) meanwhile[from].push_back(node.send(from, "async", "k5", kGet));
      const auto async = stored(disk, "async");
      const auto none = stored(disk, "none");
      if (stored(disk, "sync").at("mark") == 7) {
        REQUIRE(async.size() == kActors);
        REQUIRE(async.count("new") == 0);
      } else {
        REQUIRE(stored(disk, "sync").at("mark") == 100);
        REQUIRE(async == std::map<std::string, int64_t>{{"k3", 100}, {"new", 100}});
        REQUIRE(none == std::map<std::string, int64_t>{{"k4", 100}});
        for (const auto& [key, value] : disk.data) REQUIRE(key[0] != kSubSpace);
      }
    }
    REQUIRE(erasure.finished);
    CHECK(erasure.code == ORBIT_OK);
    CHECK(node.call("async", "k3", kGet).value == 100);
    CHECK(node.call("async", "k5", kGet).value == 0);
    CHECK(node.call("none", "k4", kAdd, 1).value == 101);
    for (const auto& answers : meanwhile) {
      bool gone = false;
      for (const auto& answer : answers) {
        const int64_t value = node.wait(answer).value;
        CHECK((value == 0 || (!gone && (value == 1 || value == 2))));
        gone = gone || value == 0;
      }
    }
    CHECK(counted(node, "async") == 2);
    CHECK(counted(node, "none") == 1);
    SimNode again(disk, seed + 1, workers);
    CHECK(again.call("async", "k3", kGet).value == 100);
    CHECK(again.call("async", "k5", kGet).value == 0);
    CHECK(counted(again, "async") == 2);
  }
}

TEST_CASE("an erasure whose commit fails changes nothing, in memory or stored") {
  int failed = 0;
  for (uint32_t i = 0; i < 9; ++i) {
    const uint32_t workers = 1 + i % 3;
    CAPTURE(i);
    Disk disk;
    SimNode node(disk, i, workers);
    for (int k = 0; k < 6; ++k) node.call("async", "k" + std::to_string(k), kAdd, 5);
    node.call("sync", "mark", kAdd, 5);
    node.pass_ms(500);
    // Unsaved when the hold comes: what is written for that may pass, and fails with the rest else.
    node.call("async", "k1", kAdd, 1);
    disk.fail_after_writes = static_cast<int>(i / 3);
    Erasure erasure{{"async"}, {{"async", "k1"}, {"sync", "mark"}, {"async", "new"}}, 100};
    const bool good = run(node, 0, erasure) == ORBIT_OK;
    failed += good ? 0 : 1;
    CHECK(erasure.granted);
    disk.fail_after_writes = -1;
    node.pass_ms(5000);
    CHECK(node.call("async", "k0", kGet).value == (good ? 0 : 5));
    CHECK(node.call("async", "k1", kGet).value == (good ? 100 : 6));
    CHECK(node.call("async", "new", kGet).value == (good ? 100 : 0));
    CHECK(node.call("sync", "mark", kGet).value == (good ? 100 : 5));
    CHECK(counted(node, "async") == (good ? 2 : 6));
    // And it may be tried again.
    Erasure second{{"async"}, {{"async", "k1"}}, 1};
    CHECK(run(node, 0, second) == ORBIT_OK);
    CHECK(stored(disk, "async") == std::map<std::string, int64_t>{{"k1", 1}});
    disk.full = true;
    node.call("async", "k1", kAdd, 1);
    node.pass_ms(500);
    Erasure refused{{"async"}, {}, 1};
    CHECK(run(node, 0, refused) == ORBIT_UNAVAILABLE);
    CHECK_FALSE(refused.granted);
    disk.full = false;
    node.pass_ms(5000);
    CHECK(node.call("async", "k1", kGet).value == 2);
  }
  CHECK(failed > 0);
}

TEST_CASE("a hold that may erase and does not is a hold") {
  Disk disk;
  SimNode node(disk, 3, 2);
  for (int i = 0; i < 6; ++i) node.call("async", "k" + std::to_string(i), kAdd, 5);
  node.pass_ms(500);
  Erasure none{{"async"}, {{"async", "k1"}, {"sync", "mark"}}, 100, false};
  CHECK(run(node, 0, none) == ORBIT_OK);
  CHECK(stored(disk, "async").size() == 6);
  CHECK(stored(disk, "async").at("k1") == 100);
  CHECK(stored(disk, "sync").at("mark") == 100);
  Erasure without_types{{}, {{"async", "k2"}, {"sync", "mark"}}, 101};
  CHECK(run(node, 1, without_types) == ORBIT_OK);
  CHECK(stored(disk, "async").at("k2") == 101);
}

TEST_CASE("a hold that names neither actors nor types is refused") {
  Disk disk;
  SimNode node(disk, 1, 2);
  Erasure nothing;
  CHECK(run(node, 1, nothing) == ORBIT_INVALID_ARGUMENT);
  CHECK_FALSE(nothing.granted);
}

TEST_CASE("holds that erase, holds that do not and erase_all over the same actors never wait in a circle") {
  for (uint64_t seed = 1; seed <= with_effort(80); ++seed) storm(seed, false);
}

TEST_CASE("they end and leave memory as storage is also where the disk fails now and then") {
  for (uint64_t seed = 1; seed <= with_effort(80); ++seed) storm(seed, true);
}

TEST_CASE("an erasure waits for a running turn of an actor that it does not hold") {
  Disk disk;
  SimNode node(disk, 4, 2);
  const auto sleeper = node.send(0, "async", "k1", kSleep);
  asleep(node, "async", "k1");
  Erasure erasure{{"async"}, {{"async", "k2"}}, 3};
  start(node, 1, erasure);
  node.pass_ms(200);
  CHECK(erasure.granted);
  CHECK_FALSE(erasure.finished);
  node.wake("async", "k1");
  REQUIRE(node.run_until([&] { return erasure.finished; }));
  CHECK(erasure.code == ORBIT_OK);
  CHECK(sleeper->arrived);
  CHECK(stored(disk, "async") == std::map<std::string, int64_t>{{"k2", 3}});
}

TEST_CASE("an erasure over types of two storages is refused by a message that names both") {
  Disk first;
  Disk second;
  Engine one = first.engine();
  Engine other = second.engine();
  one.name = "first";
  other.name = "second";
  SimNode node({one, other}, [](std::string_view type) -> uint32_t { return type == "none" ? 1 : 0; }, 5, 2);
  for (Erasure its : {Erasure{{"async", "none"}, {}}, Erasure{{"none"}, {{"sync", "mark"}}}}) {
    CHECK(run(node, 0, its) == ORBIT_FAILED_PRECONDITION);
    CHECK_FALSE(its.granted);
    for (const char* word : {"'first'", "'second'", "none"}) CHECK(its.message.find(word) != std::string::npos);
  }
  Erasure good{{"none"}, {{"none", "k"}}, 3};
  CHECK(run(node, 0, good) == ORBIT_OK);
  CHECK(stored(second, "none").at("k") == 3);
}

TEST_CASE("an erasure does not store what a held actor had changed when that fails before") {
  for (uint64_t seed = 1; seed <= with_effort(10); ++seed) {
    CAPTURE(seed);
    Disk disk;
    SimNode node(disk, seed);
    node.call("sync", "mark", kAdd, 5);
    const auto sleeper = node.send(0, "async", "k1", kSleep);
    asleep(node, "async", "k1");
    node.pass_ms(500);  // no write that has begun takes the next change along
    // Its commit is on the way while the hold takes the actor, and fails before the sleeper lets the erasure go on.
    node.executor.set_io_delay(10'000'000);
    disk.full = true;
    const auto refused = node.send(0, "sync", "mark", kAdd, 7);
    REQUIRE(node.run_until([&] { return node.cell("sync", "mark")->value == 12; }));
    Erasure erasure{{"async"}, {{"sync", "mark"}}, 1};
    erasure.adds = true;
    start(node, 0, erasure);
    REQUIRE(node.run_until([&] { return erasure.granted; }));
    CHECK_FALSE(refused->arrived);
    CHECK(node.wait(refused).code != ORBIT_OK);
    CHECK_FALSE(erasure.finished);
    disk.full = false;
    node.pass_ms(5000);
    node.wake("async", "k1");
    REQUIRE(node.run_until([&] { return erasure.finished; }));
    CHECK(sleeper->arrived);
    CHECK(erasure.code == ORBIT_ABORTED);
    CHECK(node.call("sync", "mark", kGet).value == 5);
    CHECK(stored(disk, "sync").at("mark") == 5);
    // Nothing stays frozen.
    CHECK(node.call("async", "k1", kAdd, 2).value == 2);
    Erasure again{{"async"}, {{"sync", "mark"}}, 1};
    CHECK(run(node, 0, again) == ORBIT_OK);
    CHECK(stored(disk, "async").empty());
  }
}

TEST_CASE("a message that is on its way to a frozen actor while nothing waits there arrives when the type is thawed") {
  Disk disk;
  SimNode node(disk, 6);
  node.call("none", "sender", kAdd, 1);
  int64_t answered = 0;
  node.on_worker(0, [&] {
    const orbit_actors_v1* api = Runtime::api();
    Scheduler& scheduler = node.runtime.scheduler(0);
    auto* type = const_cast<orbit_type*>(api->type("async"));
    scheduler.freeze({type});
    uint64_t hint[2] = {0, 0};
    const auto send = [&] {
      orbit_envelope* call = api->allocate();
      call->type = type;
      call->key = orbit::to_c(std::string_view("k"));
      call->method = kGet;
      call->reply_ctx = &answered;
      call->on_reply = [](void* ctx, orbit_envelope* reply) {
        *static_cast<int64_t*>(ctx) += reply->code == ORBIT_OK ? 1 : 100;
        Runtime::api()->free_envelope(reply);
      };
      api->send(call, hint);
      return call;
    };
    // It makes the activation, and gives up: nothing waits there then.
    api->cancel(send());
    CHECK(answered == 100);
    // In a turn, so that it is delivered after that.
    scheduler.continue_turn(node.cell("none", "sender")->activation, nullptr, [&] { send(); });
    scheduler.unfreeze({type});
  });
  REQUIRE(node.run_until([&] { return answered != 100; }));
  CHECK(answered == 101);
}

TEST_CASE("an erasure does not wait until no actor of another type is being read") {
  Disk disk;
  SimNode node(disk, 8, 2);
  for (int i = 0; i < 6; ++i) node.call("async", "k" + std::to_string(i), kAdd, 5);
  node.executor.set_io_delay(1'000'000);
  Erasure erasure{{"async"}, {{"async", "k1"}, {"sync", "mark"}}, 7};
  std::vector<std::shared_ptr<Answer>> reads;
  const auto being_read = [&] {
    return std::count_if(reads.begin(), reads.end(), [](const auto& each) { return !each->arrived; });
  };
  for (int i = 0; i < 4000 && !erasure.finished; ++i) {
    if (i == 100) start(node, 0, erasure);
    reads.push_back(node.send(static_cast<uint32_t>(i) % 2, "none", "n" + std::to_string(i), kGet));
    REQUIRE(node.run_until([&] { return being_read() <= 20; }));
  }
  CHECK(erasure.finished);
  CHECK(erasure.code == ORBIT_OK);
  CHECK(stored(disk, "async") == std::map<std::string, int64_t>{{"k1", 7}});
}
