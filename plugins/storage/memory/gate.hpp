// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A shared mutex under which a writer is not starved: the platform's prefers readers, and readers that overlap without end
// would keep a writer out for ever. Meets Mutex and SharedMutex as far as std::unique_lock and std::shared_lock need.
#pragma once

#include <atomic>
#include <mutex>
#include <shared_mutex>

namespace orbit::storage_memory {

class Gate {
 public:
  void lock() {
    turn_.lock();
    writer_.store(true, std::memory_order_relaxed);
    readers_.lock();
  }
  void unlock() {
    writer_.store(false, std::memory_order_relaxed);
    readers_.unlock();
    turn_.unlock();
  }
  void lock_shared() {
    if (writer_.load(std::memory_order_relaxed)) std::lock_guard wait(turn_);
    readers_.lock_shared();
  }
  void unlock_shared() { readers_.unlock_shared(); }

 private:
  std::mutex turn_;
  std::shared_mutex readers_;
  std::atomic<bool> writer_ = false;
};

}  // namespace orbit::storage_memory
