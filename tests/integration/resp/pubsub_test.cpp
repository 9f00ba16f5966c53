// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "test_node.hpp"

using orbit::test::Client;
using orbit::test::TestNode;

TEST_CASE("a message reaches every subscriber on every worker, by channel and by pattern") {
  TestNode node;
  std::vector<std::unique_ptr<Client>> subscribers;
  for (int i = 0; i < 8; ++i) {
    subscribers.push_back(std::make_unique<Client>(node));
    CHECK((*subscribers.back())({"SUBSCRIBE", "news"}) == "[$subscribe, $news, :1]");
  }
  Client pattern(node);
  CHECK(pattern({"PSUBSCRIBE", "n?w*"}) == "[$psubscribe, $n?w*, :1]");
  Client publisher(node);
  CHECK(publisher({"PUBLISH", "news", "hello"}) == ":9");
  CHECK(publisher({"PUBLISH", "weather", "rain"}) == ":0");
  for (const auto& subscriber : subscribers) CHECK(subscriber->read() == "[$message, $news, $hello]");
  CHECK(pattern.read() == "[$pmessage, $n?w*, $news, $hello]");
  CHECK(publisher({"PUBSUB", "CHANNELS"}) == "[$news]");
  CHECK(publisher({"PUBSUB", "NUMSUB", "news", "none"}) == "[$news, :8, $none, :0]");
  CHECK(publisher({"PUBSUB", "NUMPAT"}) == ":1");
  CHECK((*subscribers[0])({"UNSUBSCRIBE"}) == "[$unsubscribe, $news, :0]");
  CHECK((*subscribers[0])({"GET", "x"}) == "nil");
  CHECK(publisher({"PUBLISH", "news", "again"}) == ":8");
}

TEST_CASE("messages of one publisher arrive in order") {
  TestNode node;
  Client subscriber(node);
  CHECK(subscriber({"SUBSCRIBE", "c"}) == "[$subscribe, $c, :1]");
  Client publisher(node);
  for (int i = 0; i < 500; ++i) publisher.send({"PUBLISH", "c", std::to_string(i)});
  for (int i = 0; i < 500; ++i) {
    REQUIRE(publisher.read() == ":1");
    REQUIRE(subscriber.read() == "[$message, $c, $" + std::to_string(i) + "]");
  }
}

TEST_CASE("a RESP2 subscriber may only subscribe, ping and quit; a RESP3 one may do everything") {
  TestNode node;
  Client two(node);
  CHECK(two({"SUBSCRIBE", "c", "d"}) == "[$subscribe, $c, :1]");
  CHECK(two.read() == "[$subscribe, $d, :2]");
  CHECK(two({"GET", "x"}) ==
        "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this "
        "context");
  CHECK(two({"PING"}) == "[$pong, $]");
  CHECK(two({"RESET"}) == "+RESET");
  CHECK(two({"PING"}) == "+PONG");
  Client three(node);
  CHECK(three({"HELLO", "3"}).at(0) == '{');
  CHECK(three({"SUBSCRIBE", "c"}) == ">[$subscribe, $c, :1]");
  CHECK(three({"SET", "x", "1"}) == "+OK");
  CHECK(three({"PUBLISH", "c", "to myself"}) == ">[$message, $c, $to myself]");
  CHECK(three.read() == ":1");
  CHECK(three({"SSUBSCRIBE", "c"}) == ">[$ssubscribe, $c, :1]");
  CHECK(Client(node)({"SPUBLISH", "c", "shard"}) == ":1");
  CHECK(three.read() == ">[$smessage, $c, $shard]");
  CHECK(three({"UNSUBSCRIBE", "c"}) == ">[$unsubscribe, $c, :0]");
}

TEST_CASE("PUBLISH inside MULTI is sent by EXEC") {
  TestNode node;
  Client subscriber(node);
  CHECK(subscriber({"SUBSCRIBE", "c"}) == "[$subscribe, $c, :1]");
  Client client(node);
  CHECK(client({"MULTI"}) == "+OK");
  CHECK(client({"PUBLISH", "c", "m"}) == "+QUEUED");
  CHECK(client({"SET", "k", "v"}) == "+QUEUED");
  CHECK(client({"EXEC"}) == "[:1, +OK]");
  CHECK(subscriber.read() == "[$message, $c, $m]");
}

TEST_CASE("a subscriber that never reads is disconnected at its bound, and is counted no more") {
  TestNode node("subscriber_output_bytes_max = 1000000");
  Client slow(node);
  CHECK(slow({"SUBSCRIBE", "c"}) == "[$subscribe, $c, :1]");
  Client publisher(node);
  const std::string message(100'000, 'm');
  bool gone = false;
  for (int i = 0; i < 2000 && !gone; ++i) gone = publisher({"PUBLISH", "c", message}) == ":0";
  CHECK(gone);
  CHECK(publisher({"PING"}) == "+PONG");
}
