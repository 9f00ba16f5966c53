// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Transactions with commands over whole databases: what these see of the transaction's own changes.
#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "redis_oracle.hpp"
#include "seed.hpp"
#include "test_node.hpp"

using orbit::resp::testing::RedisOracle;
using orbit::resp::testing::seed_of_this_run;
using orbit::test::Client;
using orbit::test::TestNode;

namespace {

using Words = std::vector<std::string>;

// The elements of a list's text.
std::vector<std::string> elements(const std::string& text) {
  std::vector<std::string> out;
  if (!text.starts_with('[') || text == "[]") return out;
  int depth = 0;
  std::string element;
  for (size_t i = 1; i + 1 < text.size(); ++i) {
    depth += text[i] == '[' ? 1 : text[i] == ']' ? -1 : 0;
    if (depth != 0 || text.compare(i, 2, ", ") != 0) {
      element += text[i];
      continue;
    }
    out.push_back(std::move(element));
    element.clear();
    ++i;
  }
  out.push_back(std::move(element));
  return out;
}

std::string sorted(const std::string& text) {
  std::vector<std::string> all = elements(text);
  std::sort(all.begin(), all.end());
  std::string out;
  for (const std::string& one : all) out += one + ' ';
  return out;
}

// A reply in one form for all that mean the same.
std::string canonical(const Words& command, const std::string& reply) {
  if (reply.starts_with('-') || reply.starts_with('+')) return reply;
  if (command[0] == "KEYS") return sorted(reply);
  if (command[0] == "SCAN") return elements(reply).at(0) + ' ' + sorted(elements(reply).at(1));
  // How many keys of a database expire is not told.
  if (command[0] == "INFO") return std::regex_replace(reply, std::regex(",expires=[0-9]+,avg_ttl=[0-9]+"), "");
  return reply;
}

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}

  size_t below(size_t bound) { return random_() % bound; }
  std::string database() { return std::to_string(below(3)); }

  // RANDOMKEY comes behind a KEYS that tells what it may answer.
  void add(std::vector<Words>& out) {
    if (below(12) != 0) return out.push_back(one());
    out.push_back({"KEYS", "*"});
    out.push_back({"RANDOMKEY"});
  }
  Words on_keys() {
    switch (below(18)) {
      case 0: return {"DEL", key(), key()};
      case 1: return {"RENAME", key(), key()};
      case 2: return {"MOVE", key(), database()};
      case 3: return {"COPY", key(), key(), "DB", database(), "REPLACE"};
      case 4: return {"EXPIRE", key(), below(2) == 0 ? "-1" : "1000"};
      case 5: return {"PERSIST", key()};
      case 6: return {"TYPE", key()};
      case 7: return {"EXISTS", key(), key(), key()};
      case 8: return {"LPOP", list()};
      case 9: return {"HSET", "h" + number(), "f", number()};
      case 10: return {"GET", string()};
      case 11: return {"LRANGE", list(), "0", "-1"};
      case 12: return {"SETNX", string(), number()};
      case 13: return {"INCR", string()};
      case 14:
      case 15: return {"RPUSH", list(), number(), number(), number()};
      default: return {"SET", string(), number()};
    }
  }

 private:
  std::string number() { return std::to_string(below(5)); }
  std::string string() { return "s" + number(); }
  std::string list() { return "l" + number(); }
  std::string key() { return std::string(1, "slh"[below(3)]) + number(); }

  Words one() {
    switch (below(24)) {
      case 0:
      case 1: return {"DBSIZE"};
      case 2: return {"KEYS", "*"};
      case 3: return {"KEYS", std::string(1, "slh"[below(3)]) + "*"};
      case 4: return {"SCAN", "0", "COUNT", "1000"};
      case 5: return {"SCAN", "0", "COUNT", "1000", "MATCH", "s*"};
      case 6: return {"SCAN", "0", "COUNT", "1000", "TYPE", below(2) == 0 ? "list" : "string"};
      case 7: return {"INFO", "keyspace"};
      case 8: return {"SORT", list(), "BY", "s*", "GET", "#", "GET", "h*->f"};
      case 9: return {"SORT", list(), "BY", "nothing*", "GET", "s*", "STORE", key()};
      case 10: return {"SORT", list(), "BY", "h*->f", "DESC", "GET", "l*", "GET", "s*", "STORE", list()};
      case 11: return {"SORT_RO", key(), "BY", "s*", "LIMIT", "0", "2"};
      case 12: return {"SORT", list(), "BY", "s*", "STORE"};
      case 13: return {"SELECT", database()};
      case 14: return {"SWAPDB", database(), database()};
      case 15: return below(3) == 0 ? Words{"FLUSHALL"} : Words{"FLUSHDB"};
      default: return on_keys();
    }
  }

  std::mt19937_64 random_;
};

std::string text_of(const std::vector<Words>& commands) {
  std::string out;
  for (const Words& command : commands) {
    for (const std::string& word : command) out += word + ' ';
    out += "| ";
  }
  return out;
}

}  // namespace

