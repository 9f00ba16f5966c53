// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What a node keeps when it is killed: with durability "sync" everything that it acknowledged, with "async" what was there at
// some earlier moment of each key; nothing that is atomic is ever torn.
#include <doctest/doctest.h>
#include <stdlib.h>

#include <chrono>
#include <memory>
#include <random>
#include <thread>

#include "crash_writer.hpp"
#include "effort.hpp"
#include "node.hpp"

namespace {

using namespace orbit::fault;
using orbit::testing::with_effort;

constexpr size_t kWriters = 4;

// ORBIT_FAULT_SEED repeats a run as far as the choices of this program go; the scheduler's are its own.
uint64_t chosen_seed() {
  const char* text = getenv("ORBIT_FAULT_SEED");
  return text != nullptr ? std::stoull(text) : std::random_device{}();
}

// Lets the writers write and kills the node after `life`.
void write_and_kill(Node& node, uint16_t port, std::vector<CrashWriter>& writers, std::chrono::microseconds life) {
  std::vector<std::unique_ptr<RespClient>> clients;
  for (size_t i = 0; i < writers.size(); ++i) clients.push_back(std::make_unique<RespClient>(port));
  std::vector<std::thread> threads;
  for (size_t i = 0; i < writers.size(); ++i)
    threads.emplace_back([&writer = writers[i], &client = *clients[i]] { writer.run(client); });
  std::this_thread::sleep_for(life);  // the fault itself: a random moment
  node.kill();
  for (std::thread& thread : threads) thread.join();
}

struct Rounds {
  std::string durability;
  int workers;
  size_t kills;
  std::string redis;
};

struct Evidence {
  uint64_t acknowledged = 0;
  uint64_t kept = 0;  // as of the last verification
};

Evidence evidence_of(const std::vector<CrashWriter>& writers) {
  Evidence sum;
  for (const CrashWriter& writer : writers) {
    sum.acknowledged += writer.acknowledged();
    sum.kept += writer.kept();
  }
  return sum;
}

bool tells_enough(const Evidence& evidence, const Rounds& rounds) {
  return evidence.acknowledged > rounds.kills * kWriters && evidence.kept > rounds.kills;
}

void kill_at_random_moments(const Rounds& rounds) {
  const uint64_t seed = chosen_seed();
  MESSAGE("ORBIT_FAULT_SEED=" << seed << ", " << rounds.durability << ", workers " << rounds.workers);
  std::mt19937_64 random(seed);
  const Directory folder;
  NodeSettings settings;
  settings.durability = rounds.durability;
  settings.workers = rounds.workers;
  settings.data = folder.path() / "data";
  // Small enough that kills also hit flushes, compactions and changes of the log, and that what is read is often cold.
  settings.storage = "write_buffer_bytes = 1048576\nblock_cache_bytes = 1048576\nwal.bytes_max = 4194304\n";
  settings.redis = "key_idle_timeout_ms = 1\n" + rounds.redis;
  const bool may_lose = rounds.durability != "sync";

  std::vector<CrashWriter> writers;
  for (size_t i = 0; i < kWriters; ++i) writers.emplace_back(static_cast<int>(i), random());
  std::vector<std::string> wrong;
  const auto verify = [&](uint16_t port) {
    RespClient client(port);
    for (CrashWriter& writer : writers) writer.verify(client, may_lose, wrong);
    verify_shared_keys(client, wrong);
  };

  // A slow machine ends lives before much was written: then more of them follow, up to a bound.
  const auto more = [&](size_t round) {
    return round < rounds.kills || (round < rounds.kills + 20 && !tells_enough(evidence_of(writers), rounds));
  };
  for (size_t round = 0; more(round) && wrong.empty(); ++round) {
    INFO("round " << round << ", seed " << seed);
    if (random() % 8 == 0) {  // killed while it starts and recovers
      Node starting(folder.path(), settings);
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 100'000));
    }
    Node node(folder.path(), settings);
    const uint16_t port = node.await_ready();
    verify(port);
    write_and_kill(node, port, writers, std::chrono::microseconds(1'000 + random() % 400'000));
    for (const CrashWriter& writer : writers) REQUIRE_MESSAGE(writer.error().empty(), writer.error());
  }
  Node node(folder.path(), settings);
  verify(node.await_ready());
  for (const std::string& one : wrong) FAIL_CHECK(one << " (seed " << seed << ")");

  const Evidence evidence = evidence_of(writers);
  MESSAGE(evidence.acknowledged << " operations were acknowledged, " << evidence.kept << " on keys of one writer were kept");
  CHECK(tells_enough(evidence, rounds));
  CHECK(node.stop() == 0);
}

}  // namespace

TEST_CASE("a node with one worker that is killed has every acknowledged write and no torn one") {
  kill_at_random_moments({"sync", 1, with_effort(20), ""});
}

TEST_CASE("a node with two workers that is killed has every acknowledged write and no torn one") {
  kill_at_random_moments({"sync", 2, with_effort(30), ""});
}

TEST_CASE("a node with asynchronous durability that is killed has an earlier state of every key and none that is torn") {
  kill_at_random_moments({"async", 1, with_effort(6), "flush_delay_ms = 20\n"});
  kill_at_random_moments({"async", 2, with_effort(9), "flush_delay_ms = 20\n"});
}
