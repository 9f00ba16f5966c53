// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Full mailboxes, dead letters, activations that fail.
#include <doctest/doctest.h>

#include <cstdio>
#include <fstream>

#include "sim_node.hpp"
#include "state/record_format.hpp"

using namespace test;

namespace {

void publish_dropping(SimNode& node) {
  auto* type = const_cast<orbit_actor_type*>(cell_type("dropping", ORBIT_DURABILITY_NONE));
  type->overload = ORBIT_OVERLOAD_DROP_OLDEST;
  type->mailbox_max = 4;
  const orbit_actor_type* types[] = {type};
  REQUIRE(node.runtime.publish_module("dropping", "1", "dropping.so", types));
}

size_t lines_of(const std::string& path) {
  std::ifstream file(path);
  size_t lines = 0;
  for (std::string line; std::getline(file, line);) ++lines;
  return lines;
}

}  // namespace

TEST_CASE("drop oldest: a full mailbox lets go of the oldest one-way message, and counts and keeps it") {
  Disk disk;
  SimNode node(disk, 1);
  publish_dropping(node);
  node.send(0, "dropping", "a", kSleep);
  asleep(node, "dropping", "a");
  const auto call = node.send(0, "dropping", "a", kAdd, 1000);
  node.pass_ms(1);
  for (int i = 0; i < 6; ++i) node.post("dropping", "a", kAdd, int64_t{1} << i);
  CHECK(metric(node, "orbit_dead_letters_total") == 3);
  node.wake("dropping", "a");
  CHECK(node.wait(call).value == 1000);  // a call is never dropped
  CHECK(node.call("dropping", "a", kGet).value == 1000 + 8 + 16 + 32);
  const auto& kept = node.runtime.scheduler(0).dead_letters().kept();
  REQUIRE(kept.size() == 3);
  CHECK(kept[0].type->name == "dropping");
  CHECK(kept[0].key == "a");
  CHECK(kept[0].code == ORBIT_RESOURCE_EXHAUSTED);
  CHECK(kept[0].reason.find("mailbox_max") != std::string::npos);
}

TEST_CASE("drop oldest: when only calls wait the new message is refused") {
  Disk disk;
  SimNode node(disk, 2);
  publish_dropping(node);
  node.send(0, "dropping", "a", kSleep);
  asleep(node, "dropping", "a");
  std::vector<std::shared_ptr<Answer>> calls;
  for (int i = 0; i < 5; ++i) calls.push_back(node.send(0, "dropping", "a", kAdd, 1));
  CHECK(node.wait(calls[4]).code == ORBIT_RESOURCE_EXHAUSTED);
  node.post("dropping", "a", kAdd, 1);
  CHECK(metric(node, "orbit_dead_letters_total") == 1);
  node.wake("dropping", "a");
  CHECK(node.wait(calls[3]).value == 4);
}

TEST_CASE("a one-way message that is refused is a dead letter; a call is not, its caller hears of it") {
  Disk disk;
  SimNode node(disk, 3);
  node.post("nobody", "a", kAdd, 1);
  node.post("async", "refused", kAdd, 1);
  node.pass_ms(10);
  node.call("nobody", "a", kGet);
  CHECK(metric(node, "orbit_dead_letters_total") == 2);
  std::string text;
  node.runtime.append_metrics(text);
  CHECK(text.find("orbit_dead_letters_total{worker=\"0\",code=\"NOT_FOUND\"} 1") != std::string::npos);
  CHECK(text.find("orbit_dead_letters_total{worker=\"0\",code=\"INVALID_ARGUMENT\"} 1") != std::string::npos);
}

TEST_CASE("dead letters are logged once a second at most, with how many were not; few are kept") {
  const std::string path = std::string(std::tmpnam(nullptr)) + ".log";
  orbit_envelope envelope{};
  {
    LogOptions options;
    options.file = path;
    auto log = Log::open(options);
    REQUIRE(log);
    DeadLetters letters(&(*log)->logger("actors"));
    for (int i = 0; i < 1000; ++i) letters.add(&envelope, ORBIT_NOT_FOUND, "nobody", 5000);
    letters.add(&envelope, ORBIT_NOT_FOUND, "nobody", 6100);
    CHECK(letters.kept().size() == DeadLetters::kKeptMax);
    CHECK(letters.count(ORBIT_NOT_FOUND).get() == 1001);
  }
  CHECK(lines_of(path) == 2);
  std::ifstream file(path);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  CHECK(text.find("not_logged_since=999") != std::string::npos);
  std::remove(path.c_str());
}

TEST_CASE("an activation that fails to load is tried again with back-off, and its callers hear why at once") {
  Disk disk;
  std::string main_key;
  {
    SimNode node(disk, 4);
    node.call("sync", "a", kAdd, 1);
    for (const auto& [key, value] : disk.data)
      if (key[0] == kMainSpace) main_key = key;
  }
  const std::string good = disk.data[main_key];
  disk.data[main_key] = good.substr(0, good.size() - 3);
  SimNode node(disk, 5);
  const uint64_t begin_ns = node.executor.monotonic_ns();
  int calls = 0;
  for (; node.executor.monotonic_ns() < begin_ns + 5'000'000'000; ++calls) {
    const Answer& answer = node.call("sync", "a", kGet);
    CHECK(answer.code == ORBIT_DATA_LOSS);
    CHECK(answer.message.find("16 bytes") != std::string::npos);
    node.pass_ms(1);
  }
  CHECK(calls > 500);
  // 20 ms, doubled each time, each spread over half to one and a half of it.
  CHECK(metric(node, "orbit_state_loads_total") >= 6);
  CHECK(metric(node, "orbit_state_loads_total") <= 12);
  CHECK(node.call("sync", "a", kGet).message.find("tried again in") != std::string::npos);
  disk.data[main_key] = good;
  node.pass_ms(16'000);
  CHECK(node.call("sync", "a", kGet).value == 1);
  CHECK(node.call("sync", "b", kAdd, 1).value == 1);
}

TEST_CASE("how many failed activations are remembered is bounded") {
  FailedLoads failed;
  for (uint64_t i = 0; i < 3 * FailedLoads::kMax; ++i) failed.failed(i, "k", {orbit::Code::internal, "broken"}, i, i * 7919);
  CHECK(failed.size() <= FailedLoads::kMax);
}

TEST_CASE("a storm of activations of one type does not keep another type waiting") {
  Disk disk;
  RuntimeOptions options;
  options.loads_max = 4;
  SimNode node(disk, 6, 1, options);
  std::vector<std::shared_ptr<Answer>> storm;
  for (int i = 0; i < 2000; ++i) storm.push_back(node.send(0, "async", "k" + std::to_string(i), kAdd, 1));
  const auto other = node.send(0, "sync", "a", kAdd, 1);
  CHECK(node.wait(other).value == 1);
  const auto loaded = std::count_if(storm.begin(), storm.end(), [](const auto& answer) { return answer->arrived; });
  CHECK(loaded < 200);
  for (const auto& answer : storm) CHECK(node.wait(answer).code == ORBIT_OK);
}
