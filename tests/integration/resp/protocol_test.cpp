// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>

#include <string>

#include "test_node.hpp"

using orbit::test::Client;
using orbit::test::TestNode;

TEST_CASE("pipelined commands over many keys are answered in the order they were sent") {
  for (const char* durability : {"async", "sync", "none"}) {
    CAPTURE(durability);
    TestNode node(std::string("durability = \"") + durability + "\"\npipeline_max = 16");
    Client client(node);
    constexpr int kCount = 2000;
    std::string all;
    for (int i = 0; i < kCount; ++i) {
      const std::string key = "key" + std::to_string(i % 300);
      all += "SET " + key + " " + std::to_string(i) + "\r\nGET " + key + "\r\nECHO " + std::to_string(i) + "\r\n";
      if (i % 50 == 0) all += "MGET " + key + " none\r\n";
    }
    client.send_bytes(all);
    for (int i = 0; i < kCount; ++i) {
      const std::string value = "$" + std::to_string(i);
      REQUIRE(client.read() == "+OK");
      REQUIRE(client.read() == value);
      REQUIRE(client.read() == value);
      if (i % 50 == 0) REQUIRE(client.read() == "[" + value + ", nil]");
    }
  }
}

TEST_CASE("a client that breaks the protocol is told so and disconnected, others go on") {
  TestNode node;
  Client other(node);
  CHECK(other({"SET", "k", "v"}) == "+OK");
  const std::pair<std::string, std::string> cases[] = {
      {"*x\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
      {"*1\r\n$-5\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
      {"*1\r\nPING\r\n", "-ERR Protocol error: expected '$', got 'P'\r\n"},
      {"GET \"k\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n"},
      {std::string(70000, 'a'), "-ERR Protocol error: too big inline request\r\n"},
      {"PING\r\n*1\r\n$x\r\n", "+PONG\r\n-ERR Protocol error: invalid bulk length\r\n"},
  };
  for (const auto& [input, answer] : cases) {
    Client bad(node);
    bad.send_bytes(input);
    CHECK(bad.read_to_end() == answer);
  }
  CHECK(other({"GET", "k"}) == "$v");
}

TEST_CASE("unknown commands, wrong numbers of arguments and long keys are refused in Redis's words") {
  TestNode node;
  Client client(node);
  CHECK(client({"foo", "bar", "baz"}) == "-ERR unknown command 'foo', with args beginning with: 'bar' 'baz' ");
  CHECK(client({"GET"}) == "-ERR wrong number of arguments for 'get' command");
  CHECK(client({"SELECT", "16"}) == "-ERR DB index is out of range");
  CHECK(client({"CLIENT", "NOPE"}) == "-ERR unknown subcommand 'NOPE'. Try CLIENT HELP.");
  const std::string key(65537, 'k');
  CHECK(client({"SET", key, "v"}) == "-ERR the key has 65537 bytes; the bound is 65536");
  CHECK(client({"MGET", "a", key}) == "-ERR the key has 65537 bytes; the bound is 65536");
  CHECK(client({"SET", std::string(65536, 'k'), "v"}) == "+OK");
  CHECK(client({"GET", std::string(65536, 'k')}) == "$v");
}

TEST_CASE("an argument of many megabytes arrives whole, and its bound is the configured one") {
  TestNode node("bulk_bytes_max = 20000000");
  Client client(node);
  std::string value(16 << 20, 'x');
  for (size_t i = 0; i < value.size(); i += 4096) value[i] = static_cast<char>('a' + i / 4096 % 26);
  CHECK(client({"SET", "big", value}) == "+OK");
  CHECK(client({"GET", "big"}) == "$" + value);
  client.send_bytes("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$20000001\r\n");
  CHECK(client.read_to_end() == "-ERR Protocol error: invalid bulk length\r\n");
}

TEST_CASE("a password is asked for, and before it little is accepted") {
  TestNode node("password = \"secret\"");
  Client client(node);
  CHECK(client({"GET", "k"}) == "-NOAUTH Authentication required.");
  CHECK(client({"AUTH", "wrong"}) == "-WRONGPASS invalid username-password pair or user is disabled.");
  CHECK(client({"HELLO", "3", "AUTH", "default", "no"}) ==
        "-WRONGPASS invalid username-password pair or user is disabled.");
  CHECK(client({"HELLO", "3"}).starts_with("-NOAUTH HELLO must be called"));
  CHECK(client({"AUTH", "default", "secret"}) == "+OK");
  CHECK(client({"GET", "k"}) == "nil");
  Client greedy(node);
  greedy.send_bytes("*11\r\n");
  CHECK(greedy.read_to_end() == "-ERR Protocol error: unauthenticated multibulk length\r\n");
  Client third(node);
  CHECK(third({"HELLO", "3", "AUTH", "default", "secret", "SETNAME", "me"})
            .starts_with("{$server: $redis, $version: $7.0"));
  CHECK(third({"CLIENT", "GETNAME"}) == "$me");
  CHECK(third({"HGETALL", "none"}) == "{}");
  CHECK(third({"RESET"}) == "+RESET");
  CHECK(third({"GET", "k"}) == "-NOAUTH Authentication required.");
}

TEST_CASE("RESP3 and RESP2 write maps, sets, doubles and nulls in their own ways") {
  TestNode node;
  Client client(node);
  CHECK(client({"HSET", "h", "f", "v"}) == ":1");
  CHECK(client({"ZADD", "z", "1.5", "m"}) == ":1");
  CHECK(client({"SADD", "s", "a"}) == ":1");
  CHECK(client({"HGETALL", "h"}) == "[$f, $v]");
  CHECK(client({"ZSCORE", "z", "m"}) == "$1.5");
  CHECK(client({"GET", "none"}) == "nil");
  CHECK(client({"HELLO", "4"}) == "-NOPROTO unsupported protocol version");
  CHECK(client({"HELLO", "3"}).starts_with("{$server: $redis"));
  CHECK(client({"HGETALL", "h"}) == "{$f: $v}");
  CHECK(client({"ZSCORE", "z", "m"}) == ",1.5");
  CHECK(client({"SMEMBERS", "s"}) == "~[$a]");
  CHECK(client({"GET", "none"}) == "_");
}

TEST_CASE("CONFIG SET is in force on every worker: for new connections and old ones") {
  TestNode node("connections_max = 5");
  Client client(node);
  CHECK(client({"CONFIG", "SET", "databases", "16"}) == "+OK");  // it is so anyway
  CHECK(client({"CONFIG", "SET", "maxclients", "6"}).find("must be between 1 and connections_max") != std::string::npos);
  CHECK(client({"CONFIG", "SET", "maxclients", "2"}) == "+OK");
  Client second(node);
  CHECK(second({"PING"}) == "+PONG");
  CHECK(Client(node).read_to_end() == "-ERR max number of clients reached\r\n");
  CHECK(client({"CONFIG", "SET", "maxclients", "5", "requirepass", "secret"}) == "+OK");
  Client third(node);
  Client fourth(node);
  for (Client* each : {&third, &fourth}) CHECK((*each)({"GET", "x"}) == "-NOAUTH Authentication required.");
  CHECK(second({"GET", "x"}) == "nil");
  CHECK(third({"AUTH", "secret"}) == "+OK");
  CHECK(client({"CONFIG", "SET", "requirepass", ""}) == "+OK");
  CHECK(fourth({"GET", "x"}) == "nil");
  CHECK(client({"CONFIG", "SET", "proto-max-bulk-len", "1mb"}) == "+OK");
  second.send_bytes("*2\r\n$4\r\nECHO\r\n$1048577\r\n");
  CHECK(second.read_to_end() == "-ERR Protocol error: invalid bulk length\r\n");
  CHECK(client({"CONFIG", "RESETSTAT"}) == "+OK");
  CHECK(client({"INFO", "stats"}).find("total_connections_received:0\r\n") != std::string::npos);
  // Everybody who says nothing for a second is disconnected.
  CHECK(client({"CONFIG", "SET", "timeout", "1"}) == "+OK");
  CHECK(third.read_to_end().empty());
}

TEST_CASE("CLIENT REPLY decides what is answered") {
  TestNode node;
  Client client(node);
  client.send({"CLIENT", "REPLY", "OFF"});
  client.send({"SET", "a", "1"});
  client.send({"MSET", "b", "2", "c", "3"});
  client.send({"PING"});
  CHECK(client({"CLIENT", "REPLY", "ON"}) == "+OK");
  client.send({"CLIENT", "REPLY", "SKIP"});
  client.send({"GET", "a"});
  CHECK(client({"MGET", "a", "b", "c"}) == "[$1, $2, $3]");
}

TEST_CASE("connections see each other in CLIENT LIST, and can be killed") {
  TestNode node;
  Client one(node);
  Client two(node);
  CHECK(one({"CLIENT", "SETNAME", "first"}) == "+OK");
  CHECK(two({"CLIENT", "SETNAME", "second one"}).starts_with("-ERR Client names cannot contain spaces"));
  CHECK(two({"CLIENT", "SETNAME", "second"}) == "+OK");
  const std::string list = one({"CLIENT", "LIST"});
  CHECK(list.find("name=first") != std::string::npos);
  CHECK(list.find("name=second") != std::string::npos);
  const std::string id = two({"CLIENT", "ID"}).substr(1);
  CHECK(one({"CLIENT", "KILL", "ID", id}) == ":1");
  CHECK(two.read_to_end() == "");
  CHECK(one({"CLIENT", "KILL", "ID", id}) == ":0");
  const std::string rest = one({"CLIENT", "LIST"});
  CHECK(rest.find("name=first") != std::string::npos);
}

TEST_CASE("QUIT answers before it closes, and HTTP is not answered at all") {
  TestNode node;
  Client client(node);
  client.send_bytes("SET a 1\r\nQUIT\r\nSET a 2\r\n");
  CHECK(client.read_to_end() == "+OK\r\n+OK\r\n");
  Client browser(node);
  browser.send_bytes("POST / HTTP/1.1\r\nHost: localhost\r\n\r\nSET a 3\r\n");
  CHECK(browser.read_to_end() == "");
  CHECK(Client(node)({"GET", "a"}) == "$1");
}

TEST_CASE("redis-cli and redis-benchmark work") {
  TestNode node;
  const std::string at = " -p " + std::to_string(node.port()) + " ";
  CHECK(orbit::test::run_shell("redis-cli" + at + "set greeting hello") == "OK\n");
  CHECK(orbit::test::run_shell("redis-cli" + at + "-3 get greeting") == "hello\n");
  CHECK(orbit::test::run_shell("redis-cli" + at + "info server").find("redis_version:7.0.15") != std::string::npos);
  const std::string csv = orbit::test::run_shell("redis-benchmark" + at + "-c 10 -P 8 -n 2000 -r 1000 --csv");
  CHECK(csv.find("\"SET\"") != std::string::npos);
  CHECK(csv.find("\"MSET (10 keys)\"") != std::string::npos);
}
