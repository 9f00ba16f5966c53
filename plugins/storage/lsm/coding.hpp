// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Versions of keys, and checksums; the rest of how files are written is orbit/coding.hpp. The formats are in
// docs/formats/storage-lsm.md.
#pragma once

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstdint>
#include <orbit/coding.hpp>
#include <string>

namespace orbit::lsm {

using namespace coding;

constexpr size_t kKeyBytesMax = size_t{16} << 20;

// A version of a key: when it was written, and what. Among the versions of a key the greatest tag is the newest.
enum class Kind : uint8_t { erase = 0, put = 1, erase_range = 2 };
constexpr uint64_t kSequenceMax = (uint64_t{1} << 61) - 1;
constexpr uint64_t tag_of(uint64_t sequence, Kind kind) noexcept { return sequence << 2 | static_cast<uint64_t>(kind); }
constexpr uint64_t sequence_of(uint64_t tag) noexcept { return tag >> 2; }
constexpr Kind kind_of(uint64_t tag) noexcept { return static_cast<Kind>(tag & 3); }
// The newest version that a reader at `sequence` may see is the first with a tag up to this.
constexpr uint64_t seek_tag(uint64_t sequence) noexcept { return sequence << 2 | 3; }

inline uint64_t checksum(Bytes data, uint64_t seed) noexcept {
  return XXH3_64bits_withSeed(data.data(), data.size(), seed);
}
inline uint64_t hash_of_key(Bytes key) noexcept { return XXH3_64bits(key.data(), key.size()); }

// The first eight bytes as a number that orders as they do; shorter keys are filled with zeros.
inline uint64_t head_of(Bytes key) noexcept {
  uint64_t head = 0;
  if (key.size() >= 8) return __builtin_bswap64(load<uint64_t>(key.data()));
  for (size_t i = 0; i < key.size(); ++i) head |= uint64_t{static_cast<uint8_t>(key[i])} << (56 - 8 * i);
  return head;
}

}  // namespace orbit::lsm
