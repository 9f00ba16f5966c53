// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Subscriptions, and calls over one stream.
#include <thread>

#include "client_node.hpp"

using namespace orbit::test;
using namespace orbit::client;
using namespace std::chrono_literals;
using orbit::Code;

namespace {

void tell(const Client& client, const std::string& stream, int64_t value) {
  wire::Number number;
  number.set_value(value);
  const auto told = client.actor<wire::Echo>(stream).Tell(number, {.deadline = 60s});
  REQUIRE_MESSAGE(told, told.error().message);
}

StreamedEvent<wire::Number> next(const Subscription<wire::Number>& events) {
  auto event = events.next(60s);
  REQUIRE_MESSAGE(event, event.error().message);
  return *event;
}

ClientOptions quick() {
  ClientOptions options;
  options.connect_timeout = 60s;
  options.reconnect_delay_max = 200ms;
  return options;
}

}  // namespace

TEST_CASE("a subscription has the events in order, from a position or from now on") {
  ClientNode node;
  Client client = node.client();
  for (int i = 1; i <= 20; ++i) tell(client, "news", i);
  // With room for two, the client stops reading in between.
  const auto all = client.subscribe<wire::Number>("news", {.from = 1, .events_max = 2});
  for (int i = 1; i <= 20; ++i) {
    const auto event = next(all);
    CHECK(event.message.value() == i);
    CHECK(event.position == static_cast<uint64_t>(i));
    CHECK(event.publisher_type == "wire.Echo");
    CHECK(event.publisher_key == "news");
    CHECK(event.missed == 0);
  }
  CHECK(all.position() == 20);
  const auto later = client.subscribe<wire::Number>("news", {.from = all.position() + 1});
  tell(client, "news", 21);
  CHECK(next(later).message.value() == 21);
  CHECK(next(all).message.value() == 21);
  CHECK(all.next(20ms).error().code == Code::deadline_exceeded);
  all.cancel();
  const auto after = all.next(60s);
  REQUIRE_FALSE(after);
  CHECK(after.error().code == Code::cancelled);
}

TEST_CASE("a subscription goes on where it was when the node comes back") {
  ClientNode node;
  Client client = node.client(quick());
  const auto events = client.subscribe<wire::Number>("news", {.from = 1});
  for (int i = 1; i <= 3; ++i) tell(client, "news", i);
  for (int i = 1; i <= 3; ++i) CHECK(next(events).message.value() == i);
  int expected = 4;
  for (const bool orderly : {true, false}) {
    if (orderly)
      CHECK(node.process.stop() == 0);
    else
      node.process.kill();
    node.process.start();
    Client fresh = node.client();
    for (int i = 0; i < 3; ++i) tell(fresh, "news", expected + i);
    for (int i = 0; i < 3; ++i) {
      const auto event = next(events);
      CHECK(event.message.value() == expected);
      CHECK(event.missed == 0);
      ++expected;
    }
  }
}

TEST_CASE("a subscription that cannot be is ended with the node's reason") {
  ClientNode node;
  Client client = node.client({.subscriptions_max = 1});
  const auto events = client.subscribe<wire::Number>("a");
  const auto second = client.subscribe<wire::Number>("b");
  const auto refused = second.next(60s);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message == "the client's bound: 1 subscriptions are open (subscriptions_max)");
}

TEST_CASE("calls over one stream are answered, refused, cancelled and bounded each for itself") {
  ClientNode node;
  Client client = node.client();
  const CallStream stream = client.open_stream({.calls_max = 3, .tenant = "blue"});
  const auto account = stream.actor<bank::Account>(1);
  const auto balance = account.Deposit(cents(5));
  REQUIRE_MESSAGE(balance, balance.error().message);
  CHECK(balance->cents() == 5);
  CHECK(account.Withdraw(cents(6)).error().code == Code::failed_precondition);
  const auto echo = stream.actor<wire::Echo>("streamed");
  CHECK(echo.Say({})->tenant() == "blue");

  const auto late = echo.Wait({}, {.deadline = 100ms});
  REQUIRE_FALSE(late);
  CHECK(late.error().code == Code::deadline_exceeded);
  const auto one = echo.WaitAsync({});
  const auto two = echo.WaitAsync({});
  const auto three = echo.WaitAsync({});
  const auto four = echo.Wait({});
  REQUIRE_FALSE(four);
  CHECK(four.error().code == Code::resource_exhausted);
  CHECK(four.error().message == "the stream's bound: 3 calls are not answered or not sent yet (calls_max)");
  one.cancel();
  CHECK(one.get().error().code == Code::cancelled);
  CHECK(account.GetBalance({})->cents() == 5);

  node.process.kill();
  for (const auto& each : {two, three}) {
    const auto lost = each.get();
    REQUIRE_FALSE(lost);
    CHECK(lost.error().code == Code::unavailable);
    CHECK(lost.error().may_have_run);
  }
  const auto after = account.GetBalance({});
  REQUIRE_FALSE(after);
  CHECK(after.error().code == Code::unavailable);
  CHECK_FALSE(after.error().may_have_run);
}

TEST_CASE("a thousand calls at once over one stream") {
  ClientNode node;
  Client client = node.client();
  const CallStream stream = client.open_stream();
  std::vector<Pending<bank::Balance>> pending;
  for (int i = 0; i < 1000; ++i)
    pending.push_back(stream.actor<bank::Account>(i % 10).DepositAsync(cents(1), {.deadline = 60s}));
  for (const auto& each : pending) CHECK(each.get());
  for (int i = 0; i < 10; ++i) CHECK(client.actor<bank::Account>(i).GetBalance({})->cents() == 100);
}
