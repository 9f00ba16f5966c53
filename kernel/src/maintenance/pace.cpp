// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "maintenance/pace.hpp"

#include <algorithm>
#include <thread>

namespace orbit::kernel {

using Clock = std::chrono::steady_clock;

void Pace::set(uint64_t bytes_per_second) noexcept {
  const std::lock_guard lock(mutex_);
  bytes_per_second_.store(bytes_per_second, std::memory_order_relaxed);
  free_at_ = {};  // what was taken under the old limit is forgotten
  round_.fetch_add(1, std::memory_order_release);
}

Clock::time_point Pace::take(uint64_t bytes) noexcept {
  const uint64_t limit = bytes_per_second();
  if (limit == 0) return {};
  const std::lock_guard lock(mutex_);
  free_at_ =
      std::max(free_at_, Clock::now()) +
      std::chrono::nanoseconds(static_cast<int64_t>(1e9 * static_cast<double>(bytes) / static_cast<double>(limit)));
  return free_at_;
}

void Pace::wait(uint64_t bytes, const std::atomic<bool>* stop) {
  const uint64_t round = this->round();
  const Clock::time_point until = take(bytes);
  while (!changed_since(round) && (stop == nullptr || !stop->load(std::memory_order_relaxed))) {
    const auto now = Clock::now();
    if (now >= until) return;
    std::this_thread::sleep_for(std::min<Clock::duration>(until - now, kLookAgain));
  }
}

}  // namespace orbit::kernel
