// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "gate.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

#include "effort.hpp"

namespace orbit::storage_rocksdb {

namespace {

// Two numbers that are equal whenever nobody replaces them; plain, so that ThreadSanitizer sees who meets whom.
struct Database {
  uint64_t one = 0;
  uint64_t two = 0;
  void replace() {
    ++one;
    for (int i = 0; i < 200; ++i) asm volatile("" ::: "memory");  // a reader that slipped in has the time to see it
    ++two;
  }
};

// Replaces the numbers `times` times beside readers, each of which lives for some rounds only.
void replace_beside_readers(Gate& gate, int threads, int times) {
  Database database;
  std::atomic<bool> over{false};
  std::atomic<uint64_t> torn{0}, reads{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < threads; ++i) {
    readers.emplace_back([&] {
      while (!over.load()) {
        std::thread([&] {
          for (int round = 0; round < 2000 && !over.load(); ++round) {
            const std::shared_lock open(gate);
            const std::shared_lock again(gate);  // a visitor of a scan reads on
            torn += database.one != database.two ? 1 : 0;
            ++reads;
          }
        }).join();
      }
    });
  }
  int replaced = 0;
  uint64_t seen = 0;
  while (replaced < times) {
    // Readers have been here since the last time.
    while (reads.load() == seen) std::this_thread::yield();
    std::unique_lock alone(gate, std::defer_lock);
    if (!alone.try_lock()) {
      std::this_thread::yield();
      continue;
    }
    database.replace();
    ++replaced;
    seen = reads.load();
  }
  over = true;
  for (std::thread& reader : readers) reader.join();
  CHECK(torn == 0);
  CHECK(database.two == static_cast<uint64_t>(times));
}

}  // namespace

TEST_CASE("nobody reads while the database is replaced") {
  Gate gate;
  replace_beside_readers(gate, 3, static_cast<int>(testing::with_effort(50'000)));
}

TEST_CASE("a gate with a reader inside is not locked, and one that is locked keeps readers out until it is opened") {
  Gate gate;
  gate.lock_shared();
  CHECK_FALSE(gate.try_lock());
  gate.lock_shared();
  gate.unlock_shared();
  CHECK_FALSE(gate.try_lock());
  gate.unlock_shared();
  REQUIRE(gate.try_lock());
  CHECK_FALSE(gate.try_lock());
  std::atomic<bool> inside{false};
  std::thread reader([&] {
    const std::shared_lock open(gate);
    inside = true;
  });
  CHECK_FALSE(inside.load());
  gate.unlock();
  reader.join();
  CHECK(inside.load());
}

TEST_CASE("more threads than there are places meet none of each other's shares") {
  Gate gate;
  constexpr int kThreads = 200;
  std::atomic<int> holding{0};
  std::atomic<bool> let_go{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      const std::shared_lock open(gate);
      ++holding;
      let_go.wait(false);
    });
  }
  while (holding.load() != kThreads) std::this_thread::yield();
  CHECK_FALSE(gate.try_lock());
  let_go = true;
  let_go.notify_all();
  for (std::thread& thread : threads) thread.join();
  REQUIRE(gate.try_lock());
  gate.unlock();
}

}  // namespace orbit::storage_rocksdb
