// SPDX-License-Identifier: MIT OR BSD-3-Clause
// How connections end: the peer's side, the node's side; and what a stop leaves behind.
#include <doctest/doctest.h>

#include <string>

#include "test_node.hpp"

using orbit::test::Client;
using orbit::test::TestNode;

TEST_CASE("a client that shuts its side after its commands gets every answer") {
  for (const char* durability : {"sync", "async"}) {
    CAPTURE(durability);
    TestNode node("durability = \"" + std::string(durability) + "\"", 2, "rocksdb");
    for (int round = 0; round < 10; ++round) {
      CAPTURE(round);
      Client client(node);
      constexpr int kCommands = 300;
      std::string bytes;
      for (int i = 0; i < kCommands; ++i) bytes += "INCR k" + std::to_string(i) + "\r\n";
      bytes += "DBSIZE\r\n";
      client.send_bytes(bytes);
      client.shut_write();
      for (int i = 0; i < kCommands; ++i) CHECK(client.read() == ":" + std::to_string(round + 1));
      CHECK(client.read() == ":300");
      CHECK(client.read_to_end().empty());
    }
  }
}

TEST_CASE("a stop closes idle, subscribed and waiting connections, and answers what was asked before") {
  TestNode node("durability = \"sync\"");
  Client idle(node);
  Client subscribed(node);
  Client waiting(node);
  Client observer(node);
  CHECK(idle({"PING"}) == "+PONG");
  CHECK(subscribed({"SUBSCRIBE", "c"}) == "[$subscribe, $c, :1]");
  waiting.send({"BLPOP", "k", "0"});
  bool waits = false;
  for (int i = 0; i < 100'000 && !waits; ++i) {
    waits = observer({"INFO", "clients"}).find("blocked_clients:1\r\n") != std::string::npos;
  }
  REQUIRE(waits);
  CHECK(observer({"SET", "k2", "v"}) == "+OK");
  CHECK(node.stop() == 0);
  CHECK(idle.read_to_end().empty());
  CHECK(subscribed.read_to_end().empty());
  CHECK(waiting.read_to_end() == "*-1\r\n");
}

TEST_CASE("exchanged databases stay exchanged after a stop and after SIGKILL") {
  TestNode node("durability = \"async\"", 2, "rocksdb");
  {
    Client client(node);
    CHECK(client({"SET", "in0", "zero"}) == "+OK");
    CHECK(client({"SWAPDB", "0", "7"}) == "+OK");
    CHECK(client({"SET", "later", "1"}) == "+OK");
  }
  CHECK(node.stop() == 0);
  node.start();
  {
    Client client(node);
    CHECK(client({"KEYS", "*"}) == "[$later]");
    CHECK(client({"SELECT", "7"}) == "+OK");
    CHECK(client({"GET", "in0"}) == "$zero");
    CHECK(client({"SWAPDB", "7", "8"}) == "+OK");
  }
  node.kill();
  node.start();
  Client client(node);
  CHECK(client({"SELECT", "8"}) == "+OK");
  CHECK(client({"GET", "in0"}) == "$zero");
}
