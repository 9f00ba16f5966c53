// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The same conversation with a node and with redis-server 7.0; every reply must be the same.
#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "redis_oracle.hpp"
#include "test_node.hpp"

using orbit::resp::testing::RedisOracle;
using orbit::test::Client;
using orbit::test::TestNode;

namespace {

std::vector<std::string> split(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> out;
  for (std::string word; in >> word;) out.push_back(word);
  return out;
}

// Lines "name: COMMAND ...", one connection per name. "name< n" reads n more replies.
void same_conversation(const std::vector<std::string>& lines) {
  TestNode node;
  RedisOracle redis(2);
  std::map<std::string, std::pair<std::unique_ptr<Client>, std::unique_ptr<Client>>> clients;
  for (const std::string& line : lines) {
    CAPTURE(line);
    const size_t colon = line.find_first_of(":<");
    auto& [ours, theirs] = clients[line.substr(0, colon)];
    if (ours == nullptr) {
      ours = std::make_unique<Client>(node);
      theirs = std::make_unique<Client>(redis.port());
    }
    if (line[colon] == '<') {
      for (int left = std::stoi(line.substr(colon + 1)); left > 0; --left) CHECK(ours->read() == theirs->read());
      continue;
    }
    const auto command = split(line.substr(colon + 1));
    CHECK((*ours)(command) == (*theirs)(command));
  }
}

}  // namespace

TEST_CASE("a transaction runs commands over whole databases as redis-server does") {
  same_conversation({
      "a: SET before 1",
      "b: WATCH before",
      "a: MULTI",
      "a: DBSIZE",
      "a: SET x 1",
      "a: DBSIZE",
      "a: KEYS x*",
      "a: SCAN 0 MATCH before",
      "a: SCAN notanumber",
      "a: SELECT 3",
      "a: DBSIZE",
      "a: RANDOMKEY",
      "a: SET y 3",
      "a: RANDOMKEY",
      "a: MOVE y 4",
      "a: MOVE y 99",
      "a: MOVE y x",
      "a: MOVE y 3",
      "a: SELECT 4",
      "a: GET y",
      "a: COPY y z DB 5",
      "a: COPY y y DB 4",
      "a: COPY y z DB 16",
      "a: COPY y z DB x",
      "a: COPY y z DB 5",
      "a: COPY y z DB 5 REPLACE",
      "a: SELECT 5",
      "a: KEYS *",
      "a: FLUSHDB",
      "a: DBSIZE",
      "a: EXISTS z",
      "a: SELECT 0",
      "a: EXISTS x before",
      "a: FLUSHALL ASYNC",
      "a: EXISTS x before",
      "a: SET after 2",
      "a: EXEC",
      "a: KEYS *",
      "b: MULTI",
      "b: PING",
      "b: EXEC",
  });
}

TEST_CASE("a transaction erases and exchanges databases between commands on keys as redis-server does") {
  same_conversation({
      "a: MSET x 1 y 2 far 3",
      "a: SELECT 1",
      "a: SET x one",
      "a: RPUSH l 1 2 3",
      "a: SELECT 2",
      "a: HSET h f v",
      "a: SELECT 0",
      "b: WATCH far",
      "c: SELECT 1",
      "c: WATCH l",
      "d: SELECT 3",
      "d: WATCH nothing",
      "a: WATCH x y",
      "a: MULTI",
      "a: SET x 5",
      "a: GET x",
      "a: FLUSHDB",
      "a: GET x",
      "a: EXISTS y",
      "a: SET z 1 EX 1000",
      "a: INCR x",
      "a: SELECT 1",
      "a: GET x",
      "a: SWAPDB 0 1",
      "a: GET x",
      "a: TTL z",
      "a: LRANGE l 0 -1",
      "a: SELECT 0",
      "a: LRANGE l 0 -1",
      "a: RPUSH l 4",
      "a: MOVE x 2",
      "a: COPY l l2 DB 5",
      "a: FLUSHDB nonsense",
      "a: FLUSHALL ASYNC x",
      "a: SWAPDB 0 99",
      "a: SWAPDB 0 0",
      "a: HSET h f v g w",
      "a: SWAPDB 0 5",
      "a: LRANGE l2 0 -1",
      "a: HGETALL h",
      "a: SELECT 5",
      "a: HGETALL h",
      "a: FLUSHDB ASYNC",
      "a: HGETALL h",
      "a: HSET h f again",
      "a: EXEC",
      "a: HGETALL h",
      "a: DBSIZE",
      "a: SELECT 0",
      "a: LRANGE l2 0 -1",
      "a: DBSIZE",
      "a: SELECT 1",
      "a: KEYS x",
      "a: DBSIZE",
      "a: SELECT 2",
      "a: DBSIZE",
      "a: GET x",
      "b: MULTI",
      "b: PING",
      "b: EXEC",
      "c: MULTI",
      "c: PING",
      "c: EXEC",
      "d: MULTI",
      "d: PING",
      "d: EXEC",
      "b: SELECT 2",
      "b: WATCH x",
      "a: MULTI",
      "a: FLUSHALL SYNC",
      "a: SET last 1",
      "a: SWAPDB 2 3",
      "a: GET last",
      "a: SELECT 3",
      "a: GET last",
      "a: FLUSHDB",
      "a: SET later 1",
      "a: SWAPDB 3 4",
      "a: SWAPDB 4 2",
      "a: EXEC",
      "a: DBSIZE",
      "a: SELECT 2",
      "a: KEYS *",
      "b: MULTI",
      "b: PING",
      "b: EXEC",
      "b: GET later",
      "a: MULTI",
      "a: FLUSHALL",
      "a: EXEC",
      "a: MULTI",
      "a: SWAPDB 2 3",
      "a: EXEC",
      "a: DBSIZE",
      "b: WATCH here",
      "a: SET here 1",
      "b: MULTI",
      "b: FLUSHALL",
      "b: EXEC",
      "a: GET here",
  });
}

