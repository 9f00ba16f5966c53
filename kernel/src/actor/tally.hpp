// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A counter of one worker.
#pragma once

#include <atomic>
#include <cstdint>

namespace orbit::kernel {

// Written by one worker, read by anyone: no read-modify-write instruction.
class Tally {
 public:
  void add(uint64_t amount = 1) noexcept { next(amount); }
  // What it was before.
  uint64_t next(uint64_t amount = 1) noexcept {
    const uint64_t before = value_.load(std::memory_order_relaxed);
    value_.store(before + amount, std::memory_order_relaxed);
    return before;
  }
  void set(uint64_t value) noexcept { value_.store(value, std::memory_order_relaxed); }
  uint64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

}  // namespace orbit::kernel
