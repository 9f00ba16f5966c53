// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Nothing that a node acknowledged with durability "sync" is lost, and nothing atomic is torn, when it is killed.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
#include <stdlib.h>

#include <chrono>
#include <memory>
#include <random>
#include <thread>

#include "crash_writer.hpp"
#include "node.hpp"

namespace {

using namespace orbit::fault;

constexpr int kRounds = 50;
constexpr size_t kWriters = 4;

// ORBIT_FAULT_SEED repeats a run as far as the choices of this program go; the scheduler's are its own.
uint64_t chosen_seed() {
  const char* text = getenv("ORBIT_FAULT_SEED");
  return text != nullptr ? std::stoull(text) : std::random_device{}();
}

void verify(uint16_t port, std::vector<std::unique_ptr<CrashWriter>>& writers, std::vector<std::string>& wrong) {
  RespClient client(port);
  for (auto& writer : writers) writer->verify(client, wrong);
  std::vector<std::string> command{"MGET"};
  for (const std::string& key : shared_keys()) command.push_back(key);
  const Reply shared = client.call(command);
  for (const Reply& one : shared.list)
    if (one.kind != shared.list[0].kind || one.text != shared.list[0].text)
      wrong.push_back("the shared keys are torn: '" + one.text + "' and '" + shared.list[0].text + "'");
}

// Lets the writers write and kills the node after `life`.
void write_and_kill(Node& node, uint16_t port, std::vector<std::unique_ptr<CrashWriter>>& writers,
                    std::chrono::microseconds life) {
  std::vector<std::unique_ptr<RespClient>> clients;
  for (size_t i = 0; i < writers.size(); ++i) clients.push_back(std::make_unique<RespClient>(port));
  std::vector<std::thread> threads;
  for (size_t i = 0; i < writers.size(); ++i)
    threads.emplace_back([&writer = *writers[i], &client = *clients[i]] { writer.run(client); });
  std::this_thread::sleep_for(life);  // the fault itself: a random moment
  node.kill();
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

TEST_CASE("a node that is killed at random moments has every acknowledged write and no torn one") {
  const uint64_t seed = chosen_seed();
  MESSAGE("ORBIT_FAULT_SEED=" << seed);
  std::mt19937_64 random(seed);
  const Directory folder;
  NodeSettings settings;
  settings.data = folder.path() / "data";
  // Small enough that kills also hit flushes, compactions and changes of the log.
  settings.storage = "write_buffer_bytes = 262144\nwal.bytes_max = 1048576\n";

  std::vector<std::unique_ptr<CrashWriter>> writers;
  for (size_t i = 0; i < kWriters; ++i) writers.push_back(std::make_unique<CrashWriter>(static_cast<int>(i), random()));

  std::vector<std::string> wrong;
  for (int round = 0; round < kRounds && wrong.empty(); ++round) {
    INFO("round " << round << ", seed " << seed);
    if (random() % 8 == 0) {  // killed while it starts and recovers
      Node starting(folder.path(), settings);
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 100'000));
    }
    Node node(folder.path(), settings);
    const uint16_t port = node.await_ready();
    verify(port, writers, wrong);
    write_and_kill(node, port, writers, std::chrono::microseconds(1'000 + random() % 300'000));
    for (const auto& writer : writers) CHECK_MESSAGE(writer->error().empty(), writer->error());
  }
  Node node(folder.path(), settings);
  verify(node.await_ready(), writers, wrong);
  for (const std::string& one : wrong) FAIL_CHECK(one << " (seed " << seed << ")");

  uint64_t acknowledged = 0;
  for (const auto& writer : writers) acknowledged += writer->acknowledged();
  MESSAGE(acknowledged << " operations were acknowledged");
  CHECK(acknowledged > kRounds * kWriters);
  CHECK(node.stop() == 0);
}
