// SPDX-License-Identifier: MIT OR BSD-3-Clause
// An EXEC with commands over whole databases when storage refuses, and when keys expire.
#include <doctest/doctest.h>

#include <algorithm>
#include <orbit/testkit/doctest.hpp>
#include <orbit/testkit/node.hpp>
#include <string>
#include <vector>

#include "../../../../tests/effort.hpp"
#include "sim_clients.hpp"

namespace orbit::resp::testing {
namespace {

using namespace std::chrono_literals;
using testkit::Connection;
using testkit::Node;

Node node_of(uint64_t seed, const std::string& durability) {
  return Node({.seed = seed,
               .workers = static_cast<uint32_t>(1 + seed % 3),
               .plugins = {{.file = RESP_PLUGIN,
                            .config = "listen = '127.0.0.1:6379'\ndurability = '" + durability + "'"}}});
}

std::string exec(Node& node, Connection& client, const std::vector<Args>& commands) {
  REQUIRE(ask(node, client, {"MULTI"}) == "+OK\r\n");
  for (const Args& command : commands) REQUIRE(ask(node, client, command) == "+QUEUED\r\n");
  return ask(node, client, {"EXEC"});
}

// All that the first two databases hold, in one text.
std::string everything(Node& node) {
  Connection client = node.connect("127.0.0.1:6379");
  std::string out;
  for (const char* database : {"0", "1"}) {
    ask(node, client, {"SELECT", database});
    out += ask(node, client, {"DBSIZE"});
    for (const char* key : {"a", "b", "new"}) out += ask(node, client, {"GET", key});
    for (const char* key : {"l", "sorted"}) out += ask(node, client, {"LRANGE", key, "0", "-1"});
  }
  return out;
}

void fill(Node& node, Connection& client) {
  ask(node, client, {"SELECT", "1"});
  ask(node, client, {"MSET", "a", "one", "b", "1"});
  ask(node, client, {"SELECT", "0"});
  ask(node, client, {"MSET", "a", "zero", "b", "2"});
  ask(node, client, {"RPUSH", "l", "b", "a"});
  REQUIRE(ask(node, client, {"SAVE"}) == "+OK\r\n");
}

// Some commands that change and some that look, in an order that the seed chooses.
std::vector<Args> changes(uint64_t seed, bool over_databases) {
  Dice dice(seed);
  std::vector<Args> out{{"SET", "a", "changed"},
                        {"DEL", "b"},
                        {"SET", "new", "x"},
                        {"SORT", "l", "BY", "*", "ALPHA", "GET", "*", "STORE", "sorted"},
                        {"DBSIZE"},
                        {"KEYS", "*"},
                        {"SCAN", "0", "TYPE", "list"},
                        {"RANDOMKEY"},
                        {"INFO", "keyspace"}};
  if (over_databases) out.push_back(dice.one_in(2) ? Args{"FLUSHDB"} : Args{"SWAPDB", "0", "1"});
  for (size_t i = out.size(); i > 1; --i) std::swap(out[i - 1], out[dice.below(i)]);
  out.push_back({"INCR", "counter"});
  return out;
}

}  // namespace

TEST_CASE("an EXEC whose commit fails is answered with an error, and nothing of it is there") {
  testkit::for_seeds(orbit::testing::with_effort(60), [&](uint64_t seed) {
    const bool sync = seed % 2 == 0;
    Node node = node_of(seed, sync ? "sync" : "async");
    Connection client = node.connect("127.0.0.1:6379");
    fill(node, client);
    const std::string before = everything(node);
    node.storage().fail_next_writes(1);
    const std::string reply = exec(node, client, changes(seed, !sync || seed % 3 == 0));
    CHECK_MESSAGE(reply.starts_with("-MISCONF"), reply);
    CHECK(everything(node) == before);
    node.crash(testkit::Unsynced::lost);
    node.restart();
    CHECK(everything(node) == before);
    Connection again = node.connect("127.0.0.1:6379");
    CHECK(exec(node, again, changes(seed, true)).starts_with("*11\r\n"));
    CHECK(everything(node) != before);
  });
}

TEST_CASE("an EXEC that looks at whole databases is stored whole or not at all, whatever its keys' changes of before wait for") {
  size_t stored = 0;
  testkit::for_seeds(orbit::testing::with_effort(150), [&](uint64_t seed) {
    Dice dice(seed);
    Node node = node_of(seed, "async");
    Connection client = node.connect("127.0.0.1:6379");
    const Args keys{"a", "b", "c"};
    for (uint64_t n = 1 + dice.below(6); n > 0; --n) {
      std::string out;
      // Changes that the next flush writes, with the values as they are.
      for (const std::string& key : keys) out += command_text({"EXPIRE", key, "100000"});
      out += command_text({"MULTI"});
      for (const std::string& key : keys) {
        out += command_text({"SET", key, std::to_string(n)});
        out += command_text(dice.one_in(2) ? Args{"DBSIZE"} : Args{"SCAN", "0", "TYPE", "string"});
      }
      client.send(out + command_text({"EXEC"}));
      if (dice.one_in(2)) node.advance(std::chrono::milliseconds(dice.below(10)));
    }
    for (uint64_t steps = dice.below(400); steps != 0 && node.step(); --steps) {
    }
    node.crash(testkit::Unsynced::seeded);
    node.restart();
    Connection again = node.connect("127.0.0.1:6379");
    const std::string first = ask(node, again, {"GET", "a"});
    stored += first != "$-1\r\n";
    for (const std::string& key : keys) CHECK(ask(node, again, {"GET", key}) == first);
  });
  if (!testkit::seed_is_given()) CHECK(stored > 0);
}

TEST_CASE("while storage refuses writes, an EXEC that only reads is answered, one that writes is not") {
  testkit::for_seeds(orbit::testing::with_effort(20), [&](uint64_t seed) {
    Node node = node_of(seed, "sync");
    Connection client = node.connect("127.0.0.1:6379");
    fill(node, client);
    const std::string before = everything(node);
    node.storage().set_full(true);
    for (int i = 0; i < 3; ++i) {
      CHECK(exec(node, client, changes(seed, i != 0)).starts_with("-MISCONF"));
      CHECK(exec(node, client, {{"GET", "a"}, {"DBSIZE"}, {"KEYS", "a"}}) ==
            "*3\r\n$4\r\nzero\r\n:3\r\n*1\r\n$1\r\na\r\n");
      CHECK(everything(node) == before);
    }
    node.storage().set_full(false);
    node.advance(10s);
    CHECK(exec(node, client, {{"SET", "a", "more"}, {"DBSIZE"}}) == "*2\r\n+OK\r\n:3\r\n");
  });
}

TEST_CASE("the time of a command in an EXEC is when it runs, however long those before it took") {
  testkit::for_seeds(orbit::testing::with_effort(20), [&](uint64_t seed) {
    Node node = node_of(seed, "async");
    Connection client = node.connect("127.0.0.1:6379");
    fill(node, client);
    node.storage().set_delay(20s);
    CHECK(exec(node, client, {{"DBSIZE"}, {"SET", "lock", "held", "PX", "10000"}}) == "*2\r\n:3\r\n+OK\r\n");
    CHECK(ask(node, client, {"GET", "lock"}) == "$4\r\nheld\r\n");
  });
}

TEST_CASE("an EXEC whose answers are more than a client may have waiting is carried out, and an error names the bound") {
  testkit::for_seeds(orbit::testing::with_effort(20), [&](uint64_t seed) {
    Node node({.seed = seed,
               .plugins = {{.file = RESP_PLUGIN, .config = "listen = '127.0.0.1:6379'\noutput_bytes_max = 65536"}}});
    Connection client = node.connect("127.0.0.1:6379");
    ask(node, client, {"SET", "big", std::string(30'000, 'x')});
    std::vector<Args> commands{{"GET", "big"}, {"GET", "big"}, {"GET", "big"}, {"INCR", "counter"}};
    if (seed % 2 == 0) commands.push_back({"KEYS", "*"});
    const std::string error =
        "-ERR the EXEC was carried out, but its answers do not fit into output_bytes_max = 65536 bytes\r\n";
    CHECK(exec(node, client, commands) == error);
    CHECK(ask(node, client, {"GET", "counter"}) == "$1\r\n1\r\n");
    commands.resize(2);
    CHECK(exec(node, client, commands).starts_with("*2\r\n$30000\r\n"));
  });
}

TEST_CASE("a key that is due counts in an EXEC as it does alone, and no more once a command has met it") {
  testkit::for_seeds(orbit::testing::with_effort(40), [&](uint64_t seed) {
    Node node = node_of(seed, "async");
    Connection client = node.connect("127.0.0.1:6379");
    fill(node, client);
    ask(node, client, {"SET", "due", "1", "PX", std::to_string(1 + seed % 7)});
    if (seed % 2 == 0) ask(node, client, {"SAVE"});
    node.advance(std::chrono::milliseconds(seed % 12));
    const std::string reply =
        exec(node, client, {{"DBSIZE"}, {"KEYS", "due"}, {"GET", "due"}, {"DBSIZE"}, {"KEYS", "due"}});
    const std::string there = "*5\r\n:4\r\n*1\r\n$3\r\ndue\r\n$1\r\n1\r\n:4\r\n*1\r\n$3\r\ndue\r\n";
    const std::string due = "*5\r\n:4\r\n*1\r\n$3\r\ndue\r\n$-1\r\n:3\r\n*0\r\n";
    const std::string gone = "*5\r\n:3\r\n*0\r\n$-1\r\n:3\r\n*0\r\n";
    CHECK_MESSAGE((reply == there || reply == due || reply == gone), reply);
    node.advance(1s);
    CHECK(ask(node, client, {"DBSIZE"}) == ":3\r\n");
  });
}

}  // namespace orbit::resp::testing
