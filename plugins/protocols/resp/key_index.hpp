// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Finds the position of an element by its name: open addressing whose home slot is the hash's upper bits, so that a
// scan by hash survives growing, shrinking and reloading.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

namespace orbit::resp {

// Random for this process, so that nobody outside can choose names that collide.
extern const uint64_t kHashSeed;

inline uint32_t hash_name(std::string_view name) noexcept {
  constexpr uint64_t kFirst = 0xa0761d6478bd642full;
  constexpr uint64_t kSecond = 0xe7037ed1a0b428dbull;
  const auto mix = [](uint64_t a, uint64_t b) {
    const auto product = static_cast<unsigned __int128>(a) * b;
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  };
  uint64_t state = kHashSeed ^ (name.size() * kFirst);
  const char* at = name.data();
  size_t left = name.size();
  for (; left > 8; left -= 8, at += 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    state = mix(state ^ word, kFirst);
  }
  uint64_t word = 0;
  if (left >= 4) {
    uint32_t low;
    uint32_t high;
    std::memcpy(&low, at, 4);
    std::memcpy(&high, at + left - 4, 4);
    word = low | uint64_t{high} << 32;
  } else if (left != 0) {
    word = static_cast<unsigned char>(at[0]) | uint64_t{static_cast<unsigned char>(at[left / 2])} << 8 |
           uint64_t{static_cast<unsigned char>(at[left - 1])} << 16;
  }
  state = mix(state ^ word, kSecond);
  return static_cast<uint32_t>(state >> 32);
}

class KeyIndex {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  bool empty() const noexcept { return bits_ == 0; }
  size_t heap_bytes() const noexcept { return bits_ == 0 ? 0 : (sizeof(Slot) << bits_); }

  // equal(position) is asked only where the hashes agree.
  template <class Equal>
  uint32_t find(uint32_t hash, Equal&& equal) const noexcept {
    for (size_t i = home(hash);; i = next(i)) {
      const Slot& slot = slots_[i];
      if (slot.position == kNone) return kNone;
      if (slot.hash == hash && equal(slot.position)) return slot.position;
    }
  }

  // Makes room for `count` elements; needed before the first insert.
  void reserve(size_t count);
  // Gives memory back when only `count` elements are left of many.
  void shrink(size_t count);
  void insert(uint32_t hash, uint32_t position) {
    if ((used_ + 1) * 4 > (size_t{1} << bits_) * 3) rebuild(bits_ + 1);
    place(hash, position);
    ++used_;
  }
  // The element must be there.
  void erase(uint32_t hash, uint32_t position) noexcept;
  void move(uint32_t hash, uint32_t from, uint32_t to) noexcept { slots_[slot_of(hash, from)].position = to; }

  // Visits about `count` positions whose hash is at or above the cursor, in order of the hash's upper bits; returns
  // where to go on, 0 at the end.
  template <class Visit>
  uint64_t scan(uint64_t cursor, size_t count, Visit&& visit) const {
    if (cursor > UINT32_MAX) return 0;
    constexpr size_t kRoundsMax = 16;  // over stretches without elements
    const size_t size = size_t{1} << bits_;
    size_t first = home(static_cast<uint32_t>(cursor));
    size_t seen = 0;
    for (size_t round = 0; round < kRoundsMax && seen * 2 < count && first < size; ++round) {
      const size_t last = std::min(size, first + std::max<size_t>(1, std::min(count, size) * 3 / 2));
      for (size_t i = first;; ++i) {
        const Slot& slot = slots_[i & (size - 1)];
        if (slot.position == kNone) {
          if (i >= last) break;
          continue;
        }
        const size_t at = home(slot.hash);
        // Elements that wrapped around from the end are met behind the end, not at the beginning.
        const bool wrapped = at > (i & (size - 1));
        if (wrapped == (i >= size) && at >= first && at < last && slot.hash >= cursor) {
          visit(slot.position);
          ++seen;
        }
      }
      first = last;
    }
    return first >= size ? 0 : uint64_t{first} << (32 - bits_);
  }

 private:
  struct Slot {
    uint32_t hash;
    uint32_t position;
  };

  size_t home(uint32_t hash) const noexcept { return hash >> (32 - bits_); }
  size_t next(size_t i) const noexcept { return (i + 1) & ((size_t{1} << bits_) - 1); }
  size_t slot_of(uint32_t hash, uint32_t position) const noexcept {
    size_t i = home(hash);
    while (slots_[i].position != position) i = next(i);
    return i;
  }
  void place(uint32_t hash, uint32_t position) noexcept {
    size_t i = home(hash);
    while (slots_[i].position != kNone) i = next(i);
    slots_[i] = {hash, position};
  }
  void rebuild(unsigned bits);

  std::unique_ptr<Slot[]> slots_;
  size_t used_ = 0;
  unsigned bits_ = 0;
};

}  // namespace orbit::resp
