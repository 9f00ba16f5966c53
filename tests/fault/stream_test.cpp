// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Streams of a node that is killed: what a room was told is heard by every member once, in its order.
#include <doctest/doctest.h>
#include <stdlib.h>

#include <boost/json.hpp>
#include <chrono>
#include <optional>
#include <random>
#include <thread>

#include "effort.hpp"
#include "node.hpp"
#include "resp_client.hpp"

namespace {

using namespace orbit::fault;
using orbit::testing::with_effort;

constexpr int kMembers = 5;
// The talking goes on until both are reached: a slow machine says less between two kills.
constexpr size_t kKillsMin = with_effort(10);
constexpr uint64_t kMessagesMin = with_effort(100);
constexpr size_t kKillsMax = 100;

// Nothing when the connection was lost.
std::optional<boost::json::object> call(RespClient& client, const std::string& type, const std::string& key,
                                        const std::string& method, const std::string& request) {
  try {
    const Reply reply = client.call({"ACTOR.CALL", type, key, method, request});
    REQUIRE_MESSAGE(reply.kind == Reply::Kind::text, reply.text);
    return boost::json::parse(reply.text).as_object();
  } catch (const ConnectionLost&) {
    return std::nullopt;
  }
}

uint64_t number(const boost::json::object& object, const char* field) {
  const auto* value = object.if_contains(field);
  return value == nullptr ? 0 : std::stoull(std::string(value->as_string()));
}

std::string member(int i) { return "member-" + std::to_string(i); }

// The inbox of a member once it has heard so much, or as it is after a minute.
boost::json::object await_heard(RespClient& client, int i, uint64_t messages) {
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  for (;;) {
    const auto seen = call(client, "chat.Member", member(i), "Inbox", "{}");
    REQUIRE(seen);
    if (number(*seen, "heard") >= messages || std::chrono::steady_clock::now() >= patience) return *seen;
  }
}

}  // namespace

TEST_CASE("every member of a room hears what was said, once and in order, on a node that is killed again and again") {
  const char* text = getenv("ORBIT_FAULT_SEED");
  const uint64_t seed = text != nullptr ? std::stoull(text) : std::random_device{}();
  MESSAGE("ORBIT_FAULT_SEED=" << seed);
  std::mt19937_64 random(seed);
  const Directory folder;
  NodeSettings settings;
  settings.data = folder.path() / "data";
  settings.limits = "idle_timeout_ms = 200\n";
  settings.redis = "[[module]]\npath = \"" ORBIT_CHAT_MODULE "\"\n";
  {
    Node node(folder.path(), settings);
    RespClient client(node.await_ready());
    for (int i = 0; i < kMembers; ++i) REQUIRE(call(client, "chat.Member", member(i), "Join", R"({"room": "lobby", "fromPosition": 1})"));
    REQUIRE(call(client, "chat.Room", "lobby", "Say", R"({"author": "bob", "text": "welcome"})"));
    // A stream keeps for newcomers only so much: the subscriptions must be there before the talking begins.
    for (int i = 0; i < kMembers; ++i) await_heard(client, i, 1);
    node.kill();
  }
  uint64_t answered = 0;
  for (size_t round = 0; round < kKillsMin || (answered < kMessagesMin && round < kKillsMax); ++round) {
    Node node(folder.path(), settings);
    RespClient client(node.await_ready());
    std::thread killer([&node, life = std::chrono::microseconds(1'000 + random() % 300'000)] {
      std::this_thread::sleep_for(life);  // the fault itself: a random moment
      node.kill();
    });
    while (const auto posted = call(client, "chat.Room", "lobby", "Say", R"({"author": "bob", "text": "hello"})"))
      answered = number(*posted, "number");
    killer.join();
  }
  Node node(folder.path(), settings);
  RespClient client(node.await_ready());
  const auto last = call(client, "chat.Room", "lobby", "Say", R"({"author": "bob", "text": "goodbye"})");
  REQUIRE(last);
  const uint64_t said = number(*last, "number");
  CHECK(said > answered);
  for (int i = 0; i < kMembers; ++i) {
    INFO(member(i) << ", seed " << seed);
    const boost::json::object inbox = await_heard(client, i, said);
    CHECK(number(inbox, "heard") == said);
    const auto& messages = inbox.at("inbox").as_array();
    for (size_t m = 0; m < messages.size(); ++m)
      CHECK(number(messages[m].at("message").as_object(), "number") == said - messages.size() + 1 + m);
  }
  MESSAGE(said << " messages to " << kMembers << " members, " << answered << " answered before the last kill");
  CHECK(said > kMessagesMin);
  CHECK(node.stop() == 0);
}