TEST_CASE("random transactions over whole databases are answered as by redis-server, and leave the same keys") {
  const uint64_t seed = seed_of_this_run();
  CAPTURE(seed);
  Generator generator(seed);
  RedisOracle redis(2);
  Client theirs(redis.port());
  for (const char* config : {"", "durability = \"sync\"\nkey_idle_timeout_ms = 1", "durability = \"none\""}) {
    TestNode node(config, 1 + static_cast<int>(generator.below(3)));
    Client ours(node);
    const auto both = [&](const Words& command) {
      CAPTURE(text_of({command}));
      const std::string reply = theirs(command);
      CHECK(canonical(command, ours(command)) == canonical(command, reply));
    };
    both({"FLUSHALL"});
    both({"SELECT", "0"});
    for (int round = 0; round < 150; ++round) {
      std::vector<Words> commands;
      for (size_t left = generator.below(6); left > 0; --left) both(generator.on_keys());
      for (size_t left = 1 + generator.below(12); left > 0; --left) generator.add(commands);
      CAPTURE(round);
      CAPTURE(text_of(commands));
      both({"MULTI"});
      for (const Words& command : commands) both(command);
      const std::vector<std::string> mine = elements(ours({"EXEC"}));
      const std::vector<std::string> his = elements(theirs({"EXEC"}));
      REQUIRE(mine.size() == commands.size());
      REQUIRE(his.size() == commands.size());
      for (size_t i = 0; i < commands.size(); ++i) {
        CAPTURE(i);
        if (commands[i][0] != "RANDOMKEY") {
          REQUIRE(canonical(commands[i], mine[i]) == canonical(commands[i], his[i]));
          continue;
        }
        const std::vector<std::string> keys = elements(mine[i - 1]);
        REQUIRE((keys.empty() ? mine[i] == "nil" : std::ranges::find(keys, mine[i]) != keys.end()));
      }
      if (round % 10 != 0) continue;
      for (const char* database : {"0", "1", "2"}) {
        both({"SELECT", database});
        both({"DBSIZE"});
        both({"KEYS", "*"});
      }
    }
  }
}

TEST_CASE("a walk in transactions that add and remove keys tells no key twice, and each that was there") {
  for (const Words& lister : {Words{"SCAN"}, Words{"ACTOR.LIST", "redis.db0"}}) {
    CAPTURE(lister[0]);
    TestNode node("", 2);
    Client client(node);
    std::set<std::string> stay;
    for (int i = 0; i < 200; ++i) {
      CHECK(client({"SET", "stays" + std::to_string(i), "v"}) == "+OK");
      CHECK(client({"SET", "leaves" + std::to_string(i), "v"}) == "+OK");
      stay.insert("$stays" + std::to_string(i));
    }
    std::set<std::string> seen;
    std::string cursor = "0";
    int page = 0;
    do {
      REQUIRE(page < 1000);
      const std::string number = std::to_string(page++ % 200);
      client({"MULTI"});
      client({"SET", "comes" + number, "v"});
      client({"DEL", "leaves" + number});
      client({"SET", "stays" + number, "w"});
      Words list = lister;
      list.insert(list.end(), {cursor, "COUNT", "3"});
      client(list);
      const std::string reply = elements(client({"EXEC"})).at(3);
      cursor = elements(reply).at(0).substr(1);
      for (const std::string& key : elements(elements(reply).at(1))) {
        CHECK_MESSAGE(seen.insert(key).second, "twice: " << key);
        CHECK(key != "$leaves" + number);
        stay.erase(key);
      }
    } while (cursor != "0");
    CHECK(page > 20);
    CHECK(stay.empty());
  }
}

TEST_CASE("a transaction of very many commands over whole databases answers each") {
  constexpr int kMany = 10'000;
  TestNode node("", 2);
  Client client(node);
  client({"SET", "before", "v"});
  for (const bool erase : {false, true}) {
    client.send({"MULTI"});
    if (erase) client.send({"FLUSHDB"});
    for (int i = 0; i < kMany; ++i) client.send(i % 2 == 0 ? Words{"KEYS", "before"} : Words{"SORT", "l", "BY", "x*"});
    client.send({"EXEC"});
    CHECK(client.read() == "+OK");
    for (int i = 0; i < kMany + (erase ? 1 : 0); ++i) REQUIRE(client.read() == "+QUEUED");
    const std::vector<std::string> replies = elements(client.read());
    REQUIRE(replies.size() == kMany + (erase ? 1 : 0));
    CHECK(replies[replies.size() - 2] == (erase ? "[]" : "[$before]"));
  }
}

TEST_CASE("an actor that a transaction calls has its change stored while the transaction holds its keys") {
  for (const int workers : {1, 2}) {
    TestNode node("[[module]]\npath = \"" ORBIT_BANK_MODULE "\"", workers);
    Client client(node);
    client({"SET", "k", "before"});
    client({"MULTI"});
    client({"SET", "k", "changed"});
    for (int account = 0; account < 8; ++account)
      client({"ACTOR.CALL", "bank.Account", std::to_string(account), "Deposit", R"({"cents": 5})"});
    client({"ACTOR.LIST", "bank.Account", "COUNT", "100"});
    client({"SET", "l", "new"});
    client({"ACTOR.LIST", "redis.db0", "COUNT", "100"});
    client({"GET", "k"});
    const std::vector<std::string> replies = elements(client({"EXEC"}));
    REQUIRE(replies.size() == 13);
    for (int account = 0; account < 8; ++account)
      CHECK_MESSAGE(replies[1 + account].find("\"cents\":\"5\"") != std::string::npos, replies[1 + account]);
    CHECK(elements(elements(replies[9]).at(1)).size() == 8);
    CHECK(sorted(elements(replies[11]).at(1)) == "$k $l ");
    CHECK(replies[12] == "$changed");
  }
}
