// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Typed calls of a real node: answers, errors, deadlines, cancellation, context, connections.
#include <future>
#include <numeric>
#include <optional>
#include <thread>
#include <vector>

#include "client_node.hpp"

using namespace orbit::test;
using namespace orbit::client;
using namespace std::chrono_literals;
using orbit::Code;

namespace {

ClientNode& calls_node() {
  static ClientNode node;
  return node;
}

struct Routine {
  struct promise_type {
    Routine get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::terminate(); }
  };
};

Routine deposit_twice(bank::AccountClient account, std::promise<Answer<bank::Balance>>* out) {
  Answer<bank::Balance> first = co_await account.DepositAsync(cents(1));
  Answer<bank::Balance> second = co_await account.DepositAsync(cents(first ? first->cents() * 10 : 0));
  out->set_value(std::move(second));
}

wire::Sight seen(const wire::EchoClient& echo) {
  Answer<wire::Sight> sight = echo.Seen({});
  REQUIRE_MESSAGE(sight, sight.error().message);
  return *sight;
}

}  // namespace

TEST_CASE("typed calls reach their actors: blocking, called back, awaited") {
  Client client = calls_node().client();
  auto account = client.actor<bank::Account>(7);
  Answer<bank::Balance> balance = account.Deposit(cents(500), {.deadline = 30s});
  REQUIRE_MESSAGE(balance, balance.error().message);
  CHECK(balance->cents() == 500);

  std::promise<Answer<bank::Balance>> called;
  account.WithdrawAsync(cents(100)).then([&](Answer<bank::Balance> answer) { called.set_value(std::move(answer)); });
  CHECK(called.get_future().get()->cents() == 400);

  std::promise<Answer<bank::Balance>> awaited;
  deposit_twice(client.actor<bank::Account>(8), &awaited);
  CHECK(awaited.get_future().get()->cents() == 11);

  CHECK(client.actor<bank::Teller>("anna").GetReport({})->transfers() == 0);
  CHECK(client.figures().failures == 0);
}

TEST_CASE("an actor's error comes with its code, message and details, and is not tried again") {
  Client client = calls_node().client();
  const auto refused = client.actor<bank::Account>(9).Withdraw(cents(1));
  REQUIRE_FALSE(refused);
  const Failure& failure = refused.error();
  CHECK(failure.code == Code::failed_precondition);
  CHECK(failure.reason == "FAILED_PRECONDITION");
  CHECK(failure.domain == "orbit");
  CHECK(failure.metadata.at("type") == "bank.Account");
  CHECK(failure.metadata.at("key") == "9");
  CHECK(failure.metadata.at("method") == "Withdraw");
  CHECK(failure.attempts == 1);
  CHECK(failure.may_have_run);
  CHECK(client.figures().attempts == 1);
}

TEST_CASE("UNAVAILABLE from an actor is not tried again when the method may not run twice") {
  Client client = calls_node().client({.retry = {.attempts_max = 3, .delay = 1ms}});
  wire::Failure unavailable;
  unavailable.set_code(static_cast<int>(Code::unavailable));
  unavailable.set_message("later");
  const auto failed = client.actor<wire::Echo>("unavailable").Fail(unavailable);
  REQUIRE_FALSE(failed);
  CHECK(failed.error().message == "later");
  CHECK(failed.error().retry_after.has_value());
  CHECK(failed.error().attempts == 1);
}

TEST_CASE("keys of any kind name their actors") {
  Client client = calls_node().client();
  for (const std::string key : {"plain", "with blank", "\xc3\xa4\xc3\xb6\xc3\xbc", ""}) {
    CAPTURE(key);
    wire::Saying saying;
    const auto said = client.actor<wire::Echo>(key).Say(saying);
    if (key.empty()) {
      // An empty field and an empty name agree.
      CHECK((said ? said->key() : said.error().message) == "");
      continue;
    }
    REQUIRE_MESSAGE(said, said.error().message);
    CHECK(said->key() == key);
  }
  const std::string bytes("\0\xff\x01", 3);
  CHECK(client.actor<wire::Blob>(bytes).KeySize({})->value() == 3);
  CHECK(client.actor<bank::Account>(-42).GetBalance({})->cents() == 0);
}

TEST_CASE("trace and tenant travel with a call, and there always is a deadline") {
  Client client = calls_node().client({.tenant = "blue"});
  const std::string trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const auto echo = client.actor<wire::Echo>("context");
  const auto own = echo.Say({}, {.traceparent = trace, .tenant = "green"});
  REQUIRE_MESSAGE(own, own.error().message);
  CHECK(own->tenant() == "green");
  CHECK(own->trace().substr(0, 35) == trace.substr(0, 35));
  CHECK(own->has_deadline());
  CHECK(echo.Say({})->tenant() == "blue");
}

