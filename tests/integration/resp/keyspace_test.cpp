// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>

#include <set>
#include <sstream>
#include <string>

#include "test_node.hpp"

using orbit::test::Client;
using orbit::test::TestNode;

namespace {

// Walks a SCAN to its end; the keys, and that the cursor came back to 0 in time.
std::multiset<std::string> scan_all(Client& client, const std::vector<std::string>& options) {
  std::multiset<std::string> out;
  std::string cursor = "0";
  for (int rounds = 0; rounds < 10'000; ++rounds) {
    std::vector<std::string> command = {"SCAN", cursor};
    command.insert(command.end(), options.begin(), options.end());
    const std::string reply = client(command);  // [$cursor, [$a, $b]]
    const size_t comma = reply.find(", [");
    REQUIRE(comma != std::string::npos);
    cursor = reply.substr(2, comma - 2);
    std::istringstream keys(reply.substr(comma + 3, reply.size() - comma - 5));
    for (std::string key; keys >> key;) {
      if (key.ends_with(',')) key.pop_back();
      out.insert(key.substr(1));
    }
    if (cursor == "0") return out;
  }
  FAIL("SCAN does not end");
  return out;
}

}  // namespace

TEST_CASE("SCAN visits every key exactly once while nothing changes, and filters by pattern and type") {
  TestNode node;
  Client client(node);
  for (int i = 0; i < 500; ++i) CHECK(client({"SET", "s" + std::to_string(i), "v"}) == "+OK");
  for (int i = 0; i < 100; ++i) CHECK(client({"RPUSH", "l" + std::to_string(i), "v"}) == ":1");
  const auto all = scan_all(client, {"COUNT", "37"});
  CHECK(all.size() == 600);
  CHECK(std::set<std::string>(all.begin(), all.end()).size() == 600);
  CHECK(scan_all(client, {"MATCH", "s1*", "COUNT", "100"}).size() == 111);
  CHECK(scan_all(client, {"TYPE", "list", "COUNT", "50"}).size() == 100);
  CHECK(scan_all(client, {"TYPE", "hash", "COUNT", "5000"}).empty());
  CHECK(client({"SCAN", "x"}) == "-ERR invalid cursor");
  CHECK(client({"SCAN", "0", "COUNT", "0"}) == "-ERR syntax error");
}

TEST_CASE("DBSIZE, KEYS and RANDOMKEY know the keys; FLUSHDB and FLUSHALL forget them") {
  TestNode node;
  Client client(node);
  CHECK(client({"RANDOMKEY"}) == "nil");
  CHECK(client({"MSET", "a", "1", "b", "2", "c", "3"}) == "+OK");
  CHECK(client({"DBSIZE"}) == ":3");
  CHECK(client({"DEL", "c"}) == ":1");
  CHECK(client({"DBSIZE"}) == ":2");
  const std::string random = client({"RANDOMKEY"});
  CHECK((random == "$a" || random == "$b"));
  CHECK(client({"KEYS", "[a]*"}) == "[$a]");
  CHECK(client({"SELECT", "5"}) == "+OK");
  CHECK(client({"SET", "other", "1"}) == "+OK");
  CHECK(client({"GET", "a"}) == "nil");
  CHECK(client({"INFO", "keyspace"}) ==
        "$# Keyspace\r\ndb0:keys=2\r\ndb5:keys=1\r\n");
  CHECK(client({"MOVE", "other", "0"}) == ":1");
  CHECK(client({"DBSIZE"}) == ":0");
  CHECK(client({"SET", "other", "2"}) == "+OK");
  CHECK(client({"MOVE", "other", "0"}) == ":0");
  CHECK(client({"FLUSHDB"}) == "+OK");
  CHECK(client({"SELECT", "0"}) == "+OK");
  CHECK(client({"DBSIZE"}) == ":3");
  CHECK(client({"FLUSHALL", "ASYNC"}) == "+OK");
  CHECK(client({"DBSIZE"}) == ":0");
  CHECK(client({"GET", "a"}) == "nil");
}

TEST_CASE("commands over several keys see and change all of them, also the same key twice") {
  TestNode node;
  Client client(node);
  CHECK(client({"MSET", "a", "1", "b", "2", "a", "3"}) == "+OK");
  CHECK(client({"MGET", "a", "b", "a", "none"}) == "[$3, $2, $3, nil]");
  CHECK(client({"MGET", "a", "a"}) == "[$3, $3]");
  CHECK(client({"EXISTS", "b", "b", "b"}) == ":3");
  CHECK(client({"RENAME", "a", "c"}) == "+OK");
  CHECK(client({"EXISTS", "a", "c", "c"}) == ":2");
  CHECK(client({"DEL", "a", "b", "c", "c"}) == ":2");
  CHECK(client({"MSET", "d", "1", "d", "2"}) == "+OK");
  CHECK(client({"GET", "d"}) == "$2");
  CHECK(client({"DEL", "d", "d"}) == ":1");
  CHECK(client({"SADD", "s1", "x", "y"}) == ":2");
  CHECK(client({"SADD", "s2", "y", "z"}) == ":2");
  CHECK(client({"SINTERSTORE", "s3", "s1", "s2"}) == ":1");
  CHECK(client({"SMEMBERS", "s3"}) == "[$y]");
  CHECK(client({"MSETNX", "n", "1", "s1", "2"}) == ":0");
  CHECK(client({"GET", "n"}) == "nil");
}

