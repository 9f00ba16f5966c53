// SPDX-License-Identifier: MIT OR BSD-3-Clause
// How fast migrations, backups and checks may read: a limit of bytes a second that can be changed while they run.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>

namespace orbit::kernel {

// [any thread]
class Pace {
 public:
  explicit Pace(uint64_t bytes_per_second = 0) noexcept : bytes_per_second_(bytes_per_second) {}

  // 0: no limit. What waits hears of it within a tenth of a second.
  void set(uint64_t bytes_per_second) noexcept;
  uint64_t bytes_per_second() const noexcept { return bytes_per_second_.load(std::memory_order_relaxed); }
  // So many bytes were read: when the next may be.
  std::chrono::steady_clock::time_point take(uint64_t bytes) noexcept;
  // Takes, and returns when the next may be read, or soon after `stop` (may be null) became true. [a thread that may
  // block]
  void wait(uint64_t bytes, const std::atomic<bool>* stop);

  static constexpr std::chrono::milliseconds kLookAgain{100};
  // The limit that `from` was told under is gone: what is left of the wait is not worth it.
  bool changed_since(uint64_t round) const noexcept { return round_.load(std::memory_order_acquire) != round; }
  uint64_t round() const noexcept { return round_.load(std::memory_order_acquire); }

 private:
  std::atomic<uint64_t> bytes_per_second_;
  std::atomic<uint64_t> round_{0};
  std::mutex mutex_;  // guards what follows
  std::chrono::steady_clock::time_point free_at_{};
};

}  // namespace orbit::kernel
