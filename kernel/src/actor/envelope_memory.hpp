// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Where the pools of all workers get the memory of envelopes from: regions that a huge page can back. What a flood of
// messages took is kept for a moment, because the next one may be near and what the system hands out must be cleared first, which
// takes longer than the messages do; then it goes back to the system, region by region.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "orbit/ext/actors.h"

namespace orbit::kernel {

// [any thread]; pools come here for many at a time. Outlives every envelope.
class EnvelopeMemory {
 public:
  EnvelopeMemory() = default;
  EnvelopeMemory(const EnvelopeMemory&) = delete;
  EnvelopeMemory& operator=(const EnvelopeMemory&) = delete;
  ~EnvelopeMemory() {
    for (Region* region : regions_) std::free(region);
    for (void* region : empty_) std::free(region);
    for (void* region : returned_) std::free(region);
  }

  // So many, linked by `next`, which alone is set.
  orbit_envelope* take(size_t count) {
    const std::lock_guard lock(mutex_);
    orbit_envelope* list = nullptr;
    while (count != 0) {
      Region& from = with_room();
      for (; count != 0 && from.in_use != kPerRegion; --count) {
        orbit_envelope* block = from.free;
        if (block != nullptr)
          from.free = block->next;
        else
          block = reinterpret_cast<orbit_envelope*>(&from) + ++from.touched;
        ++from.in_use;
        block->next = list;
        list = block;
      }
    }
    return list;
  }
  void give(orbit_envelope* list) noexcept {
    const std::lock_guard lock(mutex_);
    while (list != nullptr) {
      orbit_envelope* const block = list;
      list = block->next;
      Region* const region = reinterpret_cast<Region*>(reinterpret_cast<uintptr_t>(block) & ~(kRegionBytes - 1));
      block->next = region->free;
      region->free = block;
      first_with_room_ = std::min(first_with_room_, region->index);
      if (--region->in_use == 0 && region->index != 0) drop(region);
    }
  }
  // Now and then: gives memory back that was not needed for kKeptNs, a part at a time.
  void rest(uint64_t now_ns) noexcept {
    if (!keeps()) return;
    const std::lock_guard lock(mutex_);
    if (now_ns - looked_ns_ >= kKeptNs) {
      looked_ns_ = now_ns;
      unneeded_ = std::exchange(fewest_empty_, empty_.size());
    }
    const size_t count = std::min({unneeded_, fewest_empty_, kReturnedAtOnce});
    for (size_t i = 0; i < count; ++i) {
      ::madvise(empty_[i], kRegionBytes, MADV_DONTNEED);
      returned_.push_back(empty_[i]);
    }
    empty_.erase(empty_.begin(), empty_.begin() + static_cast<ptrdiff_t>(count));
    unneeded_ -= count;
    fewest_empty_ -= count;
    keeps_.store(!empty_.empty(), std::memory_order_relaxed);
  }
  // Whether there is anything to rest for.
  bool keeps() const noexcept { return keeps_.load(std::memory_order_relaxed); }

  static constexpr uint64_t kKeptNs = 1'000'000'000;

 private:
  static constexpr size_t kRegionBytes = size_t{2} << 20;
  static constexpr size_t kReturnedAtOnce = 8;
  static constexpr size_t kPerRegion = kRegionBytes / sizeof(orbit_envelope) - 1;
  // In the place of the first envelope.
  struct Region {
    orbit_envelope* free = nullptr;
    size_t touched = 0;  // those behind were never handed out
    size_t in_use = 0;
    size_t index = 0;  // in regions_
  };
  static_assert(sizeof(Region) <= sizeof(orbit_envelope));

  Region& with_room() {
    for (; first_with_room_ < regions_.size(); ++first_with_room_)
      if (regions_[first_with_room_]->in_use != kPerRegion) return *regions_[first_with_room_];
    void* memory = nullptr;
    if (!empty_.empty()) {
      memory = empty_.back();
      empty_.pop_back();
      fewest_empty_ = std::min(fewest_empty_, empty_.size());
    } else if (!returned_.empty()) {
      memory = returned_.back();
      returned_.pop_back();
    } else {
      // All regions that there are lie in one of them.
      for (auto* place : {&empty_, &returned_}) place->reserve(regions_.size() + 1);
      regions_.reserve(regions_.size() + 1);
      memory = std::aligned_alloc(kRegionBytes, kRegionBytes);
      if (memory == nullptr) throw std::bad_alloc();
      // The first one stays small pages: a small node touches little of it.
      if (!regions_.empty()) ::madvise(memory, kRegionBytes, MADV_HUGEPAGE);
    }
    auto* region = new (memory) Region;
    region->index = regions_.size();
    regions_.push_back(region);
    return *region;
  }
  void drop(Region* region) noexcept {
    regions_[region->index] = regions_.back();
    regions_[region->index]->index = region->index;
    regions_.pop_back();
    empty_.push_back(region);
    keeps_.store(true, std::memory_order_relaxed);
  }

  std::mutex mutex_;
  std::vector<Region*> regions_;
  std::vector<void*> empty_;     // with their memory; the last one is taken first
  std::vector<void*> returned_;  // only the addresses
  size_t fewest_empty_ = 0;      // since looked_ns_: so many of the first were not needed
  size_t unneeded_ = 0;          // of the first, in the time before that
  uint64_t looked_ns_ = 0;
  std::atomic<bool> keeps_{false};
  size_t first_with_room_ = 0;  // none before it has
};

}  // namespace orbit::kernel
