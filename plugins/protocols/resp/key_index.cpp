// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "key_index.hpp"

#include <bit>
#include <random>
#include <stdexcept>

namespace orbit::resp {
namespace {

constexpr unsigned kBitsMin = 5;
constexpr unsigned kBitsMax = 31;

}  // namespace

const uint64_t kHashSeed = [] {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}();

void KeyIndex::reserve(size_t count) {
  const auto bits = std::max<unsigned>(kBitsMin, static_cast<unsigned>(std::bit_width(count * 4 / 3)));
  if (bits > bits_) rebuild(bits);
}

void KeyIndex::shrink(size_t count) {
  const auto bits = std::max<unsigned>(kBitsMin, static_cast<unsigned>(std::bit_width(count * 2)));
  if (bits < bits_) rebuild(bits);
}

void KeyIndex::erase(uint32_t hash, uint32_t position) noexcept {
  size_t hole = slot_of(hash, position);
  for (size_t i = next(hole); slots_[i].position != kNone; i = next(i)) {
    const size_t mask = (size_t{1} << bits_) - 1;
    // An element may fill the hole unless its home lies behind the hole.
    if (((i - home(slots_[i].hash)) & mask) >= ((i - hole) & mask)) {
      slots_[hole] = slots_[i];
      hole = i;
    }
  }
  slots_[hole].position = kNone;
  --used_;
}

void KeyIndex::rebuild(unsigned bits) {
  if (bits > kBitsMax) throw std::length_error("more elements in one value than its index can hold");
  const size_t old_size = bits_ == 0 ? 0 : size_t{1} << bits_;
  std::unique_ptr<Slot[]> fresh(new Slot[size_t{1} << bits]);
  std::fill_n(fresh.get(), size_t{1} << bits, Slot{0, kNone});
  std::swap(slots_, fresh);
  bits_ = bits;
  for (size_t i = 0; i < old_size; ++i) {
    if (fresh[i].position != kNone) place(fresh[i].hash, fresh[i].position);
  }
}

}  // namespace orbit::resp
