// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Clients that wait: for elements, behind CLIENT PAUSE, behind a transaction that has all keys.
#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "test_node.hpp"

using orbit::test::Client;
using orbit::test::TestNode;

namespace {

// Until that many clients wait.
void wait_for_blocked(Client& observer, int count) {
  const std::string wanted = "blocked_clients:" + std::to_string(count) + "\r\n";
  for (int i = 0; i < 100'000; ++i) {
    if (observer({"INFO", "clients"}).find(wanted) != std::string::npos) return;
  }
  FAIL("the clients do not wait");
}

}  // namespace

TEST_CASE("a client that waits gets the element that is pushed, from any worker, and who waited longest is first") {
  TestNode node;
  Client pusher(node);
  std::vector<std::unique_ptr<Client>> waiting;
  for (int i = 0; i < 6; ++i) {
    waiting.push_back(std::make_unique<Client>(node));
    waiting.back()->send({"BLPOP", "none", "queue", "0"});
    wait_for_blocked(pusher, i + 1);
  }
  for (int i = 0; i < 6; ++i) {
    CHECK(pusher({"RPUSH", "queue", std::to_string(i)}) == ":1");
    CHECK(waiting[static_cast<size_t>(i)]->read() == "[$queue, $" + std::to_string(i) + "]");
  }
  CHECK(pusher({"EXISTS", "queue"}) == ":0");
  CHECK(pusher({"INFO", "clients"}).find("blocked_clients:0") != std::string::npos);
}

TEST_CASE("clients that wait for keys of a database go on waiting when it is erased, each at its place") {
  TestNode node;
  Client other(node);
  const std::vector<std::vector<std::vector<std::string>>> erasures = {
      {{"FLUSHDB"}}, {{"FLUSHALL"}}, {{"MULTI"}, {"SET", "s", "1"}, {"FLUSHDB"}, {"EXEC"}},
      {{"MULTI"}, {"FLUSHALL"}, {"RPUSH", "other", "1"}, {"DBSIZE"}, {"EXEC"}},
  };
  for (const auto& erasure : erasures) {
    CAPTURE(erasure.back()[0]);
    std::vector<std::unique_ptr<Client>> waiting;
    for (int i = 0; i < 5; ++i) {
      waiting.push_back(std::make_unique<Client>(node));
      waiting.back()->send({"BLPOP", "none", "queue", "queue", "0"});
      wait_for_blocked(other, i + 1);
    }
    for (const auto& command : erasure) CHECK(other(command).at(0) != '-');
    for (int i = 0; i < 5; ++i) {
      CHECK(other({"RPUSH", "queue", std::to_string(i)}) == ":1");
      CHECK(waiting[static_cast<size_t>(i)]->read() == "[$queue, $" + std::to_string(i) + "]");
    }
    CHECK(other({"EXISTS", "queue"}) == ":0");
  }
}

TEST_CASE("an EXEC that erases and pushes serves who waits") {
  TestNode node;
  Client other(node);
  Client waiting(node);
  waiting.send({"BLPOP", "queue", "0"});
  wait_for_blocked(other, 1);
  for (const auto& command : std::vector<std::vector<std::string>>{
           {"MULTI"}, {"RPUSH", "queue", "gone"}, {"FLUSHALL"}, {"RPUSH", "queue", "a", "b"}, {"EXEC"}})
    CHECK(other(command).at(0) != '-');
  CHECK(waiting.read() == "[$queue, $a]");
  CHECK(other({"LRANGE", "queue", "0", "-1"}) == "[$b]");
}

TEST_CASE("one push of several elements serves as many clients, and the rest stays") {
  TestNode node;
  Client pusher(node);
  Client first(node);
  Client second(node);
  first.send({"BRPOP", "l", "0"});
  wait_for_blocked(pusher, 1);
  second.send({"BLMPOP", "0", "1", "l", "LEFT", "COUNT", "2"});
  wait_for_blocked(pusher, 2);
  CHECK(pusher({"RPUSH", "l", "a", "b", "c", "d"}) == ":4");
  CHECK(first.read() == "[$l, $d]");
  CHECK(second.read() == "[$l, [$a, $b]]");
  CHECK(pusher({"LRANGE", "l", "0", "-1"}) == "[$c]");
}

