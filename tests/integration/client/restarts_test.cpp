// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Nodes that stop, die and come back, while clients call.
#include <atomic>
#include <thread>
#include <vector>

#include "client_node.hpp"

using namespace orbit::test;
using namespace orbit::client;
using namespace std::chrono_literals;
using orbit::Code;

namespace {

ClientOptions patient() {
  ClientOptions options;
  options.deadline = 60s;
  options.connect_timeout = 60s;
  options.reconnect_delay_max = 200ms;
  return options;
}

}  // namespace

TEST_CASE(
    "reads go on over restarts; a deposit happens at most once for each call, and exactly once for each that "
    "succeeds") {
  ClientNode node;
  Client client = node.client(patient());
  std::atomic<bool> end{false};
  std::atomic<int64_t> read{0};
  std::atomic<int64_t> read_failures{0};
  std::atomic<int64_t> deposited{0};
  std::atomic<int64_t> perhaps{0};
  std::atomic<int64_t> not_at_all{0};
  std::thread reader([&] {
    while (!end) {
      const auto balance = client.actor<bank::Account>(1).GetBalance({});
      ++(balance ? read : read_failures);
      if (!balance) MESSAGE(balance.error().message);
    }
  });
  std::thread writer([&] {
    while (!end) {
      const auto balance = client.actor<bank::Account>(1).Deposit(cents(1));
      ++(balance ? deposited : balance.error().may_have_run ? perhaps : not_at_all);
    }
  });
  for (const bool orderly : {true, false, true, false}) {
    const int64_t reads = read;
    const int64_t writes = deposited;
    await([&] { return read > reads + 20 && deposited > writes + 20; }, "calls succeed");
    if (orderly)
      CHECK(node.process.stop() == 0);
    else
      node.process.kill();
    node.process.start();
  }
  const int64_t reads = read;
  const int64_t writes = deposited;
  await([&] { return read > reads + 20 && deposited > writes + 20; }, "calls succeed after the last restart");
  end = true;
  reader.join();
  writer.join();
  CHECK(read_failures == 0);
  CHECK(not_at_all == 0);
  const auto balance = client.actor<bank::Account>(1).GetBalance({});
  REQUIRE(balance);
  CHECK(balance->cents() >= deposited);
  CHECK(balance->cents() <= deposited + perhaps);
}

TEST_CASE("a call that finds no node waits for one, and is sent once") {
  ClientNode node;
  Client client = node.client(patient());
  REQUIRE(client.actor<bank::Account>(1).Deposit(cents(1)));
  node.process.kill();
  const auto waiting = client.actor<bank::Account>(1).DepositAsync(cents(1));
  node.process.start();
  const auto answer = waiting.get();
  // Either it found no connection and waited, or the connection broke under it; which one is up to the moment.
  if (!answer) CHECK(answer.error().may_have_run);
  const auto balance = client.actor<bank::Account>(1).GetBalance({});
  REQUIRE(balance);
  CHECK(balance->cents() == (answer ? 2 : 1));
}

TEST_CASE("with several endpoints calls go to those that are there") {
  ClientNode one;
  ClientNode two;
  ClientOptions options = patient();
  options.endpoints = {one.address(), two.address()};
  options.connections_per_endpoint = 1;
  Client client(options);
  await(
      [&] {
        REQUIRE(client.actor<bank::Account>(1).GetBalance({}));
        const auto attempts = client.figures().attempts_of_connection;
        return attempts[0] != 0 && attempts[1] != 0;
      },
      "both nodes are called");
  one.process.kill();
  for (int i = 0; i < 50; ++i) CHECK(client.actor<bank::Account>(1).GetBalance({}));
  CHECK(client.figures().failures == 0);
}

TEST_CASE("an empty budget ends retries") {
  ClientNode node;
  ClientOptions options = patient();
  options.retry.per_call = 0;
  options.retry.per_second = 0;
  Client client = node.client(options);
  Client other = node.client();
  const auto echo = other.actor<wire::Echo>("budget");
  // Repeatable calls, under way when the node dies: with a budget they would be made again.
  std::vector<Answer<std::string>> answers(5, std::string());
  std::vector<std::thread> threads;
  for (Answer<std::string>& answer : answers)
    threads.emplace_back([&] { answer = client.invoke("wire.Echo", "budget", "Wait", "", {}, true); });
  await([&] { return echo.Seen({})->waiting() == answers.size(); }, "all calls wait");
  node.process.kill();
  for (std::thread& thread : threads) thread.join();
  for (const Answer<std::string>& answer : answers) {
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == Code::unavailable);
    CHECK(answer.error().may_have_run);
    CHECK(answer.error().attempts == 1);
  }
  CHECK(client.figures().retries == 0);
  CHECK(client.figures().retries_refused == answers.size());
}
