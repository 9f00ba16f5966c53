// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>

#include <string>
#include <thread>
#include <vector>

#include "test_node.hpp"

using orbit::test::Client;
using orbit::test::TestNode;

TEST_CASE("MULTI queues, EXEC runs everything in order, also after an error") {
  TestNode node;
  Client client(node);
  CHECK(client({"MULTI"}) == "+OK");
  CHECK(client({"MULTI"}) == "-ERR MULTI calls can not be nested");
  CHECK(client({"EXEC"}) == "[]");
  CHECK(client({"MULTI"}) == "+OK");
  CHECK(client({"SET", "a", "x"}) == "+QUEUED");
  CHECK(client({"INCR", "a"}) == "+QUEUED");
  CHECK(client({"MGET", "a", "b"}) == "+QUEUED");
  CHECK(client({"SELECT", "3"}) == "+QUEUED");
  CHECK(client({"SET", "a", "in3"}) == "+QUEUED");
  CHECK(client({"PING"}) == "+QUEUED");
  CHECK(Client(node)({"GET", "a"}) == "nil");
  CHECK(client({"EXEC"}) == "[+OK, -ERR value is not an integer or out of range, [$x, nil], +OK, +OK, +PONG]");
  CHECK(client({"GET", "a"}) == "$in3");
  CHECK(Client(node)({"GET", "a"}) == "$x");
  CHECK(client({"EXEC"}) == "-ERR EXEC without MULTI");
  CHECK(client({"DISCARD"}) == "-ERR DISCARD without MULTI");
}

TEST_CASE("a command refused while queueing aborts the transaction") {
  TestNode node;
  Client client(node);
  for (const std::vector<std::string>& bad :
       {std::vector<std::string>{"NOSUCH"}, {"SET", "a"}, {"SAVE"}, {"SHUTDOWN"}, {"WATCH", "a"}}) {
    CAPTURE(bad[0]);
    CHECK(client({"MULTI"}) == "+OK");
    CHECK(client({"SET", "a", "1"}) == "+QUEUED");
    CHECK(client(bad).starts_with("-ERR"));
    if (bad[0] == "WATCH") {
      CHECK(client({"DISCARD"}) == "+OK");
      continue;
    }
    CHECK(client({"EXEC"}) == "-EXECABORT Transaction discarded because of previous errors.");
  }
  CHECK(client({"GET", "a"}) == "nil");
}

TEST_CASE("DISCARD forgets the queue, and the bounds of a transaction are named") {
  TestNode node("transaction_commands_max = 3\ncommand_keys_max = 4");
  Client client(node);
  CHECK(client({"MULTI"}) == "+OK");
  CHECK(client({"SET", "a", "1"}) == "+QUEUED");
  CHECK(client({"DISCARD"}) == "+OK");
  CHECK(client({"GET", "a"}) == "nil");
  CHECK(client({"MULTI"}) == "+OK");
  for (int i = 0; i < 3; ++i) CHECK(client({"PING"}) == "+QUEUED");
  CHECK(client({"PING"}) == "-ERR too many commands in one transaction; the bound is transaction_commands_max = 3");
  CHECK(client({"EXEC"}).starts_with("-EXECABORT"));
  CHECK(client({"MULTI"}) == "+OK");
  for (int i = 0; i < 2; ++i) CHECK(client({"MGET", "a", "b", "c"}) == "+QUEUED");
  CHECK(client({"EXEC"}) ==
        "-EXECABORT Transaction discarded: 6 keys in one transaction; the bound is command_keys_max = 4");
  CHECK(client({"PING"}) == "+PONG");
}