TEST_CASE("waiting clients are served by whatever makes the key: RENAME, EXEC, RESTORE, SORT STORE, another move") {
  TestNode node;
  Client other(node);
  CHECK(other({"RPUSH", "src", "1"}) == ":1");
  const std::vector<std::vector<std::vector<std::string>>> makers = {
      {{"RENAME", "src", "k"}},
      {{"MULTI"}, {"RPUSH", "k", "1"}, {"EXEC"}},
      {{"MULTI"}, {"RPUSH", "k", "1"}, {"DBSIZE"}, {"EXEC"}},
      {{"RPUSH", "src", "1"}, {"SORT", "src", "STORE", "k"}},
      {{"LMOVE", "src", "k", "LEFT", "LEFT"}},
  };
  for (const auto& maker : makers) {
    CAPTURE(maker[0][0]);
    Client waiting(node);
    waiting.send({"BLPOP", "k", "0"});
    wait_for_blocked(other, 1);
    for (const auto& command : maker) CHECK(other(command).at(0) != '-');
    CHECK(waiting.read() == "[$k, $1]");
  }
}

TEST_CASE("BLMOVE chains pass an element on, and sorted sets have their own waiting clients") {
  TestNode node;
  Client other(node);
  Client mover(node);
  Client last(node);
  Client lowest(node);
  last.send({"BLPOP", "end", "0"});
  wait_for_blocked(other, 1);
  mover.send({"BLMOVE", "begin", "end", "LEFT", "RIGHT", "0"});
  wait_for_blocked(other, 2);
  lowest.send({"BZPOPMIN", "begin", "z", "0"});
  wait_for_blocked(other, 3);
  CHECK(other({"RPUSH", "begin", "x"}) == ":1");
  CHECK(mover.read() == "$x");
  CHECK(last.read() == "[$end, $x]");
  // A value of another type wakes nobody.
  CHECK(other({"SET", "begin", "text"}) == "+OK");
  CHECK(other({"ZADD", "z", "2", "b", "1", "a"}) == ":2");
  CHECK(lowest.read() == "[$z, $a, $1]");
}

TEST_CASE("waiting ends with the timeout, by CLIENT UNBLOCK, and with the connection, and takes no element then") {
  TestNode node;
  Client other(node);
  Client client(node);
  CHECK(client({"BLPOP", "k", "0.01"}) == "nil");
  CHECK(client({"BLMOVE", "k", "m", "LEFT", "LEFT", "0.01"}) == "nil");
  CHECK(client({"BLPOP", "k", "never"}) == "-ERR timeout is not a float or out of range");
  const std::string id = client({"CLIENT", "ID"}).substr(1);
  client.send({"BLPOP", "k", "0"});
  wait_for_blocked(other, 1);
  CHECK(other({"CLIENT", "UNBLOCK", id}) == ":1");
  CHECK(client.read() == "nil");
  client.send({"BLPOP", "k", "0"});
  wait_for_blocked(other, 1);
  CHECK(other({"CLIENT", "UNBLOCK", id, "ERROR"}) == ":1");
  CHECK(client.read() == "-UNBLOCKED client unblocked via CLIENT UNBLOCK");
  CHECK(other({"CLIENT", "UNBLOCK", id}) == ":0");
  {
    Client leaving(node);
    leaving.send({"BLPOP", "k", "0"});
    wait_for_blocked(other, 1);
  }
  wait_for_blocked(other, 0);
  CHECK(other({"RPUSH", "k", "kept"}) == ":1");
  CHECK(other({"LLEN", "k"}) == ":1");
}

TEST_CASE("what a waiting client sent behind its command is answered behind it") {
  TestNode node;
  Client other(node);
  Client client(node);
  client.send({"SET", "a", "1"});
  client.send({"BLPOP", "k", "0"});
  client.send({"GET", "a"});
  CHECK(client.read() == "+OK");
  wait_for_blocked(other, 1);
  CHECK(other({"RPUSH", "k", "v"}) == ":1");
  CHECK(client.read() == "[$k, $v]");
  CHECK(client.read() == "$1");
}

