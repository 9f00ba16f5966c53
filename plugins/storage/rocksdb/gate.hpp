// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Who uses the database, and whether it may be replaced: a reader-writer lock that costs readers two plain additions on a cache
// line of their thread's own. Whoever closes it pays instead, with a barrier on all of the process's threads (membarrier(2), as in
// userspace RCU). A std::shared_mutex has all readers on one line, and a call at the door.
#pragma once

#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace orbit::storage_rocksdb {

// Meets std::shared_lock and std::unique_lock with try_lock. A share is given back on the thread that took it. Nobody
// queues for the whole: who holds a share may take another.
class Gate {
 public:
  // without_barriers: as where Linux has no membarrier.
  explicit Gate(bool without_barriers = false) noexcept
      : barriers_(!without_barriers && ::syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0) {}

  void lock_shared() noexcept {
    const uint64_t self = pthread_self();
    if (Slot& slot = own_[place(self, kOwn)]; owns(slot, self)) [[likely]] {
      while (true) {
        add(slot, 1);
        std::atomic_signal_fence(std::memory_order_seq_cst);
        if (!closed_.load(std::memory_order_acquire)) [[likely]] return;
        add(slot, -1);
        closed_.wait(true, std::memory_order_acquire);
      }
    }
    std::atomic<uint32_t>& users = shared_[place(self, kShared)].users;
    while (users.fetch_add(1, std::memory_order_seq_cst), closed_.load(std::memory_order_seq_cst)) {
      users.fetch_sub(1, std::memory_order_seq_cst);
      closed_.wait(true, std::memory_order_acquire);
    }
  }
  void unlock_shared() noexcept {
    const uint64_t self = pthread_self();
    if (Slot& slot = own_[place(self, kOwn)]; slot.owner.load(std::memory_order_relaxed) == self) [[likely]]
      add(slot, -1);
    else
      shared_[place(self, kShared)].users.fetch_sub(1, std::memory_order_release);
  }

  bool try_lock() noexcept {
    if (closed_.exchange(true, std::memory_order_seq_cst)) return false;
    // From here on every thread that has entered is seen to, and every other one sees that it is closed.
    if (barriers_) ::syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
    const auto used = [](const Slot& slot) { return slot.users.load(std::memory_order_seq_cst) != 0; };
    if (std::none_of(own_.begin(), own_.end(), used) && std::none_of(shared_.begin(), shared_.end(), used)) return true;
    unlock();
    return false;
  }
  void unlock() noexcept {
    closed_.store(false, std::memory_order_release);
    closed_.notify_all();
  }

 private:
  static constexpr size_t kOwn = 64;
  static constexpr size_t kShared = 16;
  struct alignas(64) Slot {
    std::atomic<uint64_t> owner{0};  // a thread, for good: one that gets the id of one that ended gets its slot, too
    std::atomic<uint32_t> users{0};
  };

  // Of the thread's own block, whose lowest bits are those of a page.
  static size_t place(uint64_t thread, size_t slots) noexcept { return (thread >> 12) * 0x9e3779b97f4a7c15u >> 32 & (slots - 1); }
  // Nobody else writes to it.
  static void add(Slot& slot, int32_t by) noexcept {
    slot.users.store(slot.users.load(std::memory_order_relaxed) + static_cast<uint32_t>(by), std::memory_order_release);
  }
  bool owns(Slot& slot, uint64_t self) noexcept {
    uint64_t owner = slot.owner.load(std::memory_order_relaxed);
    if (owner == self) [[likely]] return true;
    return owner == 0 && barriers_ && slot.owner.compare_exchange_strong(owner, self, std::memory_order_relaxed);
  }

  const bool barriers_;
  std::array<Slot, kOwn> own_;
  std::array<Slot, kShared> shared_;  // for threads whose own is another's, and where there are no barriers
  std::atomic<bool> closed_{false};
};

}  // namespace orbit::storage_rocksdb