TEST_CASE("a transaction runs commands of the connection as redis-server does") {
  same_conversation({
      "a: MULTI",
      "a: CLIENT SETNAME me",
      "a: CLIENT GETNAME",
      "a: CONFIG SET timeout 5 nosuch 1",
      "a: CONFIG SET timeout 7",
      "a: CONFIG GET timeout",
      "a: CONFIG RESETSTAT",
      "a: CONFIG GET databases",
      "a: CONFIG SET save x y",
      "a: PUBLISH c nobody",
      "a: PUBSUB NUMSUB c",
      "a: SELECT 99",
      "a: SWAPDB 1 x",
      "a: SWAPDB 1 16",
      "a: SWAPDB 2 2",
      "a: UNWATCH",
      "a: AUTH nothing",
      "a: ECHO x",
      "a: TYPE x",
      "a: EXEC",
      "a: MULTI",
      "a: SET k v",
      "a: SAVE",
      "a: EXEC",
      "a: MULTI",
      "a: WATCH k",
      "a: DISCARD",
      "b: MULTI",
      "b: SUBSCRIBE c",
      "b: PSUBSCRIBE d*",
      "b: PING",
      "b: EXEC",
      "a: PUBLISH c hello",
      "b< 1",
      "a: MULTI",
      "a: PUBLISH dd 1",
      "a: DBSIZE",
      "a: PUBLISH c 2",
      "a: EXEC",
      "b< 2",
      "b: UNSUBSCRIBE",
      "b: PUNSUBSCRIBE",
      "b: PING",
  });
}

TEST_CASE("blocking commands inside a transaction do not wait") {
  same_conversation({
      "a: RPUSH l 1 2 3",
      "a: MULTI",
      "a: BLPOP none l 0",
      "a: BRPOP none 0",
      "a: BLMOVE none l LEFT LEFT 0",
      "a: BLMOVE l m LEFT RIGHT 0",
      "a: BRPOPLPUSH l m 0",
      "a: BLMPOP 0 1 none LEFT",
      "a: BLMPOP 0 2 l m LEFT COUNT 4",
      "a: BLMPOP 0 0 l LEFT",
      "a: BZPOPMIN none 0",
      "a: BLPOP l -1",
      "a: BZMPOP x 1 none MIN",
      "a: BLPOP s 0",
      "a: DBSIZE",
      "a: EXEC",
      "a: LRANGE m 0 -1",
  });
}

TEST_CASE("SWAPDB exchanges databases and breaks watches, as redis-server does") {
  same_conversation({
      "a: SET in0 zero",
      "a: SELECT 1",
      "a: SET in1 one",
      "b: WATCH in0",
      "c: SELECT 5",
      "c: SET in5 five",
      "c: WATCH in5",
      "a: SWAPDB 0 1",
      "a: KEYS *",
      "b: KEYS *",
      "b: MULTI",
      "b: PING",
      "b: EXEC",
      "c: MULTI",
      "c: PING",
      "c: EXEC",
      "a: SWAPDB 1 x",
      "a: SWAPDB y 1",
      "a: SWAPDB 1 16",
      "a: SWAPDB -1 0",
      "a: MULTI",
      "a: SET more 1",
      "a: SWAPDB 1 5",
      "a: KEYS *",
      "a: SWAPDB 5 6",
      "a: SELECT 6",
      "a: DBSIZE",
      "a: EXEC",
      "b: SELECT 5",
      "b: DBSIZE",
  });
}

