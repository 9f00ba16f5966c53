// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Who uses the database, and whether it may be replaced: a reader-writer lock that costs readers two additions on a
// cache line that their thread mostly has to itself. A std::shared_mutex has all of them on one line, and a call at the
// door.
#pragma once

#include <pthread.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace orbit::storage_rocksdb {

// Meets std::shared_lock and std::unique_lock with try_lock. A share is given back on the thread that took it. Nobody
// queues for the whole: who holds a share may take another.
class Gate {
 public:
  void lock_shared() noexcept {
    std::atomic<uint32_t>& users = mine();
    while (users.fetch_add(1, std::memory_order_seq_cst), closed_.load(std::memory_order_seq_cst)) {
      users.fetch_sub(1, std::memory_order_seq_cst);
      closed_.wait(true, std::memory_order_acquire);
    }
  }
  void unlock_shared() noexcept { mine().fetch_sub(1, std::memory_order_release); }

  bool try_lock() noexcept {
    if (closed_.exchange(true, std::memory_order_seq_cst)) return false;
    for (const Slot& slot : slots_) {
      if (slot.users.load(std::memory_order_seq_cst) == 0) continue;
      unlock();
      return false;
    }
    return true;
  }
  void unlock() noexcept {
    closed_.store(false, std::memory_order_release);
    closed_.notify_all();
  }

 private:
  static constexpr size_t kSlots = 16;
  struct alignas(64) Slot {
    std::atomic<uint32_t> users{0};
  };
  std::atomic<uint32_t>& mine() noexcept {
    // Of the thread's own block, whose lowest bits are those of a page.
    const auto self = static_cast<uint64_t>(pthread_self());
    return slots_[(self >> 12) * 0x9e3779b97f4a7c15u >> 60].users;
  }

  std::array<Slot, kSlots> slots_;
  std::atomic<bool> closed_{false};
};

}  // namespace orbit::storage_rocksdb
