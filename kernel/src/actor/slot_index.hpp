// SPDX-License-Identifier: MIT OR BSD-3-Clause
// From a mixed hash to the slots that may have it: open addressing with linear probing, eight bytes an entry, so that a look-up
// costs one cache line that can be asked for ahead. Deletion shifts back (Knuth, TAOCP 6.4, algorithm R); no tombstones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace orbit::kernel {

// Belongs to one thread. Slots are below 2^24. Two actors may share all 40 bits that an entry keeps of the hash: find() asks
// `is_it` for each candidate.
class SlotIndex {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr uint32_t kSlotBits = 24;

  void prefetch(uint64_t mixed) const noexcept {
    if (!entries_.empty()) __builtin_prefetch(&entries_[home(mixed)]);
  }

  // The likely slot for the hash, to prefetch what it leads to, or kNone. Not checked.
  uint32_t guess(uint64_t mixed) const noexcept {
    if (entries_.empty()) return kNone;
    const uint64_t entry = entries_[home(mixed)];
    return entry == 0 ? kNone : slot_of(entry);
  }

  template <class IsIt>
  uint32_t find(uint64_t mixed, IsIt&& is_it) const noexcept {
    if (entries_.empty()) return kNone;
    for (size_t at = home(mixed);; at = next(at)) {
      const uint64_t entry = entries_[at];
      if (entry == 0) return kNone;
      if (tag_of(entry) == tag_of(mixed) && is_it(slot_of(entry))) return slot_of(entry);
    }
  }

  // Throws std::bad_alloc, and then nothing has changed.
  void insert(uint64_t mixed, uint32_t slot) {
    if ((size_ + 1) * 4 > entries_.size() * 3) grow();
    put(entries_, tag_of(mixed) | (slot + 1));
    ++size_;
  }

  // The entry must be there.
  void erase(uint64_t mixed, uint32_t slot) noexcept {
    const uint64_t wanted = tag_of(mixed) | (slot + 1);
    size_t hole = home(mixed);
    while (entries_[hole] != wanted) hole = next(hole);
    --size_;
    for (size_t at = next(hole); entries_[at] != 0; at = next(at)) {
      // It may move back when its home is not between the hole and its place, going round.
      const size_t mask = entries_.size() - 1;
      if (((at - home(entries_[at])) & mask) < ((at - hole) & mask)) continue;
      entries_[hole] = entries_[at];
      hole = at;
    }
    entries_[hole] = 0;
  }

  size_t memory_bytes() const noexcept { return entries_.capacity() * sizeof(uint64_t); }

 private:
  // An entry: the upper 40 bits of the hash, then slot + 1; 0 is no entry.
  static constexpr uint64_t kSlotMask = (uint64_t{1} << kSlotBits) - 1;
  static uint64_t tag_of(uint64_t mixed) noexcept { return mixed & ~kSlotMask; }
  static uint32_t slot_of(uint64_t entry) noexcept { return static_cast<uint32_t>(entry & kSlotMask) - 1; }
  // From the bits that entries keep, the lower ones of them: workers are chosen by others (Runtime::worker_of).
  size_t home(uint64_t mixed) const noexcept { return (mixed >> kSlotBits) & (entries_.size() - 1); }
  size_t next(size_t at) const noexcept { return (at + 1) & (entries_.size() - 1); }

  static void put(std::vector<uint64_t>& entries, uint64_t entry) noexcept {
    const size_t mask = entries.size() - 1;
    size_t at = (entry >> kSlotBits) & mask;
    while (entries[at] != 0) at = (at + 1) & mask;
    entries[at] = entry;
  }
  void grow() {
    std::vector<uint64_t> larger(entries_.empty() ? 64 : entries_.size() * 2);
    for (const uint64_t entry : entries_)
      if (entry != 0) put(larger, entry);
    entries_.swap(larger);
  }

  std::vector<uint64_t> entries_;
  size_t size_ = 0;
};

}  // namespace orbit::kernel
