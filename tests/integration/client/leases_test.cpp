// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Leases on a real node. What an actor has noted is in memory only: it tells whether the activation is still the same
// one. (Kernel tests have the rest, with a clock that they move.)
#include <optional>

#include "client_node.hpp"

using namespace orbit::test;
using namespace orbit::client;
using namespace std::chrono_literals;
using orbit::Code;

namespace {

int64_t noted(const wire::EchoClient& echo) {
  const auto sight = echo.Seen({});
  REQUIRE_MESSAGE(sight, sight.error().message);
  return sight->noted();
}

void note(const wire::EchoClient& echo) {
  wire::Number number;
  number.set_value(1);
  REQUIRE(echo.Note(number));
  await([&] { return noted(echo) == 1; }, "the note is handled");
}

}  // namespace

TEST_CASE(
    "an actor that a client holds stays in memory, past its idle timeout and its first lease, until it is let go") {
  ClientNode node("idle_timeout_ms = 1000\n");
  Client client = node.client();
  const auto kept = client.actor<wire::Echo>("kept");
  const auto other = client.actor<wire::Echo>("other");
  std::optional<Answer<Lease>> lease = client.hold(kept, {.duration = 1500ms});
  REQUIRE_MESSAGE(*lease, lease->error().message);
  const auto first_until = (*lease)->until();
  note(kept);
  note(other);
  // Asking keeps an actor from being idle, so it is asked seldom; the one that is held is not asked at all.
  await([&] { return noted(other) == 0; }, "the actor that nobody holds leaves memory", 2500ms);
  await([&] { return (*lease)->until() > first_until + 1s; }, "the lease is renewed");
  CHECK_FALSE((*lease)->failure().has_value());
  CHECK(noted(kept) == 1);
  lease.reset();
  await([&] { return noted(kept) == 0; }, "the actor that was let go leaves memory", 2500ms);
}

TEST_CASE("a lease is cut to the node's bound, and holding brings an actor into memory") {
  ClientNode node("", "lease_ms_max = 2000\n");
  Client client = node.client({.leases_max = 1});
  const auto before = std::chrono::steady_clock::now();
  const auto lease = client.hold(client.actor<bank::Account>(1), {.duration = 1h});
  REQUIRE_MESSAGE(lease, lease.error().message);
  CHECK(lease->until() <= std::chrono::steady_clock::now() + 2s);
  CHECK(lease->until() >= before + 2s);
  const auto second = client.hold(client.actor<bank::Account>(2));
  REQUIRE_FALSE(second);
  CHECK(second.error().code == Code::resource_exhausted);
  CHECK(second.error().message == "the client's bound: 1 actors are held (leases_max)");
}

TEST_CASE("leases come back with the node") {
  ClientNode node;
  Client client = node.client({.connect_timeout = 30s, .reconnect_delay_max = 200ms});
  const auto lease = client.hold(client.actor<bank::Account>(1), {.duration = 600ms});
  REQUIRE_MESSAGE(lease, lease.error().message);
  node.process.kill();
  await([&] { return lease->until() < std::chrono::steady_clock::now(); }, "the lease runs out");
  node.process.start();
  await([&] { return lease->until() > std::chrono::steady_clock::now(); }, "the lease is there again");
}

TEST_CASE("what cannot be held is refused with the node's reason") {
  ClientNode node;
  Client client = node.client();
  const auto unknown = client.hold("bank.Nothing", "1");
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().code == Code::not_found);
  CHECK(unknown.error().message == "no actor type 'bank.Nothing' can be called on this node");
  const auto key = client.hold("bank.Account", "seven");
  REQUIRE_FALSE(key);
  CHECK(key.error().code == Code::invalid_argument);
  CHECK(client.hold("bank.Account", "7", {.duration = 0ms}).error().code == Code::invalid_argument);
}
