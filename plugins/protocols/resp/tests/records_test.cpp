// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Values to records and back, after random changes.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>

#include "keyspace.hpp"
#include "node_reply.hpp"
#include "seed.hpp"

namespace orbit::resp::testing {
namespace {

// What storage would hold of one value.
class Store final : public RecordWriter {
 public:
  void put_main(std::string_view value, uint64_t expires_at_ms, bool has_subrecords) override {
    records[""] = value;
    expires_at = expires_at_ms;
    split = has_subrecords;
    ++writes;
  }
  void put(std::string_view subkey, std::string_view value) override {
    REQUIRE(!subkey.empty());
    records[std::string(subkey)] = value;
    ++writes;
  }
  void remove(std::string_view subkey) override {
    REQUIRE(records.erase(std::string(subkey)) == 1);
    ++writes;
  }
  void remove_all_subrecords() override { records.erase(records.upper_bound(""), records.end()); }
  void remove_main() override { REQUIRE(records.erase("") == 1); }

  bool load(Value& value, std::string& error) const {
    std::vector<Record> all;
    for (const auto& [subkey, bytes] : records) all.push_back({subkey, bytes});
    return value.load(all, &error);
  }

  std::map<std::string, std::string> records;
  uint64_t expires_at = 0;
  bool split = false;
  size_t writes = 0;
};

std::string dump(Keyspace& keys, const std::string& key) {
  std::string out = keys.run({"TYPE", key});
  if (out == "+list\r\n") return out + keys.run({"LRANGE", key, "0", "-1"});
  if (out == "+zset\r\n") return out + keys.run({"ZRANGE", key, "0", "-1", "WITHSCORES"});
  if (out == "+hash\r\n") return out + canonical(keys.run({"HGETALL", key}), Order::any_pairs);
  if (out == "+set\r\n") return out + canonical(keys.run({"SMEMBERS", key}), Order::any_elements);
  return out + keys.run({"GET", key});
}

Words random_change(std::mt19937_64& random) {
  const auto below = [&](size_t bound) { return random() % bound; };
  // "a" keeps its type for long, so that it grows beyond one record; "b" changes often.
  const std::string key = below(8) != 0 ? "a" : "b";
  const auto name = [&] { return (below(60) == 0 ? std::string(80, 'n') : "n") + std::to_string(below(400)); };
  const auto text = [&] { return below(30) == 0 ? std::string(below(3000), 'x') : "v" + std::to_string(below(50)); };
  const auto number = [&] { return std::to_string(below(300)); };
  switch (below(26)) {
    case 0:
    case 1:
    case 2:
      return {"HSET", key, name(), text(), name(), text()};
    case 3:
      return {"HDEL", key, name(), name(), name()};
    case 4:
    case 5:
      return {"SADD", key, name(), name(), name()};
    case 6:
      return {"SREM", key, name(), name()};
    case 7:
      return {"SPOP", key, std::to_string(below(20))};
    case 8:
    case 9:
    case 10:
      return {"ZADD", key, number(), name(), number(), name()};
    case 11:
      return {"ZREM", key, name(), name()};
    case 12:
      return {"ZPOPMIN", key, std::to_string(below(10))};
    case 13:
    case 14:
      return {"RPUSH", key, text(), text(), text()};
    case 15:
    case 16:
      return {"LPUSH", key, text(), text()};
    case 17:
      return {"LPOP", key, std::to_string(below(30))};
    case 18:
      return {"LINSERT", key, "BEFORE", text(), text()};
    case 19:
      return {"LREM", key, "0", text()};
    case 20:
      return {"LSET", key, std::to_string(below(20)), text()};
    case 21:
      return {"PEXPIREAT", key, std::to_string(1'800'000'000'000 + below(1000))};
    case 22:
      return {"APPEND", key, text()};
    case 23:
      return below(60) == 0 ? Words{"DEL", key} : Words{"RPOP", key};
    case 24:
      return below(60) == 0 ? Words{"RENAME", key, key == "a" ? "b" : "a"} : Words{"PERSIST", key};
    default:
      return below(90) == 0 ? Words{"SET", key, text()} : Words{"ZINCRBY", key, "7", name()};
  }
}

void check_loads(Keyspace& keys, const std::string& key, const Store& store) {
  Keyspace loaded;
  std::string error;
  REQUIRE_MESSAGE(store.load(loaded.value(key), error), error);
  REQUIRE(dump(loaded, key) == dump(keys, key));
  REQUIRE(loaded.value(key).expires_at_ms() == keys.value(key).expires_at_ms());
  REQUIRE(!loaded.value(key).dirty());
}

TEST_CASE("a value loaded from its records equals the value that wrote them, after any changes") {
  const uint64_t seed = seed_of_this_run();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  size_t split = 0;
  for (int round = 0; round < 25; ++round) {
    Keyspace keys;
    std::map<std::string, Store> stores;
    const size_t collect_every = 1 + random() % 40;
    for (size_t i = 0; i < 3000; ++i) {
      const Words change = random_change(random);
      const bool was_dirty = keys.value(change[1]).dirty();
      keys.run(change);
      // Persistence trusts `changed`: a value that became dirty said so.
      if (!was_dirty && keys.value(change[1]).dirty()) {
        const auto& changed = keys.changed();
        REQUIRE(std::find(changed.begin(), changed.end(), change[1]) != changed.end());
      }
      if (i % collect_every != 0) continue;
      for (const std::string key : {"a", "b"}) {
        keys.value(key).collect(stores[key]);
        REQUIRE(!keys.value(key).dirty());
        split += stores[key].split ? 1 : 0;
        if (i % (collect_every * 16) == 0) check_loads(keys, key, stores[key]);
        // A value that left memory and came back goes on as before.
        if (random() % 200 == 0) {
          std::string error;
          keys.values()[key] = std::make_unique<Value>();
          REQUIRE_MESSAGE(stores[key].load(keys.value(key), error), error);
        }
      }
    }
    for (const std::string key : {"a", "b"}) {
      keys.value(key).collect(stores[key]);
      check_loads(keys, key, stores[key]);
      REQUIRE((keys.value(key).is_none() == stores[key].records.empty()));
    }
  }
  REQUIRE(split > 100);
}

TEST_CASE("collect writes what changed, not the value") {
  for (const std::string type : {"HSET", "SADD", "ZADD", "RPUSH"}) {
    CAPTURE(type);
    Keyspace keys;
    Store store;
    const auto change = [&](int i) {
      const std::string n = std::to_string(i);
      if (type == "HSET") return Words{type, "k", "field" + n, "value"};
      if (type == "ZADD") return Words{type, "k", n, "member" + n};
      return Words{type, "k", "element" + n};
    };
    for (int i = 0; i < 20'000; ++i) keys.run(change(i));
    keys.value("k").collect(store);
    REQUIRE(store.split);
    store.writes = 0;
    keys.run(change(20'000));
    keys.value("k").collect(store);
    CHECK(store.writes == 2);  // the element or chunk, and the main record
    store.writes = 0;
    keys.value("k").collect(store);
    CHECK(store.writes == 0);
  }
}

TEST_CASE("a value that storage never saw leaves nothing to remove") {
  Keyspace keys;
  keys.run("SET k v");
  keys.run("DEL k");
  CHECK(!keys.value("k").dirty());
}

TEST_CASE("damaged records are refused, whatever byte is damaged") {
  const uint64_t seed = seed_of_this_run();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  Keyspace keys;
  for (int i = 0; i < 300; ++i) {
    const std::string n = std::to_string(i);
    keys.run({"HSET", "h", "f" + n, n});
    keys.run({"SADD", "t", "m" + n});
    keys.run({"ZADD", "z", n, "m" + n});
    keys.run({"RPUSH", "l", "element" + n, std::string(i % 7 == 0 ? 300 : 3, 'x')});
  }
  keys.run("HSET small f v g w");
  keys.run("RPUSH list a b c");
  keys.run("ZADD zset 1 a 2 b");
  size_t refused = 0;
  for (const std::string key : {"h", "t", "z", "l", "small", "list", "zset"}) {
    Store whole;
    keys.value(key).collect(whole);
    for (int i = 0; i < 400; ++i) {
      Store damaged = whole;
      auto victim = std::next(damaged.records.begin(), static_cast<long>(random() % damaged.records.size()));
      std::string& bytes = victim->second;
      if (random() % 4 == 0 || bytes.empty()) {
        bytes.resize(random() % (bytes.size() + 4));
      } else {
        bytes[random() % bytes.size()] = static_cast<char>(random());
      }
      Value loaded;
      std::string error;
      if (damaged.load(loaded, error)) continue;
      ++refused;
      REQUIRE(!error.empty());
      REQUIRE(loaded.is_none());
    }
  }
  CHECK(refused > 100);
}

}  // namespace
}  // namespace orbit::resp::testing
