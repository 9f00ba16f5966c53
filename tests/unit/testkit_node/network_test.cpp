// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The network of the test kit's node, with a plugin that is linked into the test.
#include <doctest/doctest.h>

#include <orbit/testkit/doctest.hpp>
#include <orbit/testkit/node.hpp>
#include <set>
#include <stdexcept>

#include "kit.hpp"
#include "line_protocol.hpp"

using namespace kit;
using namespace std::chrono_literals;
using orbit::testkit::Connection;
using orbit::testkit::Direction;
using orbit::testkit::for_seeds;
using orbit::testkit::Node;
using orbit::testkit::NodeOptions;
using orbit::testkit::seed_is_given;
using orbit::testkit::Unsynced;

namespace {

NodeOptions with_wire(const std::string& config = "listen = '127.0.0.1:7000'") {
  return {.actors = orbit::testkit::actors<TallyActor>(),
          .plugins = {{.linked = &orbit::detail::kDescriptor<LinePlugin>, .config = config}}};
}

std::string refusal(const NodeOptions& options) {
  try {
    const Node node(options);
    return "";
  } catch (const std::runtime_error& error) {
    return error.what();
  }
}

}  // namespace

TEST_CASE("a plugin serves clients, whatever the pieces and delays") {
  for_seeds(50, [](uint64_t seed) {
    Node node(with_wire());
    node.network().set_delay(0ms, 20ms);
    Connection client = node.connect("127.0.0.1:7000");
    client.send("visits 2\nvis");
    client.send("its 3\n");
    CHECK(client.receive_until("\n") == "{\"value\":\"2\"}\n");
    CHECK(client.receive_until("\n") == "{\"value\":\"5\"}\n");
    client.send("visits 1\nBYE\n");
    CHECK(client.receive_rest() == "{\"value\":\"6\"}\n");
    CHECK(client.closed());
    CHECK_FALSE(client.was_reset());
    CHECK(node.call(Tally("visits").get({})).value() == 6);
    if (seed % 2 == 0) CHECK(node.stop().has_value());
  });
}

TEST_CASE("half a close is no close: what was asked before is answered") {
  for_seeds(50, [](uint64_t) {
    Node node(with_wire());
    Connection client = node.connect("127.0.0.1:7000");
    client.send("visits 2\n");
    client.finish();
    client.send("not sent");
    CHECK(client.receive(100) == "{\"value\":\"2\"}\n");
    CHECK(client.closed());
  });
}

TEST_CASE("what a partition holds back arrives after heal, and is answered once") {
  for_seeds(20, [](uint64_t) {
    Node node(with_wire());
    Connection near = node.connect("127.0.0.1:7000");
    Connection far = node.connect("127.0.0.1:7000", "10.0.0.7");
    node.network().partition("10.0.0.7", Direction::from_node);
    for (Connection* client : {&near, &far}) client->send("visits 1\n");
    CHECK(near.receive_until("\n") != "");
    node.advance(10s);
    CHECK(far.received().empty());
    CHECK(node.call(Tally("visits").get({})).value() == 2);
    node.network().heal("10.0.0.7");
    CHECK(far.receive_until("\n") != "");
    node.network().partition(near);
    near.send("visits 1\n");
    node.advance(10s);
    CHECK(node.call(Tally("visits").get({})).value() == 2);
    node.network().heal();
    CHECK(near.receive_until("\n") == "{\"value\":\"3\"}\n");
  });
}

TEST_CASE("a client that vanishes is closed by the idle timeout") {
  Node node(with_wire("listen = '127.0.0.1:7000'\nidle_timeout_ms = 5000"));
  Connection client = node.connect("127.0.0.1:7000");
  client.send("visits 1\n");
  CHECK(client.receive_until("\n") != "");
  node.network().vanish(client);
  node.advance(6s);
  CHECK_FALSE(client.closed());  // nobody tells it
  CHECK(client.receive(1).empty());
}