TEST_CASE("too many keys in one command are refused with the bound's name") {
  TestNode node("command_keys_max = 10");
  Client client(node);
  std::vector<std::string> command = {"MGET"};
  for (int i = 0; i < 11; ++i) command.push_back("k" + std::to_string(i));
  CHECK(client(command) == "-ERR 11 keys in one command; the bound is command_keys_max = 10");
}

TEST_CASE("keys survive a stop and a start, with their types and expiry") {
  TestNode node("", 2, "rocksdb");
  {
    Client client(node);
    CHECK(client({"SET", "string", "value"}) == "+OK");
    CHECK(client({"RPUSH", "list", "a", "b", "c"}) == ":3");
    CHECK(client({"HSET", "hash", "f", "v"}) == ":1");
    CHECK(client({"ZADD", "zset", "1", "a", "2", "b"}) == ":2");
    CHECK(client({"SADD", "set", "a"}) == ":1");
    CHECK(client({"SET", "mortal", "x", "EX", "1000"}) == "+OK");
    CHECK(client({"MSET", "m1", "1", "m2", "2"}) == "+OK");
  }
  CHECK(node.stop() == 0);
  node.start();
  Client client(node);
  CHECK(client({"GET", "string"}) == "$value");
  CHECK(client({"LRANGE", "list", "0", "-1"}) == "[$a, $b, $c]");
  CHECK(client({"HGETALL", "hash"}) == "[$f, $v]");
  CHECK(client({"ZRANGE", "zset", "0", "-1", "WITHSCORES"}) == "[$a, $1, $b, $2]");
  CHECK(client({"SMEMBERS", "set"}) == "[$a]");
  CHECK(client({"MGET", "m1", "m2"}) == "[$1, $2]");
  const int ttl_s = std::stoi(client({"TTL", "mortal"}).substr(1));
  CHECK(ttl_s > 900);
  CHECK(ttl_s <= 1000);
}

TEST_CASE("what was acknowledged with sync durability survives SIGKILL") {
  TestNode node("durability = \"sync\"", 2, "rocksdb");
  constexpr int kCount = 200;
  {
    Client client(node);
    for (int i = 0; i < kCount; ++i) client.send({"SET", "k" + std::to_string(i), std::to_string(i)});
    client.send({"MSET", "x", "1", "y", "2"});
    for (int i = 0; i <= kCount; ++i) CHECK(client.read() == "+OK");
  }
  node.kill();
  node.start();
  Client client(node);
  for (int i = 0; i < kCount; ++i) CHECK(client({"GET", "k" + std::to_string(i)}) == "$" + std::to_string(i));
  CHECK(client({"MGET", "x", "y"}) == "[$1, $2]");
}

TEST_CASE("SAVE writes what is in memory to storage, so that even without durability it survives SIGKILL") {
  TestNode node("durability = \"none\"", 2, "rocksdb");
  CHECK(Client(node)({"SET", "k", "v"}) == "+OK");
  CHECK(Client(node)({"SAVE"}) == "+OK");
  node.kill();
  node.start();
  CHECK(Client(node)({"GET", "k"}) == "$v");
}

TEST_CASE("actors of other kinds are listed, and only those that exist") {
  TestNode node;
  Client client(node);
  CHECK(client({"SET", "k", "v"}) == "+OK");
  CHECK(client({"ACTOR.TYPES"}).find("redis.db15") != std::string::npos);
  CHECK(client({"ACTOR.LIST", "redis.db0"}) == "[$0, [$k]]");
  CHECK(client({"ACTOR.LIST", "no.such.Type"}) == "-ERR NOT_FOUND: no actor type 'no.such.Type'");
  CHECK(client({"ACTOR.CALL", "no.such.Type", "k", "Get"}).starts_with("-ERR NOT_FOUND"));
}

TEST_CASE("actors of a loaded module are called, told by type, and listed page by page") {
  TestNode node("[[module]]\npath = \"" ORBIT_COUNTER_MODULE "\"");
  Client client(node);
  CHECK(client({"ACTOR.TYPES"}).find("counter.Counter") != std::string::npos);
  std::set<std::string> made;
  for (int i = 0; i < 25; ++i) {
    const std::string key = "c" + std::to_string(i);
    CHECK(client({"ACTOR.CALL", "counter.Counter", key, "Add", R"({"by": 2})"}).find("\"2\"") != std::string::npos);
    made.insert("$" + key);
  }
  std::set<std::string> listed;
  std::string cursor = "0";
  int pages = 0;
  do {
    const std::string page = client({"ACTOR.LIST", "counter.Counter", cursor, "COUNT", "10"});
    REQUIRE(page.starts_with("[$"));
    const size_t keys = page.find(", [");
    REQUIRE(keys != std::string::npos);
    cursor = page.substr(2, keys - 2);
    for (size_t at = keys + 3; at < page.size() - 2;) {
      const size_t end = page.find_first_of(",]", at);
      CHECK_MESSAGE(listed.insert(page.substr(at, end - at)).second, "twice: " << page);
      at = end + 2;
    }
    REQUIRE(++pages <= 25);
  } while (cursor != "0");
  CHECK(pages >= 3);
  CHECK(listed == made);
}
