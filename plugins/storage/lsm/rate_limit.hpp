// SPDX-License-Identifier: MIT OR BSD-3-Clause
// How fast flushes and compactions write, together.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>

namespace orbit::lsm {

// The time that the limit counts in. Tests have their own.
struct RateClock {
  using Time = std::chrono::steady_clock::time_point;
  std::function<Time()> now;              // empty: steady_clock
  std::function<void(Time)> sleep_until;  // empty: sleeps
};

class RateLimit {
 public:
  RateLimit(uint64_t bytes_per_second, RateClock clock)
      : bytes_per_second_(bytes_per_second), clock_(std::move(clock)) {}

  // [any thread] Returns when the bytes that were taken before have had their time.
  void take(size_t bytes) {
    if (bytes_per_second_ == 0) return;
    std::unique_lock lock(lock_);
    const RateClock::Time until = std::max(free_at_, clock_.now ? clock_.now() : std::chrono::steady_clock::now());
    free_at_ = until + std::chrono::nanoseconds(static_cast<int64_t>(1e9 * static_cast<double>(bytes) /
                                                                     static_cast<double>(bytes_per_second_)));
    if (!clock_.sleep_until) {
      lifted_changed_.wait_until(lock, until, [&] { return lifted_; });
    } else if (!lifted_) {
      lock.unlock();
      clock_.sleep_until(until);
    }
  }

  // [any thread] From now on there is no limit, also for those who wait.
  void lift() {
    const std::lock_guard lock(lock_);
    lifted_ = true;
    lifted_changed_.notify_all();
  }

 private:
  const uint64_t bytes_per_second_;
  const RateClock clock_;
  std::mutex lock_;
  std::condition_variable lifted_changed_;
  RateClock::Time free_at_{};
  bool lifted_ = false;
};

}  // namespace orbit::lsm
