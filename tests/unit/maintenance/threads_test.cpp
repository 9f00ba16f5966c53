// SPDX-License-Identifier: MIT OR BSD-3-Clause
// An online migration with real threads: workers that commit, an I/O pool that writes and copies.
#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <random>
#include <thread>

#include "executor/asio_executor.hpp"
#include "maintenance/online_migration.hpp"
#include "sim_node.hpp"

using namespace test;

namespace {

// A Disk that several threads may use.
struct SharedDisk {
  std::mutex mutex;
  Disk disk;

  static SharedDisk& of(void* self) { return *static_cast<SharedDisk*>(self); }
  Engine engine(const char* name) { return {name, &kTable, nullptr, this}; }
  static const orbit_storage_v1 kTable;
};

const orbit_storage_v1 SharedDisk::kTable = {
    sizeof(orbit_storage_v1),
    0,
    [](void* self, orbit_snapshot* snapshot, orbit_bytes key, orbit_sink value, orbit_error* error) {
      const std::lock_guard lock(of(self).mutex);
      return Disk::kTable.get(&of(self).disk, snapshot, key, value, error);
    },
    nullptr,
    [](void* self, orbit_snapshot* snapshot, orbit_bytes from, orbit_bytes to, int reverse, orbit_visit_entry visit, void* ctx,
       orbit_error* error) {
      const std::lock_guard lock(of(self).mutex);
      return Disk::kTable.scan(&of(self).disk, snapshot, from, to, reverse, visit, ctx, error);
    },
    [](void* self, const orbit_write_op* ops, size_t count, int sync, orbit_error* error) {
      const std::lock_guard lock(of(self).mutex);
      return Disk::kTable.write(&of(self).disk, ops, count, sync, error);
    },
    [](void* self, orbit_error* error) {
      const std::lock_guard lock(of(self).mutex);
      return Disk::kTable.sync(&of(self).disk, error);
    },
    [](void* self, orbit_error* error) {
      const std::lock_guard lock(of(self).mutex);
      return Disk::kTable.recover(&of(self).disk, error);
    },
    [](void* self) -> uint64_t {
      const std::lock_guard lock(of(self).mutex);
      return Disk::kTable.size_bytes(&of(self).disk);
    },
};

// Commits one change after the other on its worker, and remembers what was acknowledged.
struct Client : Submission {
  Committer* committer = nullptr;
  std::atomic<bool>* stopping = nullptr;
  std::atomic<int>* left = nullptr;
  std::mt19937 random;
  std::map<std::string, std::string> acknowledged;
  std::pair<std::string, std::string> now;
  struct Begin : Job {
    Client* client = nullptr;
  } begin;

  void next() {
    batch.clear();
    now = {"a" + std::to_string(worker) + "-" + std::to_string(random() % 300), std::to_string(random())};
    if (random() % 8 == 0) now.second.clear();
    if (now.second.empty())
      batch.remove(now.first);
    else
      batch.put(now.first, now.second);
    sync = keep_trying = true;
    done = [](Submission* submission) noexcept {
      auto* client = static_cast<Client*>(submission);
      if (client->now.second.empty())
        client->acknowledged.erase(client->now.first);
      else
        client->acknowledged[client->now.first] = client->now.second;
      if (client->stopping->load())
        --*client->left;
      else
        client->next();
    };
    committer->submit(this);
  }
};

}  // namespace

TEST_CASE("threads that commit all the while lose nothing to a migration") {
  SharedDisk first;
  SharedDisk second;
  for (int i = 0; i < 3000; ++i) first.disk.data["b" + std::to_string(i)] = std::to_string(i);
  AsioExecutor executor({.workers = 2, .io_threads = 4});
  Committer committer(executor, first.engine("first"));
  executor.start();
  std::atomic<bool> stopping{false};
  std::atomic<int> left{2};
  std::array<Client, 2> clients;
  for (uint32_t worker = 0; worker < clients.size(); ++worker) {
    Client& client = clients[worker];
    client.committer = &committer;
    client.stopping = &stopping;
    client.left = &left;
    client.random.seed(worker);
    client.worker = worker;
    client.begin.client = &client;
    client.begin.run = [](Job* job) noexcept { static_cast<Client::Begin*>(job)->client->next(); };
    executor.post(worker, &client.begin, &client.begin);
  }
  {
    OnlineMigration migration(executor, committer, second.engine("second"), {50, 1u << 20});
    REQUIRE(migration.start());
    while (migration.running()) std::this_thread::yield();
    CHECK(migration.status().error == "");
    CHECK(migration.status().stage == OnlineMigration::Stage::done);
    migration.stop();
  }
  stopping = true;
  while (left != 0) std::this_thread::yield();
  executor.stop();
  CHECK(committer.engine().name == "second");
  std::map<std::string, std::string> expected;
  for (int i = 0; i < 3000; ++i) expected["b" + std::to_string(i)] = std::to_string(i);
  for (const Client& client : clients) expected.insert(client.acknowledged.begin(), client.acknowledged.end());
  std::erase_if(second.disk.data, [](const auto& entry) { return entry.first.starts_with(kNoteSpace); });
  CHECK(second.disk.data == expected);
}
