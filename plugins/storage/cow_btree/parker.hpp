// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A place where one thread sleeps until another says a number.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <memory>

namespace orbit::cow_btree {

class Parker {
 public:
  // Shared, so that who wakes a thread may still hold it when that thread has gone on and ended.
  static const std::shared_ptr<Parker>& of_this_thread() {
    static thread_local const std::shared_ptr<Parker> mine = std::make_shared<Parker>();
    return mine;
  }
  void reset() noexcept { word_.store(0, std::memory_order_relaxed); }
  uint32_t wait() noexcept {
    for (;;) {
      if (const uint32_t said = word_.load(std::memory_order_acquire); said != 0) return said;
      ::syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word_), FUTEX_WAIT_PRIVATE, 0, nullptr, nullptr, 0);
    }
  }
  void wake(uint32_t what) noexcept {
    word_.store(what, std::memory_order_release);
    ::syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word_), FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  }

 private:
  static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t));
  std::atomic<uint32_t> word_{0};
};

}  // namespace orbit::cow_btree