TEST_CASE("a power cut is not told; who sends afterwards is reset, and what was answered is there") {
  for_seeds(50, [](uint64_t) {
    Node node(with_wire());
    node.network().set_delay(0ms, 5ms);
    Connection client = node.connect("127.0.0.1:7000");
    client.send("visits 1\n");
    CHECK(client.receive_until("\n") != "");
    client.send("visits 1\n");
    node.advance(3ms);
    node.crash(Unsynced::lost);
    const bool answered = !client.received().empty();
    node.advance(1min);
    Connection early = node.connect("127.0.0.1:7000");
    early.send("visits 1\n");
    node.advance(1min);
    CHECK_FALSE(early.closed());
    CHECK_FALSE(client.closed());
    node.restart();
    const std::string now = early.receive_until("\n");
    CHECK((now == "{\"value\":\"3\"}\n" || (!answered && now == "{\"value\":\"2\"}\n")));
    client.send("visits 1\n");
    CHECK(client.receive_rest().size() <= 15);  // the second answer, if it had left
    CHECK(client.was_reset());
    CHECK(node.call(Tally("visits").get({})).value() <= 3);
  });
}

TEST_CASE("an orderly stop closes connections, and until the next start new ones are refused") {
  Node node(with_wire());
  Connection client = node.connect("127.0.0.1:7000");
  client.send("visits 1\n");
  CHECK(client.receive_until("\n") != "");
  REQUIRE(node.stop().has_value());
  CHECK(client.receive_rest().empty());
  CHECK(client.closed());
  Connection refused = node.connect("127.0.0.1:7000");
  node.run_until_idle();
  CHECK(refused.was_reset());
  node.restart();
  Connection again = node.connect("127.0.0.1:7000");
  again.send("visits 1\n");
  CHECK(again.receive_until("\n") == "{\"value\":\"2\"}\n");
}

TEST_CASE("settings, addresses and needs that are wrong are told") {
  CHECK(refusal(with_wire("listn = 'x'")).find("did you mean 'listen'?") != std::string::npos);
  CHECK(refusal(with_wire("listen = '0.0.0.0:7000'")).find("can be reached by other machines") != std::string::npos);
  CHECK(refusal({.plugins = {{.file = "/nowhere.so"}}}).find("/nowhere.so") != std::string::npos);
  Node node(with_wire());
  CHECK_THROWS_AS(static_cast<void>(node.connect("nowhere")), std::invalid_argument);
}

TEST_CASE("a node without plugins has nobody to connect to") {
  Node node({.actors = orbit::testkit::actors<TallyActor>()});
  CHECK_THROWS_AS(static_cast<void>(node.connect("127.0.0.1:7000")), std::invalid_argument);
}

TEST_CASE("a connection may outlive its node") {
  std::optional<Connection> client;
  {
    Node node(with_wire());
    client.emplace(node.connect("127.0.0.1:7000"));
  }
  client->send("visits 1\n");
  CHECK(client->receive_until("\n").empty());
}

TEST_CASE("the same seed gives the same history with clients, and another seed another one") {
  const auto history = [](uint64_t seed) {
    NodeOptions options = with_wire();
    options.seed = seed;
    Node node(options);
    node.network().set_delay(0ms, 10ms);
    std::vector<Connection> clients;
    for (int i = 0; i < 3; ++i) {
      clients.push_back(node.connect("127.0.0.1:7000"));
      clients.back().send("visits 1\nvisits 2\n");
    }
    for (Connection& client : clients) CHECK(client.receive(28).size() == 28);
    node.crash();
    node.restart();
    clients[0].send("visits 1\n");
    clients[0].receive_rest();
    return node.trace_hash();
  };
  std::set<uint64_t> all;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    const uint64_t once = history(seed);
    CHECK(once == history(seed));
    all.insert(once);
  }
  CHECK(all.size() == 10);
}
