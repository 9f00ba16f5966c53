// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What was read from tables and is kept: blocks and parts of indexes. There is no hash table: whoever knows where an
// entry belongs (a table its index parts, an index part its blocks) has a slot that points to it while it is cached, so
// that a hit is one load. Readers hold an Epochs::Guard or a reference; eviction is CLOCK, in shards.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "epochs.hpp"

namespace orbit::lsm {

class CacheEntry;

// Slots that outlive whoever made them as long as an entry may point back here.
class SlotArray {
 public:
  static SlotArray* make(size_t count) { return new SlotArray(count); }
  // What is in them is of no more use. Ends the maker's reference.
  void abandon() noexcept {
    dead_.store(true, std::memory_order_relaxed);
    release();
  }
  CacheEntry* get(size_t index) const noexcept { return slots_[index].load(std::memory_order_acquire); }

 private:
  friend class Cache;
  friend class CacheEntry;
  explicit SlotArray(size_t count) : slots_(new std::atomic<CacheEntry*>[count]()) {}
  void release() noexcept {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  std::atomic<uint32_t> references_{1};
  std::atomic<bool> dead_{false};
  const std::unique_ptr<std::atomic<CacheEntry*>[]> slots_;
};

class CacheEntry {
 public:
  CacheEntry() = default;
  CacheEntry(const CacheEntry&) = delete;
  CacheEntry& operator=(const CacheEntry&) = delete;
  virtual ~CacheEntry() {
    if (home_ != nullptr) home_->release();
  }
  void hold() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  void touch() noexcept {
    if (!used_.load(std::memory_order_relaxed)) used_.store(true, std::memory_order_relaxed);
  }

 private:
  friend class Cache;
  std::atomic<uint32_t> references_{1};
  std::atomic<bool> used_{false};
  SlotArray* home_ = nullptr;
  size_t index_ = 0;
  size_t bytes_ = 0;
};

// A reference to an entry.
template <class T>
class Held {
 public:
  Held() = default;
  // Takes over a reference.
  explicit Held(T* entry) noexcept : entry_(entry) {}
  Held(Held&& other) noexcept : entry_(std::exchange(other.entry_, nullptr)) {}
  Held& operator=(Held&& other) noexcept {
    std::swap(entry_, other.entry_);
    return *this;
  }
  ~Held() {
    if (entry_ != nullptr) entry_->release();
  }
  T* operator->() const noexcept { return entry_; }
  T* get() const noexcept { return entry_; }
  explicit operator bool() const noexcept { return entry_ != nullptr; }

 private:
  T* entry_ = nullptr;
};

class Cache {
 public:
  Cache(Epochs& epochs, size_t bytes_max);
  ~Cache();
  // Puts a new entry into its slot, unless another thread was first; returns the one that is there. The caller holds a
  // guard.
  CacheEntry* insert(SlotArray& home, size_t index, std::unique_ptr<CacheEntry> entry, size_t bytes, bool used);
  size_t bytes() const noexcept;

 private:
  static constexpr size_t kShards = 16;
  struct alignas(64) Shard {
    mutable std::mutex lock;
    std::vector<CacheEntry*> ring;
    size_t hand = 0;
    size_t bytes = 0;
  };
  void make_room(Shard& shard, std::vector<CacheEntry*>& out);

  Epochs& epochs_;
  const size_t shard_bytes_max_;
  std::atomic<size_t> next_shard_{0};
  std::array<Shard, kShards> shards_;
};

}  // namespace orbit::lsm
