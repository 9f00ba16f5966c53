// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "executor/io_pool.hpp"

#include <pthread.h>

#include <new>
#include <string>

namespace orbit::kernel {

void IoPool::start() {
  for (size_t i = 0; i < thread_count_; ++i) {
    threads_.emplace_back([this] { run(); });
    pthread_setname_np(threads_.back().native_handle(), ("orbit-io-" + std::to_string(i)).c_str());
  }
}

void IoPool::stop() noexcept {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

bool IoPool::submit(orbit_function function, void* ctx) noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || queue_.size() >= queue_max_) return false;
    try {
      queue_.push_back({function, ctx});
    } catch (const std::bad_alloc&) {
      return false;
    }
  }
  wake_.notify_one();
  return true;
}

void IoPool::run() noexcept {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    const Task task = queue_.front();
    queue_.pop_front();
    lock.unlock();
    task.function(task.ctx);
    lock.lock();
  }
}

}  // namespace orbit::kernel