TEST_CASE("a deadline ends the call, and the turn hears of it") {
  Client client = calls_node().client();
  const auto echo = client.actor<wire::Echo>("deadline");
  const auto waiting = echo.WaitAsync({}, {.deadline = 5s});
  await([&] { return seen(echo).waiting() == 1; }, "Wait waits");
  const auto late = waiting.get();
  REQUIRE_FALSE(late);
  // The node and the client each look at the clock; whoever is first tells it in its words.
  CHECK(late.error().code == Code::deadline_exceeded);
  CHECK(late.error().may_have_run);
  await(
      [&] {
        REQUIRE(client.actor<wire::Gate>("deadline").Open({}));
        return seen(echo).cancelled() == 1;
      },
      "the turn of Wait ends");
}

TEST_CASE("a call that is cancelled ends at once, and the turn hears of it") {
  Client client = calls_node().client();
  const auto echo = client.actor<wire::Echo>("cancelled");
  const auto waiting = echo.WaitAsync({});
  await([&] { return seen(echo).waiting() == 1; }, "Wait waits");
  CHECK_FALSE(waiting.done());
  waiting.cancel();
  const auto answer = waiting.get();
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == Code::cancelled);
  CHECK(answer.error().message == "the caller has cancelled the call");
  await(
      [&] {
        REQUIRE(client.actor<wire::Gate>("cancelled").Open({}));
        return seen(echo).cancelled() == 1;
      },
      "the turn of Wait ends");
}

TEST_CASE("one-way messages are answered when the node has them") {
  Client client = calls_node().client();
  const auto echo = client.actor<wire::Echo>("notes");
  wire::Number number;
  number.set_value(5);
  for (int i = 0; i < 10; ++i) {
    const Answer<> taken = echo.Note(number);
    REQUIRE_MESSAGE(taken, taken.error().message);
  }
  await([&] { return seen(echo).noted() == 50; }, "all notes are handled");
}

TEST_CASE("calls spread over the connections") {
  Client client = calls_node().client({.connections_per_endpoint = 4});
  const auto used = [&] {
    const auto attempts = client.figures().attempts_of_connection;
    return std::all_of(attempts.begin(), attempts.end(), [](uint64_t count) { return count != 0; });
  };
  await(
      [&] {
        REQUIRE(client.actor<bank::Account>(1).GetBalance({}));
        return used();
      },
      "every connection stands");
  const auto before = client.figures().attempts_of_connection;
  std::vector<Pending<wire::Nothing>> waiting;
  for (int i = 0; i < 64; ++i) waiting.push_back(client.actor<wire::Echo>("spread").WaitAsync({}));
  const auto after = client.figures().attempts_of_connection;
  for (size_t i = 0; i < after.size(); ++i) CHECK(after[i] - before[i] == 16);
  for (const auto& each : waiting) each.cancel();
  for (const auto& each : waiting) CHECK(each.get().error().code == Code::cancelled);
  await(
      [&] {
        REQUIRE(client.actor<wire::Gate>("spread").Open({}));
        return seen(client.actor<wire::Echo>("spread")).waiting() == 0;
      },
      "the turns end");
}

TEST_CASE("a client that closes waits for what may still end, and cancels the rest") {
  ClientNode& node = calls_node();
  Client client = node.client();
  Client other = node.client();
  const auto echo = other.actor<wire::Echo>("closing");
  const auto account = client.actor<bank::Account>(70);
  const auto held = client.actor<wire::Echo>("closing").WaitAsync({});
  const auto quick = account.DepositAsync(cents(1));
  await([&] { return seen(echo).waiting() == 1; }, "Wait waits");
  REQUIRE(quick.get());
  std::thread closing([&] { client.close(60s); });
  // The call that waits keeps it from closing until its caller gives it up.
  await([&] { return !account.Deposit(cents(1)); }, "the client takes no more calls");
  CHECK(account.Deposit(cents(1)).error().message == "the client is closed");
  CHECK_FALSE(held.done());
  held.cancel();
  closing.join();
  CHECK(held.get().error().code == Code::cancelled);

  Client brief = node.client();
  const auto unwanted = brief.actor<wire::Echo>("brief").WaitAsync({});
  await([&] { return seen(other.actor<wire::Echo>("brief")).waiting() == 1; }, "Wait waits");
  brief.close(0ms);
  REQUIRE(unwanted.done());
  CHECK(unwanted.get().error().code == Code::cancelled);
  for (const char* key : {"closing", "brief"})
    await(
        [&] {
          REQUIRE(other.actor<wire::Gate>(key).Open({}));
          return seen(other.actor<wire::Echo>(key)).waiting() == 0;
        },
        "the turns end");
}

TEST_CASE("many threads share one client") {
  Client client = calls_node().client();
  std::vector<std::thread> threads;
  std::atomic<int> failed{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 250; ++i)
        if (!client.actor<bank::Account>(1000 + (t + i) % 8).Deposit(cents(1))) ++failed;
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(failed == 0);
  int64_t sum = 0;
  for (int i = 0; i < 8; ++i) sum += client.actor<bank::Account>(1000 + i).GetBalance({})->cents();
  CHECK(sum == 1000);
}
