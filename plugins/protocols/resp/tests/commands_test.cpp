// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What the comparison with redis-server cannot show: time, chance, encodings, `changed`.
#include <doctest/doctest.h>

#include <map>
#include <set>

#include "keyspace.hpp"

namespace orbit::resp::testing {
namespace {

TEST_CASE("a key is gone when its time has come") {
  Keyspace keys;
  keys.run("SET k v PX 100");
  CHECK(keys.run("PTTL k") == ":100\r\n");
  CHECK(keys.run("TTL k") == ":0\r\n");
  keys.now_ms += 99;
  CHECK(keys.run("GET k") == "$1\r\nv\r\n");
  keys.now_ms += 1;
  CHECK(keys.run("GET k") == "$-1\r\n");
  CHECK(keys.run("TTL k") == ":-2\r\n");
  keys.run("SETEX k 10 v");
  keys.run("SET k w KEEPTTL");
  CHECK(keys.run("TTL k") == ":10\r\n");
  keys.run("SET k w");
  CHECK(keys.run("TTL k") == ":-1\r\n");
  CHECK(keys.run("EXPIRE k 100 GT") == ":0\r\n");
  CHECK(keys.run("EXPIRE k 100 LT") == ":1\r\n");
  CHECK(keys.run("EXPIRE k 50 NX") == ":0\r\n");
  CHECK(keys.run("EXPIRE k 0") == ":1\r\n");
  CHECK(keys.run("EXISTS k") == ":0\r\n");
}

TEST_CASE("an expiry stays with the value that is renamed or copied") {
  Keyspace keys;
  keys.run("SET k v PX 5000");
  keys.run("COPY k c");
  keys.run("RENAME k r");
  CHECK(keys.run("PTTL c") == ":5000\r\n");
  CHECK(keys.run("PTTL r") == ":5000\r\n");
  CHECK(keys.run("PTTL k") == ":-2\r\n");
}

TEST_CASE("an empty range of bits is 0 before its unit is looked at") {
  Keyspace keys;
  keys.run("SET k v");
  CHECK(keys.run("BITCOUNT k -3 -10 FOO") == ":0\r\n");
  CHECK(keys.run("BITCOUNT k -10 -3 FOO") == "-ERR syntax error\r\n");
}

TEST_CASE("SORT takes blanks before a number, but not blanks alone") {
  Keyspace keys;
  keys.run({"RPUSH", "k", " 10", "", "9"});
  CHECK(keys.run("SORT k") == "*3\r\n$0\r\n\r\n$1\r\n9\r\n$3\r\n 10\r\n");
  keys.run({"RPUSH", "k", " "});
  CHECK(keys.run("SORT k") == "-ERR One or more scores can't be converted into double\r\n");
}

TEST_CASE("only commands that changed something say so") {
  Keyspace keys;
  const auto changes = [&](std::string_view line) {
    keys.run(line);
    return !keys.changed().empty();
  };
  CHECK(changes("SADD s a"));
  CHECK(!changes("SADD s a"));
  CHECK(!changes("SREM s b"));
  CHECK(!changes("SPOP s 0"));
  CHECK(changes("ZADD z 1 a"));
  CHECK(!changes("ZADD z 1 a"));
  CHECK(!changes("ZADD z NX 2 a"));
  CHECK(!changes("ZADD z GT 0 a"));
  CHECK(changes("ZADD z GT 3 a"));
  CHECK(changes("RPUSH l a"));
  CHECK(!changes("LTRIM l 0 -1"));
  CHECK(!changes("LREM l 0 b"));
  CHECK(!changes("LPUSH s a"));
  CHECK(!changes("PERSIST l"));
  CHECK(!changes("DEL none"));
  CHECK(!changes("GETDEL none"));
  CHECK(!changes("SET l x NX"));
  CHECK(!changes("SETRANGE l 0 x"));
  CHECK(!changes("RENAME l l"));
  CHECK(!changes("EXPIRE none 5"));
  CHECK(changes("EXPIRE l 5"));
  CHECK(!changes("SINTERSTORE none s none"));
  CHECK(changes("HSET h f v"));
  CHECK(!changes("HSETNX h f w"));
  CHECK(!changes("HDEL h g"));
  CHECK(changes("LPOP l"));
}

TEST_CASE("a failed change of a key that does not exist makes none") {
  Keyspace keys;
  for (const char* line : {"INCRBY k foo", "SETRANGE k -1 x", "HINCRBY k f foo", "ZADD k foo m", "ZADD k XX 1 m",
                           "LPUSHX k v", "HSET k f", "SETBIT k 0 2", "LINSERT k BEFORE a b"}) {
    CAPTURE(line);
    keys.run(line);
    CHECK(keys.run("TYPE k") == "+none\r\n");
    CHECK(!keys.value("k").dirty());
  }
}

TEST_CASE("random members are members, different where they must be, and all have their chance") {
  Keyspace keys;
  for (int i = 0; i < 20; ++i) keys.run({"SADD", "s", std::to_string(i)});
  std::map<std::string, int> seen;
  for (int i = 0; i < 2000; ++i) ++seen[keys.run("SRANDMEMBER s")];
  CHECK(seen.size() == 20);
  for (const auto& [reply, times] : seen) CHECK(times > 30);
  for (int i = 0; i < 200; ++i) {
    const std::string reply = keys.run("SRANDMEMBER s 10");
    std::set<std::string> members;
    for (size_t at = reply.find('$'); at != std::string::npos; at = reply.find('$', at + 1)) {
      members.insert(reply.substr(at, reply.find('$', at + 1) - at));
    }
    REQUIRE(reply.starts_with("*10\r\n"));
    REQUIRE(members.size() == 10);
  }
  CHECK(keys.run("SRANDMEMBER s -50").starts_with("*50\r\n"));
  std::set<std::string> popped;
  for (int i = 0; i < 20; ++i) popped.insert(keys.run("SPOP s"));
  CHECK(popped.size() == 20);
  CHECK(keys.run("EXISTS s") == ":0\r\n");
}

TEST_CASE("encodings are told by Redis's names") {
  Keyspace keys;
  const auto encoding = [&](const char* key) { return keys.run({"OBJECT", "ENCODING", key}); };
  keys.run("SET n 12");
  keys.run("SET e abc");
  keys.run("APPEND e d");
  keys.run({"SET", "r", std::string(45, 'x')});
  keys.run("SADD i 1 2 3");
  keys.run("SADD t a");
  keys.run("HSET h f v");
  keys.run("ZADD z 1 m");
  CHECK(encoding("n") == "$3\r\nint\r\n");
  CHECK(encoding("e") == "$3\r\nraw\r\n");
  CHECK(encoding("r") == "$3\r\nraw\r\n");
  CHECK(encoding("i") == "$6\r\nintset\r\n");
  CHECK(encoding("t") == "$9\r\nhashtable\r\n");
  CHECK(encoding("h") == "$8\r\nlistpack\r\n");
  CHECK(encoding("z") == "$8\r\nlistpack\r\n");
  keys.run({"HSET", "h", "f", std::string(65, 'x')});
  for (int i = 0; i < 129; ++i) keys.run({"ZADD", "z", "1", std::to_string(i)});
  CHECK(encoding("h") == "$9\r\nhashtable\r\n");
  CHECK(encoding("z") == "$8\r\nskiplist\r\n");
  CHECK(encoding("none") == "$-1\r\n");
}

TEST_CASE("memory that is counted comes back when elements go") {
  Keyspace keys;
  for (int i = 0; i < 5000; ++i) {
    const std::string n = std::to_string(i);
    keys.run({"HSET", "h", "field" + n, std::string(40, 'x')});
    keys.run({"RPUSH", "l", std::string(40, 'x')});
    keys.run({"ZADD", "z", n, std::string(40, 'x') + n});
  }
  for (const char* key : {"h", "l", "z"}) CHECK(keys.value(key).memory_bytes() > 5000 * 40);
  keys.run("LTRIM l 0 0");
  CHECK(keys.value("l").memory_bytes() < 100'000);
  for (int i = 1; i < 5000; ++i) keys.run({"HDEL", "h", "field" + std::to_string(i)});
  CHECK(keys.value("h").memory_bytes() < 100'000);
  keys.run("DEL h l z");
  for (const char* key : {"h", "l", "z"}) CHECK(keys.value(key).memory_bytes() == 0);
}

TEST_CASE("a string does not grow beyond 512 MB") {
  Keyspace keys;
  CHECK(keys.run("SETRANGE k 536870912 x") == "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n");
  CHECK(keys.run("SETBIT k 4294967296 1") == "-ERR bit offset is not an integer or out of range\r\n");
  CHECK(keys.run("EXISTS k") == ":0\r\n");
}

TEST_CASE("BY and GET of SORT find strings and fields of hashes by the element's name") {
  Keyspace keys;
  keys.run("RPUSH l 2 1 3");
  keys.run("MSET w1 30 w2 10 w3 20 o1 one o2 two");
  keys.run("HSET h1 f x");
  CHECK(keys.run("SORT l BY w*") == "*3\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n1\r\n");
  CHECK(keys.run("SORT l BY w* GET o* LIMIT 0 2") == "*2\r\n$3\r\ntwo\r\n$-1\r\n");
  CHECK(keys.run("SORT l GET # GET h*->f LIMIT 0 1") == "*2\r\n$1\r\n1\r\n$1\r\nx\r\n");
  CHECK(keys.run("SORT l BY w* GET o* STORE out") == ":3\r\n");
  CHECK(keys.run("LRANGE out 0 -1") == "*3\r\n$3\r\ntwo\r\n$0\r\n\r\n$3\r\none\r\n");
}

TEST_CASE("a blocking command takes what is there at once, and says null when there is nothing") {
  Keyspace keys;
  keys.run("RPUSH l a b c d");
  keys.run("ZADD z 1 x 2 y");
  CHECK(keys.run("BLPOP none l 0") == "*2\r\n$1\r\nl\r\n$1\r\na\r\n");
  CHECK(keys.run("BRPOP l 0.5") == "*2\r\n$1\r\nl\r\n$1\r\nd\r\n");
  CHECK(keys.run("BLMOVE l m LEFT RIGHT 0") == "$1\r\nb\r\n");
  CHECK(keys.run("BRPOPLPUSH l m 0") == "$1\r\nc\r\n");
  CHECK(keys.run("BLMPOP 0 2 l m LEFT COUNT 5") == "*2\r\n$1\r\nm\r\n*2\r\n$1\r\nc\r\n$1\r\nb\r\n");
  CHECK(keys.run("BZPOPMIN z 0") == "*3\r\n$1\r\nz\r\n$1\r\nx\r\n$1\r\n1\r\n");
  CHECK(keys.run("BZMPOP 0 1 z MAX") == "*2\r\n$1\r\nz\r\n*1\r\n*2\r\n$1\r\ny\r\n$1\r\n2\r\n");
  CHECK(keys.run("BLPOP l m 0") == "*-1\r\n");
  CHECK(keys.run("BZPOPMAX z 0") == "*-1\r\n");
  CHECK(keys.run("BLMOVE l m LEFT RIGHT 0") == "$-1\r\n");
  CHECK(keys.run("BLPOP l x") == "-ERR timeout is not a float or out of range\r\n");
  CHECK(keys.run("BLPOP l -1") == "-ERR timeout is negative\r\n");
  CHECK(keys.run("BLMPOP -1 1 l LEFT") == "-ERR timeout is negative\r\n");
}

}  // namespace
}  // namespace orbit::resp::testing
