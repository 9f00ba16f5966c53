// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What an engine that takes its files as an orbit::FileSystem owes to durable batches of many threads: they share
// syncs, and each is durable when it is acknowledged.
#pragma once

#include <doctest/doctest.h>

#include <atomic>
#include <barrier>
#include <condition_variable>
#include <mutex>
#include <orbit/testkit/storage_model.hpp>
#include <thread>
#include <vector>

#include "effort.hpp"
#include "seed.hpp"
#include "support/watched_files.hpp"

namespace orbit::test {

struct GroupCommit {
  size_t batches = 0;
  size_t syncs = 0;
  size_t shared_rounds = 0;
};

// In each round every thread writes a durable batch, on a device whose syncs take so long that all others have come by
// then: the first one's sync is its own, the next one is everybody's. Only the engine knows who is in its queue, and a
// thread may lose its core right before. So no round has to come out like that, but some do, because there are more
// rounds until then, with syncs that take longer; without shared syncs none ever does. What every power cut leaves must
// have what was acknowledged before it.
inline GroupCommit check_group_commit(const testkit::StorageSubject& subject) {
  constexpr size_t kThreads = 8;
  constexpr size_t kSharedRounds = 4;  // are enough
  constexpr size_t kRoundsMax = 100;
  const size_t rounds_min = std::max<size_t>(testing::with_effort(24), 4);
  std::mutex lock;
  std::condition_variable changed;
  size_t to_come = 0;  // in this round
  std::atomic<size_t> syncs{0};
  std::atomic<size_t> patience{100};
  GroupCommit out;
  testkit::FaultyFiles files;
  const auto key_of = [](size_t thread) { return "thread" + std::to_string(thread); };
  {
    WatchedFiles watched(files, [&] {
      ++syncs;
      std::unique_lock guard(lock);
      changed.wait(guard, [&] { return to_come == 0; });
      guard.unlock();
      // They come: a step before the queue, or in it.
      for (size_t i = patience; i > 0; --i) std::this_thread::yield();
    });
    auto engine = subject.open(watched);
    REQUIRE(engine);
    const auto write = [&](const WriteBatch& batch) {
      const auto ops = batch.ops();
      return (*engine)->write(WriteOps(ops.data(), ops.size()), true);
    };
    // What the first write of all does besides is not counted.
    {
      WriteBatch batch;
      batch.put("first", "");
      REQUIRE(write(batch));
    }
    syncs = 0;
    {
      const std::lock_guard guard(lock);
      to_come = kThreads;
    }
    std::atomic<size_t> failures{0};
    std::atomic<bool> more{true};  // changes while all are at the barrier
    size_t rounds = 0;
    const auto next_round = [&]() noexcept {
      ++rounds;
      const size_t in_this_round = syncs - out.syncs;
      out.syncs = syncs;
      if (in_this_round <= 2)
        ++out.shared_rounds;
      else if (patience < 20'000)
        patience = patience * 2;
      const bool enough = rounds >= rounds_min && out.shared_rounds >= kSharedRounds;
      const bool another = !enough && rounds < kRoundsMax && failures == 0;
      more = another;
      const std::lock_guard guard(lock);
      // After the last one a sync is held up by nobody.
      to_come = another ? kThreads : 0;
      changed.notify_all();
    };
    std::barrier together(kThreads, next_round);
    std::vector<std::thread> threads;
    for (size_t t = 0; t < kThreads; ++t)
      threads.emplace_back([&, t] {
        for (size_t round = 1; more; ++round) {
          WriteBatch batch;
          batch.put(key_of(t), std::to_string(round));
          {
            const std::lock_guard guard(lock);
            if (--to_come == 0) changed.notify_all();
          }
          if (!write(batch)) ++failures;
          files.mark(key_of(t), round);
          together.arrive_and_wait();
        }
      });
    for (std::thread& thread : threads) thread.join();
    out.batches = kThreads * rounds;
    CHECK(failures == 0);
    CHECK(out.shared_rounds >= kSharedRounds);
  }

  std::mt19937_64 random(testing::seed_of_this_run());
  testkit::CrashWalk walk(files);
  size_t steps = 0;
  const size_t every = testing::kEffort == testing::Effort::all ? 1 : 5;
  while (walk.step()) {
    if (++steps % every != 0) continue;
    const auto left = walk.crash(testkit::Loss::everything, random);
    left->stop_recording();
    auto engine = subject.open(*left);
    REQUIRE_MESSAGE(engine.has_value(), (engine ? std::string() : engine.error().message));
    for (size_t t = 0; t < kThreads; ++t) {
      const uint64_t acknowledged = walk.mark(key_of(t));
      if (acknowledged == 0) continue;
      std::string value;
      const Result<bool> found =
          (*engine)->get(nullptr, key_of(t), ValueSink({&value, [](void* into, orbit_bytes part) {
                                                          static_cast<std::string*>(into)->append(from_c(part));
                                                        }}));
      REQUIRE(found);
      REQUIRE_MESSAGE(*found, "a batch of thread " << t << " is lost that was acknowledged, at step " << steps);
      CHECK_MESSAGE(std::stoull(value) >= acknowledged, "thread " << t << " at step " << steps);
    }
  }
  CHECK(steps > out.syncs);
  return out;
}

}  // namespace orbit::test
