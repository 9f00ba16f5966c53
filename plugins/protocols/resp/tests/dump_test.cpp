// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Values move between this engine and redis-server 7.0 as DUMP says them.
#include "dump.hpp"

#include <doctest/doctest.h>

#include <random>

#include "keyspace.hpp"
#include "node_reply.hpp"
#include "redis_oracle.hpp"
#include "seed.hpp"

namespace orbit::resp::testing {
namespace {

// The bytes of a bulk reply.
std::string bulk(const std::string& reply) {
  REQUIRE(reply.starts_with("$"));
  REQUIRE_FALSE(reply.starts_with("$-1"));
  const size_t body = reply.find("\r\n") + 2;
  return reply.substr(body, reply.size() - body - 2);
}

// Commands that make a value of every type, small and large, and with every form that numbers and long strings take.
std::vector<Words> makings() {
  std::vector<Words> out = {
      {"SET", "k", ""},
      {"SET", "k", "hello"},
      {"SET", "k", "-128"},
      {"SET", "k", "128"},
      {"SET", "k", "-32769"},
      {"SET", "k", "2147483647"},
      {"SET", "k", "2147483648"},
      {"SET", "k", "007"},
      {"SET", "k", std::string(63, 'a')},
      {"SET", "k", std::string(64, 'b')},
      {"SET", "k", std::string(20'000, 'c')},
      {"SET", "k", std::string("\0\xff\r\n", 4)},
      {"SADD", "k", "1", "2", "-3", "70000"},
      {"SADD", "k", "1", "5000000000"},
      {"SADD", "k", "a", "b", "1"},
      {"HSET", "k", "f", "v", "n", "12345678901", "", "empty"},
      {"HSET", "k", "long", std::string(100, 'x'), "more", "y"},
      {"ZADD", "k", "1", "a", "-2.5", "b", "inf", "c", "-inf", "d", "3", "4"},
      {"ZADD", "k", "0.1", std::string(80, 'm')},
      {"RPUSH", "k", "a", "1", "-1", "300", "-70000", "9000000", "3000000000", "-9223372036854775808", "", "text"},
      {"RPUSH", "k", std::string(70, 'q'), std::string(5000, 'r'), std::string(20'000, 's')},
  };
  Words many_fields{"HSET", "k"};
  Words many_members{"SADD", "k"};
  Words many_numbers{"SADD", "k"};
  Words many_scores{"ZADD", "k"};
  Words many_elements{"RPUSH", "k"};
  for (int i = 0; i < 3000; ++i) {
    const std::string text = std::to_string(i * 37);
    many_fields.insert(many_fields.end(), {"field" + text, text});
    many_members.push_back("member" + text);
    many_numbers.push_back(text);
    many_scores.insert(many_scores.end(), {text + ".5", "m" + text});
    many_elements.push_back(i % 2 == 0 ? text : "element" + text);
  }
  for (const auto& words : {many_fields, many_members, many_numbers, many_scores, many_elements}) out.push_back(words);
  return out;
}

// What the key holds, told by commands whose order is the value's or none at all.
std::vector<std::pair<Words, Order>> questions() {
  return {{{"TYPE", "k"}, Order::exact},
          {{"GET", "k"}, Order::exact},
          {{"SMEMBERS", "k"}, Order::any_elements},
          {{"HGETALL", "k"}, Order::any_pairs},
          {{"ZRANGE", "k", "0", "-1", "WITHSCORES"}, Order::exact},
          {{"LRANGE", "k", "0", "-1"}, Order::exact}};
}

void check_same(Keyspace& ours, RedisOracle& oracle) {
  for (const auto& [question, order] : questions()) {
    CAPTURE(question[0]);
    CHECK(canonical(ours.run(question), order) == canonical(oracle.run(question), order));
  }
}

TEST_CASE("redis-server restores what is dumped here") {
  RedisOracle oracle(2);
  for (const Words& making : makings()) {
    CAPTURE(making[0]);
    CAPTURE(making.size());
    Keyspace ours;
    ours.run(making);
    const std::string payload = bulk(ours.run("DUMP k"));
    REQUIRE(oracle.run({"RESTORE", "k", "0", payload, "REPLACE"}) == "+OK\r\n");
    check_same(ours, oracle);
  }
}

TEST_CASE("what redis-server dumps is restored here") {
  RedisOracle oracle(2);
  for (const bool compressed : {true, false}) {
    for (const bool packed : {true, false}) {
      oracle.run({"CONFIG", "SET", "rdbcompression", compressed ? "yes" : "no"});
      for (const char* name : {"hash-max-listpack-entries", "zset-max-listpack-entries", "set-max-intset-entries"}) {
        oracle.run({"CONFIG", "SET", name, packed ? "5000" : "0"});
      }
      for (const Words& making : makings()) {
        CAPTURE(compressed);
        CAPTURE(packed);
        CAPTURE(making[0]);
        CAPTURE(making.size());
        oracle.run({"DEL", "k"});
        oracle.run(making);
        Keyspace ours;
        REQUIRE(ours.run({"RESTORE", "k", "0", bulk(oracle.run({"DUMP", "k"}))}) == "+OK\r\n");
        check_same(ours, oracle);
      }
    }
  }
}

TEST_CASE("the forms of older servers are read") {
  const auto restored = [](std::string object, const Words& question) {
    object += std::string("\x0a\x00", 2);
    const uint64_t sum = dump_checksum(object);
    for (int i = 0; i < 8; ++i) object.push_back(static_cast<char>(sum >> (8 * i)));
    Keyspace keys;
    REQUIRE(keys.run({"RESTORE", "k", "0", object}) == "+OK\r\n");
    return keys.run(question);
  };
  using namespace std::string_literals;
  // Scores as text, and the three lengths that are none.
  CHECK(restored("\x03\x02\x01""a\x03""1.5\x01""b\xfe"s, {"ZRANGE", "k", "0", "-1", "WITHSCORES"}) ==
        "*4\r\n$1\r\na\r\n$3\r\n1.5\r\n$1\r\nb\r\n$3\r\ninf\r\n");
  // A zipmap: one field, one unused byte behind its value.
  CHECK(restored("\x09\x09\x01\x01""f\x02\x01""vw?\xff"s, {"HGETALL", "k"}) == "*2\r\n$1\r\nf\r\n$2\r\nvw\r\n");
  // Ziplists: as a list, of hash fields, of scores, and in a list of them. "ab" and the number 300.
  const std::string ziplist = "\x13\x00\x00\x00\x0e\x00\x00\x00\x02\x00\x00\x02""ab\x04\xc0\x2c\x01\xff"s;
  const std::string blob = std::string(1, static_cast<char>(ziplist.size())) + ziplist;
  CHECK(restored("\x0a" + blob, {"LRANGE", "k", "0", "-1"}) == "*2\r\n$2\r\nab\r\n$3\r\n300\r\n");
  CHECK(restored("\x0c" + blob, {"ZSCORE", "k", "ab"}) == "$3\r\n300\r\n");
  CHECK(restored("\x0d" + blob, {"HGET", "k", "ab"}) == "$3\r\n300\r\n");
  CHECK(restored("\x0e\x02" + blob + blob, {"LLEN", "k"}) == ":4\r\n");
}

TEST_CASE("RESTORE keeps expiry, replaces only when told, and refuses what is damaged") {
  Keyspace keys;
  keys.run("RPUSH l a b");
  const std::string payload = bulk(keys.run("DUMP l"));
  CHECK(keys.run({"RESTORE", "l", "0", payload}) == "-BUSYKEY Target key name already exists.\r\n");
  CHECK(keys.run({"RESTORE", "l", "-1", payload, "REPLACE"}) == "-ERR Invalid TTL value, must be >= 0\r\n");
  CHECK(keys.run({"RESTORE", "new", "5000", payload}) == "+OK\r\n");
  CHECK(keys.run("PTTL new") == ":5000\r\n");
  CHECK(keys.run({"RESTORE", "new", "1", payload, "ABSTTL", "REPLACE"}) == "+OK\r\n");
  CHECK(keys.run("EXISTS new") == ":0\r\n");
  CHECK(keys.run("DUMP new") == "$-1\r\n");
  for (size_t i = 0; i < payload.size(); ++i) {
    CAPTURE(i);
    std::string damaged = payload;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    CHECK(keys.run({"RESTORE", "bad", "0", damaged}) == "-ERR DUMP payload version or checksum are wrong\r\n");
    CHECK(keys.run({"RESTORE", "bad", "0", payload.substr(0, i)}) ==
          "-ERR DUMP payload version or checksum are wrong\r\n");
  }
}

TEST_CASE("a damaged object is refused, or is a value that dumps and restores alike") {
  const uint64_t seed = seed_of_this_run();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  Keyspace keys;
  size_t refused = 0;
  for (const Words& making : makings()) {
    keys.run("DEL k");
    keys.run(making);
    std::string object = dump_value(keys.value("k"));
    object.resize(object.size() - kDumpFooterBytes);
    if (object.size() > 4000) continue;
    for (int round = 0; round < 200; ++round) {
      std::string damaged = object;
      if (round % 3 == 0) {
        damaged.resize(random() % damaged.size());
      } else {
        damaged[random() % damaged.size()] = static_cast<char>(random());
      }
      Value value;
      if (!restore_value(damaged, value)) {
        CHECK(value.is_none());
        ++refused;
        continue;
      }
      std::string again = dump_value(value);
      Value second;
      CHECK(restore_value(again.substr(0, again.size() - kDumpFooterBytes), second));
      CHECK(dump_value(second) == again);
    }
  }
  CHECK(refused > 500);
}

TEST_CASE("the checksum is that of the RDB format") { CHECK(dump_checksum("123456789") == 0xe9c6d914c4b8d9caull); }

}  // namespace
}  // namespace orbit::resp::testing