TEST_CASE("a watched key that changes in any way makes EXEC fail") {
  TestNode node;
  Client client(node);
  Client other(node);
  const std::vector<std::vector<std::string>> changes = {
      {"SET", "w", "2"}, {"DEL", "w"}, {"EXPIRE", "w", "100"}, {"MSET", "w", "3", "x", "4"}, {"FLUSHALL"}, {"FLUSHDB"},
  };
  for (const auto& change : changes) {
    CAPTURE(change[0]);
    CHECK(other({"SET", "w", "1"}) == "+OK");
    CHECK(client({"WATCH", "w"}) == "+OK");
    CHECK(other(change).at(0) != '-');
    CHECK(client({"MULTI"}) == "+OK");
    CHECK(client({"SET", "w", "mine"}) == "+QUEUED");
    CHECK(client({"EXEC"}) == "nil");
    CHECK(other({"GET", "w"}) != "$mine");
  }
}

TEST_CASE("a watched key that did not change lets EXEC through, also one that does not exist") {
  TestNode node;
  Client client(node);
  Client other(node);
  CHECK(client({"WATCH", "none", "none", "n2"}) == "+OK");
  CHECK(other({"GET", "none"}) == "nil");
  CHECK(client({"MULTI"}) == "+OK");
  CHECK(client({"SET", "none", "mine"}) == "+QUEUED");
  CHECK(client({"EXEC"}) == "[+OK]");
  CHECK(client({"WATCH", "born"}) == "+OK");
  CHECK(other({"SET", "born", "1"}) == "+OK");
  CHECK(other({"DEL", "born"}) == ":1");
  CHECK(client({"MULTI"}) == "+OK");
  CHECK(client({"EXEC"}) == "nil");
  CHECK(client({"WATCH", "none"}) == "+OK");
  CHECK(other({"SET", "none", "2"}) == "+OK");
  CHECK(client({"UNWATCH"}) == "+OK");
  CHECK(client({"MULTI"}) == "+OK");
  CHECK(client({"SET", "none", "3"}) == "+QUEUED");
  CHECK(client({"EXEC"}) == "[+OK]");
}

TEST_CASE("a watched key that expires makes EXEC fail") {
  TestNode node;
  Client client(node);
  CHECK(client({"SET", "w", "1", "PX", "30"}) == "+OK");
  CHECK(client({"WATCH", "w"}) == "+OK");
  while (client({"EXISTS", "w"}) == ":1") {
  }
  CHECK(client({"MULTI"}) == "+OK");
  CHECK(client({"SET", "w", "mine"}) == "+QUEUED");
  CHECK(client({"EXEC"}) == "nil");
}

TEST_CASE("transfers between keys by many clients keep the sum, whoever wins") {
  TestNode node;
  constexpr int kAccounts = 4;
  constexpr int kClients = 4;
  constexpr int kRounds = 200;
  {
    Client setup(node);
    for (int i = 0; i < kAccounts; ++i) CHECK(setup({"SET", "acc" + std::to_string(i), "1000"}) == "+OK");
  }
  std::vector<std::string> problems(kClients);
  std::vector<std::thread> threads;
  for (int c = 0; c < kClients; ++c) {
    threads.emplace_back([&, c] {
      try {
        Client client(node);
        for (int round = 0; round < kRounds; ++round) {
          const std::string from = "acc" + std::to_string((c + round) % kAccounts);
          const std::string to = "acc" + std::to_string((c + round * 3 + 1) % kAccounts);
          if (from == to) continue;
          for (int tries = 0;; ++tries) {
            if (tries == 10'000) throw std::runtime_error("never wins");
            client({"WATCH", from, to});
            const int a = std::stoi(client({"GET", from}).substr(1));
            const int b = std::stoi(client({"GET", to}).substr(1));
            client({"MULTI"});
            client({"SET", from, std::to_string(a - 1)});
            client({"SET", to, std::to_string(b + 1)});
            const std::string result = client({"EXEC"});
            if (result == "[+OK, +OK]") break;
            if (result != "nil") throw std::runtime_error(result);
          }
        }
      } catch (const std::exception& e) {
        problems[static_cast<size_t>(c)] = e.what();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& problem : problems) CHECK(problem == "");
  Client check(node);
  int sum = 0;
  for (int i = 0; i < kAccounts; ++i) sum += std::stoi(check({"GET", "acc" + std::to_string(i)}).substr(1));
  CHECK(sum == kAccounts * 1000);
}
