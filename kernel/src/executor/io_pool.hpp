// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Threads for what may block, behind a bounded queue.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "orbit/ext/workers.h"

namespace orbit::kernel {

class IoPool {
 public:
  IoPool(size_t threads, size_t queue_max) : thread_count_(threads), queue_max_(queue_max) {}
  ~IoPool() { stop(); }

  void start();
  // Runs what is queued, then joins.
  void stop() noexcept;
  // False when the queue is full or the pool has stopped. What is submitted before start waits for it. [any thread]
  bool submit(orbit_function function, void* ctx) noexcept;

 private:
  struct Task {
    orbit_function function;
    void* ctx;
  };
  void run() noexcept;

  const size_t thread_count_;
  const size_t queue_max_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> queue_;  // guarded by mutex_
  bool stopping_ = false;   // guarded by mutex_
  std::vector<std::thread> threads_;
};

}  // namespace orbit::kernel
