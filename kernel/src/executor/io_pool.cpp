// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "executor/io_pool.hpp"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <new>
#include <string>

namespace orbit::kernel {

namespace {

// Linux's sched_attr in its first version; <linux/sched/types.h>, which has it, and <sched.h> exclude each other.
struct SchedulingAttributes {
  uint32_t size;
  uint32_t policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime_ns;
  uint64_t deadline_ns;
  uint64_t period_ns;
};

// What runs here is short, and somebody waits for it. Where actors that compute have taken every core it would wait for the end of
// another thread's slice of time, milliseconds; a thread that asks for short slices runs sooner, and not for longer in all. Linux
// has it since 6.12, for SCHED_OTHER (sched_attr(2), runtime); older ones take no notice.
void ask_for_short_slices() noexcept {
  constexpr uint64_t kLeastNs = 100'000;  // that Linux takes
  if (::sched_getscheduler(0) != SCHED_OTHER) return;
  SchedulingAttributes attributes{};
  attributes.size = sizeof attributes;
  attributes.policy = SCHED_OTHER;
  attributes.nice = ::getpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()));
  attributes.runtime_ns = kLeastNs;
  ::syscall(SYS_sched_setattr, 0, &attributes, 0);
}

}  // namespace

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
  ask_for_short_slices();
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
