// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Reminders of a node that is killed: every tick has its turn, once, in its order, whenever the node dies.
#include <doctest/doctest.h>
#include <stdlib.h>

#include <boost/json.hpp>
#include <chrono>
#include <random>
#include <thread>

#include "effort.hpp"
#include "node.hpp"
#include "resp_client.hpp"

namespace {

using namespace orbit::fault;
using orbit::testing::with_effort;

constexpr int kDevices = 40;
constexpr size_t kKills = with_effort(12);
constexpr uint64_t kPeriodMs = 100;

boost::json::object call(RespClient& client, int device, const std::string& method, const std::string& request) {
  const Reply reply = client.call({"ACTOR.CALL", "iot.Device", "device-" + std::to_string(device), method, request});
  REQUIRE_MESSAGE(reply.kind == Reply::Kind::text, reply.text);
  return boost::json::parse(reply.text).as_object();
}

uint64_t number(const boost::json::object& object, const char* field) {
  const auto* value = object.if_contains(field);
  if (value == nullptr) return 0;
  return value->is_string() ? std::stoull(std::string(value->as_string())) : value->to_number<uint64_t>();
}

}  // namespace

TEST_CASE("reminders of a node that is killed again and again tick exactly once each") {
  const char* text = getenv("ORBIT_FAULT_SEED");
  const uint64_t seed = text != nullptr ? std::stoull(text) : std::random_device{}();
  MESSAGE("ORBIT_FAULT_SEED=" << seed);
  std::mt19937_64 random(seed);
  const Directory folder;
  NodeSettings settings;
  settings.data = folder.path() / "data";
  settings.limits = "idle_timeout_ms = 50\n";
  settings.redis = "[[module]]\npath = \"" ORBIT_IOT_MODULE "\"\n";
  {
    Node node(folder.path(), settings);
    RespClient client(node.await_ready());
    for (int i = 0; i < kDevices; ++i) call(client, i, "Sample", "{\"periodMs\": " + std::to_string(kPeriodMs) + "}");
    node.kill();
  }
  for (size_t round = 0; round < kKills; ++round) {
    Node node(folder.path(), settings);
    if (random() % 4 != 0) static_cast<void>(node.await_ready());
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 500'000));  // the fault itself: a random moment
    node.kill();
  }
  Node node(folder.path(), settings);
  RespClient client(node.await_ready());
  const auto now_ms = static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count());
  uint64_t samples = 0;
  for (int i = 0; i < kDevices; ++i) {
    INFO("device " << i << ", seed " << seed);
    // What it missed comes turn by turn.
    boost::json::object status;
    const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    do status = call(client, i, "Status", "{}");
    while (number(status, "lastSampleMs") + kPeriodMs < now_ms && std::chrono::steady_clock::now() < patience);
    CHECK(number(status, "lastSampleMs") + kPeriodMs >= now_ms);
    CHECK(number(status, "sampleGaps") == 0);
    CHECK(number(status, "samples") ==
          (number(status, "lastSampleMs") - number(status, "firstSampleMs")) / kPeriodMs + 1);
    samples += number(status, "samples");
  }
  MESSAGE(samples << " samples of " << kDevices << " devices, none twice and none missing");
  CHECK(samples > kDevices * kKills);
  CHECK(node.stop() == 0);
}
