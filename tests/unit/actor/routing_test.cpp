// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Types whose actors lie in different storages.
#include <doctest/doctest.h>

#include "actor/due_index.hpp"
#include "sim_node.hpp"
#include "state/record_format.hpp"

using namespace test;

namespace {

// "sync" and "none" lie in the first storage, "async" and "other" (sync as well) in the second.
struct TwoDisks {
  Disk first;
  Disk second;
  SimNode node;

  explicit TwoDisks(uint64_t seed, uint32_t workers = 1)
      : node({named("first", first), named("second", second)},
             [](std::string_view type) { return type == "async" || type == "other" ? 1u : 0u; }, seed, workers) {
    const orbit_actor_type* types[] = {cell_type("other", ORBIT_DURABILITY_SYNC)};
    REQUIRE(node.runtime.publish_module("others", "1", "others.so", types));
  }

  static Engine named(const char* name, Disk& disk) {
    Engine engine = disk.engine();
    engine.name = name;
    return engine;
  }
};

// How many keys of that space the storage has of the type.
size_t keys(const Disk& disk, char space, const std::string& type) {
  std::string named;
  append_type(named, type);
  size_t count = 0;
  for (const auto& [key, value] : disk.data) {
    const size_t at = space == kDueSpace ? 9 : 1;
    count += key[0] == space && key.compare(at, named.size(), named) == 0;
  }
  return count;
}

}  // namespace

TEST_CASE("the records, the due entries and the count of a type lie in its storage and nowhere else") {
  TwoDisks two(1);
  const auto at = static_cast<int64_t>(two.node.executor.unix_ms() + 60'000);
  for (const char* type : {"sync", "other"}) {
    CHECK(two.node.call(type, "a", kExpireAt, at).code == ORBIT_OK);
    CHECK(two.node.call(type, "b", kSetSub, 3).code == ORBIT_OK);
  }
  for (const char space : {kMainSpace, kSubSpace, kDueSpace}) {
    const size_t expected = space == kMainSpace ? 2 : 1;
    CHECK(keys(two.first, space, "sync") == expected);
    CHECK(keys(two.second, space, "other") == expected);
    CHECK(keys(two.first, space, "other") == 0);
    CHECK(keys(two.second, space, "sync") == 0);
  }
  CHECK(two.first.data.contains(count_key("sync")));
  CHECK(two.second.data.contains(count_key("other")));
  CHECK_FALSE(two.first.data.contains(count_key("other")));
  CHECK_FALSE(two.second.data.contains(count_key("sync")));
}

TEST_CASE("states expire in whichever storage they lie") {
  TwoDisks two(2);
  two.node.runtime.start();
  const auto at = static_cast<int64_t>(two.node.executor.unix_ms() + 1000);
  for (const char* type : {"sync", "other"}) CHECK(two.node.call(type, "a", kExpireAt, at).code == ORBIT_OK);
  two.node.pass_ms(3000);
  for (const char space : {kMainSpace, kDueSpace}) {
    CHECK(keys(two.first, space, "sync") == 0);
    CHECK(keys(two.second, space, "other") == 0);
  }
}

TEST_CASE("a storage that refuses writes fails the turns of its types, and no others") {
  TwoDisks two(3, 2);
  CHECK(two.node.call("other", "a", kAdd, 5).code == ORBIT_OK);
  two.second.full = true;
  CHECK(two.node.call("other", "a", kAdd, 1).code == ORBIT_RESOURCE_EXHAUSTED);
  CHECK(two.node.call("async", "a", kAdd, 7).code == ORBIT_OK);  // stored once there is room
  two.node.pass_ms(500);
  for (int i = 0; i < 20; ++i) CHECK(two.node.call("sync", "k" + std::to_string(i), kAdd, 1).code == ORBIT_OK);
  CHECK_FALSE(two.node.runtime.store(1).committer.writable());
  CHECK(two.node.runtime.store(0).committer.writable());
  // Neither does a listing of one wait for the other.
  uint64_t counted = 0;
  two.node.on_worker(0, [&] {
    Runtime::api()->count(Runtime::api()->type("sync"),
                          [](void* ctx, uint64_t count, orbit_code code, const char*) {
                            CHECK(code == ORBIT_OK);
                            *static_cast<uint64_t*>(ctx) = count;
                          },
                          &counted);
  });
  REQUIRE(two.node.run_until([&] { return counted != 0; }));
  CHECK(counted == 20);
  two.second.full = false;
  two.node.pass_ms(5000);
  CHECK(two.node.call("other", "a", kGet).value == 5);
  CHECK(two.node.call("other", "a", kAdd, 1).value == 6);
  CHECK(keys(two.second, kMainSpace, "async") == 1);
}

TEST_CASE("a hold over types of two storages is refused by a message that names both, and nothing is changed") {
  TwoDisks two(4, 2);
  for (const char* type : {"other", "none"}) {
    struct Outcome {
      bool granted = false;
      orbit_code code = ORBIT_OK;
      std::string message;
    } outcome;
    bool told = false;
    two.node.on_worker(0, [&] {
      const orbit_actors_v1* api = Runtime::api();
      const orbit_actor_ref refs[] = {{api->type("sync"), {"x", 1}}, {api->type(type), {"y", 1}}};
      api->hold(refs, 2, 0,
                [](void* ctx, orbit_hold* hold, void* const*, size_t, orbit_code code, const char* message) {
                  *static_cast<Outcome*>(ctx) = {hold != nullptr, code, message};
                  if (hold != nullptr) Runtime::api()->release(hold, nullptr, nullptr, nullptr);
                },
                &outcome);
      told = true;
    });
    REQUIRE(two.node.run_until([&] { return told && (outcome.granted || outcome.code != ORBIT_OK); }));
    if (std::string(type) == "none") {
      CHECK(outcome.granted);
      continue;
    }
    CHECK_FALSE(outcome.granted);
    CHECK(outcome.code == ORBIT_FAILED_PRECONDITION);
    for (const char* word : {"'first'", "'second'", "sync", "other"}) CHECK(outcome.message.find(word) != std::string::npos);
  }
  CHECK(keys(two.first, kMainSpace, "sync") == 0);
  CHECK(keys(two.second, kMainSpace, "other") == 0);
}