TEST_CASE("who waits for keys of exchanged or erased databases is served as redis-server serves") {
  TestNode node;
  RedisOracle redis(2);
  std::vector<std::string> heard[2];
  for (const uint16_t port : {node.port(), redis.port()}) {
    std::vector<std::string>& replies = heard[port == node.port() ? 0 : 1];
    Client a(port);
    Client first(port);
    Client second(port);
    Client elsewhere(port);
    const auto wait_for_blocked = [&](int count) {
      const std::string wanted = "blocked_clients:" + std::to_string(count) + "\r\n";
      for (int i = 0; i < 100'000; ++i)
        if (a({"INFO", "clients"}).find(wanted) != std::string::npos) return;
      FAIL("the clients do not wait");
    };
    const auto say = [&](const std::vector<std::string>& command) { replies.push_back(a(command)); };
    first.send({"BLPOP", "q", "0"});
    wait_for_blocked(1);
    second.send({"BLPOP", "p", "q", "0"});
    wait_for_blocked(2);
    elsewhere.send({"SELECT", "1"});
    replies.push_back(elsewhere.read());
    elsewhere.send({"BLPOP", "q", "0"});
    wait_for_blocked(3);
    // Elements that an exchange brings.
    say({"SELECT", "3"});
    say({"RPUSH", "q", "brought"});
    say({"SWAPDB", "0", "3"});
    replies.push_back(first.read());
    // Those of another database are not theirs any more, those of the same are.
    say({"RPUSH", "q", "of3"});
    say({"MULTI"});
    say({"SWAPDB", "0", "1"});
    say({"SWAPDB", "1", "2"});
    say({"FLUSHDB"});
    say({"SELECT", "0"});
    say({"RPUSH", "q", "of0"});
    say({"EXEC"});
    replies.push_back(second.read());
    say({"EXISTS", "q"});
    say({"FLUSHALL"});
    say({"SELECT", "1"});
    say({"RPUSH", "q", "of1"});
    replies.push_back(elsewhere.read());
    say({"DBSIZE"});
    wait_for_blocked(0);
  }
  REQUIRE(heard[0].size() == heard[1].size());
  for (size_t i = 0; i < heard[1].size(); ++i) CHECK(heard[0][i] == heard[1][i]);
}

TEST_CASE("SORT reads the keys that its patterns name, as redis-server does") {
  same_conversation({
      "a: RPUSH l 3 1 2",
      "a: MSET w_1 30 w_2 10 w_3 20 o_1 one o_2 two",
      "a: HSET h_1 f x g 3",
      "a: HSET h_2 f y g 1",
      "a: HSET h_3 f z g 2",
      "a: SORT l BY w_*",
      "a: SORT l BY w_* DESC GET # GET o_* GET h_*->f",
      "a: SORT l BY h_*->g GET h_*->f LIMIT 1 2",
      "a: SORT l BY h_*->g GET h_* GET w_*->f",
      "a: SORT l BY none GET o_*",
      "a: SORT l BY w_* GET o_* STORE out",
      "a: LRANGE out 0 -1",
      "a: SORT out BY x* GET x* STORE out",
      "a: SORT_RO l BY w_* GET w_*",
      "a: SORT_RO l BY w_* STORE x",
      "a: SORT l BY o_*",
      "a: SORT w_1 BY w_*",
      "a: SORT none BY w_* GET o_*",
      "a: SORT none BY w_* STORE out",
      "a: EXISTS out",
      "a: MULTI",
      "a: SET w_1 5",
      "a: SORT l BY w_* GET o_*",
      "a: SORT l DESC",
      "a: EXEC",
      "a: MULTI",
      "a: FLUSHDB",
      "a: RPUSH m 3 1 2",
      "a: SORT m BY w_* GET o_* GET #",
      "a: MSET w_1 9 w_2 1",
      "a: SORT m BY w_* GET # GET w_* STORE out",
      "a: LRANGE out 0 -1",
      "a: SORT out BY nothing STORE w_1",
      "a: EXEC",
      "a: LRANGE w_1 0 -1",
  });
}

TEST_CASE("subcommands that do not exist or lack arguments are refused while queueing, as redis-server does") {
  same_conversation({
      "a: MULTI",
      "a: CLIENT NOSUCH",
      "a: EXEC",
      "a: MULTI",
      "a: CONFIG SET timeout",
      "a: EXEC",
      "a: CLIENT PAUSE",
      "a: CLIENT SETNAME",
      "a: CONFIG NOSUCH x",
      "a: CONFIG GET",
      "a: PUBSUB NUMPAT x",
      "a: OBJECT ENCODING",
      "a: SLOWLOG LEN 3",
  });
}

TEST_CASE("CONFIG SET changes what it names, or says why not, as redis-server does") {
  same_conversation({
      "a: CONFIG SET timeout 100",
      "a: CONFIG GET timeout",
      "a: CONFIG SET timeout abc",
      "a: CONFIG SET timeout -1",
      "a: CONFIG SET timeout 1 timeout 2",
      "a: CONFIG SET timeout 5 nosuch 6",
      "a: CONFIG GET timeout",
      "a: CONFIG SET databases 17",
      "a: CONFIG SET proto-max-bulk-len 2mb timeout 0",
      "a: CONFIG GET proto-max-bulk-len",
      "a: CONFIG SET maxclients 50",
      "a: CONFIG GET maxclients",
      "a: CONFIG SET maxclients none",
      "a: CONFIG SET maxclients 1000",
      "a: CONFIG SET requirepass secret",
      "a: PING",
      "d: PING",
      "d: AUTH wrong",
      "d: AUTH secret",
      "d: PING",
      "e: PING",
      "a: CONFIG SET requirepass",
      "a: CONFIG REWRITE",
      "a: CONFIG RESETSTAT",
  });
}

TEST_CASE("CLIENT PAUSE and UNBLOCK refuse what redis-server refuses") {
  same_conversation({
      "a: CLIENT PAUSE x",
      "a: CLIENT PAUSE -1",
      "a: CLIENT PAUSE 1 SOMETIMES",
      "a: CLIENT UNPAUSE",
      "a: CLIENT UNBLOCK x",
      "a: CLIENT UNBLOCK 99999 MAYBE",
      "a: CLIENT UNBLOCK 99999",
      "a: CLIENT PAUSE 100000 WRITE",
      "a: GET x",
      "a: CLIENT UNPAUSE",
      "a: SET x 1",
  });
}

TEST_CASE("COMMAND GETKEYSANDFLAGS tells what redis-server tells of every kind of key") {
  same_conversation({
      "a: COMMAND GETKEYSANDFLAGS GET k",
      "a: COMMAND GETKEYSANDFLAGS MGET k l",
      "a: COMMAND GETKEYSANDFLAGS SET k v",
      "a: COMMAND GETKEYSANDFLAGS SET k v GET",
      "a: COMMAND GETKEYSANDFLAGS INCR k",
      "a: COMMAND GETKEYSANDFLAGS HSET k f v",
      "a: COMMAND GETKEYSANDFLAGS EXISTS k l",
      "a: COMMAND GETKEYSANDFLAGS DEL k l",
      "a: COMMAND GETKEYSANDFLAGS LPUSH k v",
      "a: COMMAND GETKEYSANDFLAGS LREM k 1 v",
      "a: COMMAND GETKEYSANDFLAGS BLPOP k l 0",
      "a: COMMAND GETKEYSANDFLAGS LMPOP 2 k l LEFT",
      "a: COMMAND GETKEYSANDFLAGS MSETNX k v l v",
      "a: COMMAND GETKEYSANDFLAGS RENAME k l",
      "a: COMMAND GETKEYSANDFLAGS RENAMENX k l",
      "a: COMMAND GETKEYSANDFLAGS COPY k l",
      "a: COMMAND GETKEYSANDFLAGS LMOVE k l LEFT RIGHT",
      "a: COMMAND GETKEYSANDFLAGS SINTERSTORE d k l",
      "a: COMMAND GETKEYSANDFLAGS ZUNIONSTORE d 2 k l",
      "a: COMMAND GETKEYSANDFLAGS BITOP AND d k l",
      "a: COMMAND GETKEYSANDFLAGS BITFIELD k GET u8 0",
      "a: COMMAND GETKEYSANDFLAGS BITFIELD k SET u8 0 1",
      "a: COMMAND GETKEYSANDFLAGS SORT k STORE d",
      "a: COMMAND GETKEYSANDFLAGS OBJECT ENCODING k",
      "a: COMMAND GETKEYSANDFLAGS PING",
      "a: COMMAND GETKEYSANDFLAGS PING x",
      "a: COMMAND GETKEYSANDFLAGS NONE x",
      "a: COMMAND GETKEYSANDFLAGS GET k l",
      "a: COMMAND GETKEYSANDFLAGS",
  });
}
