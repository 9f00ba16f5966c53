// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The engine's private parts that more than one of its files needs.
#pragma once

#include "engine.hpp"

namespace orbit::lsm {

// One in the queue for the writer's place.
struct Engine::Waiting {
  const WriteOps* ops = nullptr;  // null: only a sync, or the place itself
  bool sync = false;
  bool alone = false;  // wants the writer's place for itself
  bool done = false;
  size_t bytes = 0;
  Result<> result;
  std::condition_variable changed;
};

// The writer's place, from construction to destruction.
class Engine::Turn {
 public:
  explicit Turn(Engine& engine) : engine_(engine) {
    waiting_.alone = true;
    std::unique_lock lock(engine.queue_lock_);
    engine.queue_.push_back(&waiting_);
    waiting_.changed.wait(lock, [&] { return engine.queue_.front() == &waiting_; });
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() {
    const std::lock_guard lock(engine_.queue_lock_);
    engine_.queue_.pop_front();
    if (!engine_.queue_.empty()) engine_.queue_.front()->changed.notify_one();
  }

 private:
  Engine& engine_;
  Waiting waiting_;
};

class Engine::Snapshot final : public StorageSnapshot {
 public:
  Snapshot(Engine& engine, uint64_t sequence) noexcept : sequence_(sequence), engine_(engine) {}
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;
  ~Snapshot() override {
    const std::lock_guard lock(engine_.snapshots_lock_);
    engine_.snapshots_.erase(engine_.snapshots_.find(sequence_));
  }
  static uint64_t sequence_of(const StorageSnapshot* snapshot, const std::atomic<uint64_t>& newest) noexcept {
    return snapshot == nullptr ? newest.load(std::memory_order_acquire)
                               : static_cast<const Snapshot*>(snapshot)->sequence_;
  }

 private:
  const uint64_t sequence_;
  Engine& engine_;
};

}  // namespace orbit::lsm
