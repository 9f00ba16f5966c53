// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "node/periodic.hpp"

#include <pthread.h>

#include <chrono>

namespace orbit::kernel {

Periodic::Periodic(const char* name, uint64_t every_ns, std::function<void()> function)
    : thread_([this, every_ns, function = std::move(function)] {
        std::unique_lock lock(mutex_);
        while (!changed_.wait_for(lock, std::chrono::nanoseconds(every_ns), [this] { return stop_; })) {
          lock.unlock();
          function();
          lock.lock();
        }
      }) {
  ::pthread_setname_np(thread_.native_handle(), name);
}

Periodic::~Periodic() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

}  // namespace orbit::kernel
