// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Who still reads what. A clock ticks with every commit and every eviction; a reader notes the time at which it began. What
// was taken out of use at time t may be reused when every reader began at t or later.
//
// A reader is either *protected* (pointers to pages in the cache stay valid) or *relaxed* (only the pages of its version are
// kept in the file; to look at one it must be protected again, or pin it).
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <thread>

#include "format.hpp"

namespace orbit::cow_btree {

constexpr size_t kReadersMax = 256;

// The tree's root and number of levels in one word, so that both change at once.
struct Root {
  PageId page = 0;
  uint32_t levels = 0;

  uint64_t packed() const noexcept { return uint64_t{levels} << 32 | page; }
  static Root of(uint64_t packed) noexcept { return {static_cast<PageId>(packed), static_cast<uint32_t>(packed >> 32)}; }
};

class Readers {
 public:
  // Times.
  uint64_t now() const noexcept { return clock_.load(); }
  uint64_t tick() noexcept { return clock_.fetch_add(1) + 1; }

  // The newest state. [writer]
  void publish(Root root) noexcept { root_.store(root.packed()); }
  Root newest() const noexcept { return Root::of(root_.load()); }

  // The beginning of the oldest protected reader: frames evicted at or before it may be reused.
  uint64_t oldest_protected() const noexcept {
    uint64_t oldest = now();
    for (const auto& slot : slots_) {
      const uint64_t seen = slot.value.load();
      if (seen != 0 && (seen & 1) == 0 && seen >> 1 < oldest) oldest = seen >> 1;
    }
    return oldest;
  }
  // The beginning of the oldest reader or snapshot: pages freed at or before it may be reused.
  uint64_t oldest() {
    uint64_t oldest = now();
    for (const auto& slot : slots_) {
      const uint64_t seen = slot.value.load();
      if (seen != 0 && seen >> 1 < oldest) oldest = seen >> 1;
    }
    // After the slots: a reader that became a snapshot meanwhile is seen here.
    const std::lock_guard lock(snapshots_lock_);
    if (!snapshots_.empty() && snapshots_.begin()->first < oldest) oldest = snapshots_.begin()->first;
    return oldest;
  }
  void add_snapshot(uint64_t began) {
    const std::lock_guard lock(snapshots_lock_);
    ++snapshots_[began];
  }
  void drop_snapshot(uint64_t began) {
    const std::lock_guard lock(snapshots_lock_);
    if (const auto at = snapshots_.find(began); --at->second == 0) snapshots_.erase(at);
  }

 private:
  friend class Reader;
  struct alignas(64) Slot {
    std::atomic<uint64_t> value{0};  // 0: free; otherwise time * 2 + relaxed
  };

  std::atomic<uint64_t> clock_{1};
  std::atomic<uint64_t> root_{0};
  std::array<Slot, kReadersMax> slots_;
  std::mutex snapshots_lock_;
  std::map<uint64_t, size_t> snapshots_;  // time -> how many
};

// Reading, from construction to destruction; begins protected. Belongs to one thread.
class Reader {
 public:
  explicit Reader(Readers& readers) : readers_(readers) {
    static std::atomic<uint32_t> next{0};
    static thread_local const uint32_t preferred = next.fetch_add(1, std::memory_order_relaxed);
    for (uint32_t tries = 0; tries < kReadersMax * 64; ++tries) {
      auto& slot = readers.slots_[(preferred + tries) % kReadersMax].value;
      uint64_t expected = 0;
      value_ = readers.clock_.load() << 1;
      if (slot.load(std::memory_order_relaxed) == 0 && slot.compare_exchange_strong(expected, value_)) {
        slot_ = &slot;
        return;
      }
      if (tries % kReadersMax == kReadersMax - 1) std::this_thread::yield();
    }
    raise(Code::resource_exhausted, "more than " + std::to_string(kReadersMax) + " gets and scans at the same time");
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader() { slot_->store(0, std::memory_order_release); }

  Root newest() const noexcept { return readers_.newest(); }
  uint64_t began() const noexcept { return value_ >> 1; }
  void relax() noexcept { slot_->store(value_ | 1); }
  void protect() noexcept { slot_->store(value_); }

 private:
  Readers& readers_;
  std::atomic<uint64_t>* slot_ = nullptr;
  uint64_t value_ = 0;
};

}  // namespace orbit::cow_btree