TEST_CASE("no element is lost or given twice while clients wait, push and leave at random") {
  TestNode node;
  constexpr int kPushers = 3;
  constexpr int kEach = 400;
  std::atomic<int> taken{0};
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      Client client(node);
      while (taken < kPushers * kEach && !stop) {
        const auto reply = client({t % 2 == 0 ? "BLPOP" : "BRPOP", "a", "b", "0.02"});
        if (reply != "nil") ++taken;
      }
    });
  }
  for (int t = 0; t < kPushers; ++t) {
    threads.emplace_back([&, t] {
      Client client(node);
      for (int i = 0; i < kEach; ++i) client({"RPUSH", (i + t) % 2 == 0 ? "a" : "b", std::to_string(i)});
    });
  }
  for (size_t t = 4; t < threads.size(); ++t) threads[t].join();
  for (size_t t = 0; t < 4; ++t) threads[t].join();
  CHECK(taken == kPushers * kEach);
  CHECK(Client(node)({"EXISTS", "a", "b"}) == ":0");
}

TEST_CASE("CLIENT PAUSE stops commands that may write, or all, until it ends") {
  TestNode node;
  Client boss(node);
  Client writer(node);
  Client reader(node);
  CHECK(boss({"CLIENT", "PAUSE", "100000", "WRITE"}) == "+OK");
  writer.send({"SET", "k", "1"});
  CHECK(reader({"GET", "k"}) == "nil");
  CHECK(reader({"PING"}) == "+PONG");
  Client late(node);
  late.send({"INCR", "k"});
  CHECK(reader({"EXISTS", "k"}) == ":0");
  CHECK(boss({"CLIENT", "UNPAUSE"}) == "+OK");
  CHECK(writer.read() == "+OK");
  CHECK(late.read().at(0) == ':');
  CHECK(boss({"CLIENT", "PAUSE", "50"}) == "+OK");
  CHECK(reader({"PING"}) == "+PONG");  // after the pause
}

TEST_CASE("a transaction over whole databases is seen whole or not at all") {
  TestNode node;
  Client setup(node);
  CHECK(setup({"MSET", "x", "0", "y", "0", "z", "0"}) == "+OK");
  constexpr int kRounds = 60;
  std::atomic<bool> done{false};
  std::atomic<int> torn{0};
  std::vector<std::thread> observers;
  for (int t = 0; t < 3; ++t) {
    observers.emplace_back([&, t] {
      Client client(node);
      while (!done) {
        if (t == 0) {
          const std::string seen = client({"MGET", "x", "y", "z"});
          if (seen != "[$0, $0, $0]" && seen != "[$1, $1, $1]") ++torn;
        } else if (t == 1) {
          if (client({"GET", "x"}) == "nil") ++torn;
        } else {
          client({"SET", "other", "1"});
        }
      }
    });
  }
  for (int i = 0; i < kRounds; ++i) {
    CAPTURE(i);
    const std::string value = std::to_string(i % 2);
    for (const auto& command : std::vector<std::vector<std::string>>{
             {"MULTI"}, {"FLUSHDB"}, {"DBSIZE"}, {"MSET", "x", value, "y", value, "z", value}, {"KEYS", "x"}, {"DBSIZE"}}) {
      setup.send(command);
      setup.read();
    }
    CHECK(setup({"EXEC"}) == "[+OK, :0, +OK, [$x], :3]");
  }
  done = true;
  for (auto& observer : observers) observer.join();
  CHECK(torn == 0);
}

TEST_CASE("an EXEC that subscribes answers before the first message") {
  TestNode node;
  std::atomic<bool> done{false};
  std::thread publisher([&] {
    Client client(node);
    while (!done) client({"PUBLISH", "c", "m"});
  });
  for (int i = 0; i < 50; ++i) {
    Client client(node);
    client.send({"MULTI"});
    client.send({"SUBSCRIBE", "c"});
    client.send({"DBSIZE"});
    client.send({"EXEC"});
    CHECK(client.read() == "+OK");
    CHECK(client.read() == "+QUEUED");
    CHECK(client.read() == "+QUEUED");
    CHECK(client.read().starts_with("[[$subscribe, $c, :1], :"));
    CHECK(client.read() == "[$message, $c, $m]");
  }
  done = true;
  publisher.join();
}
