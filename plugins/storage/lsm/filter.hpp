// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Blocked Bloom filters (Putze, Sanders, Singler, "Cache-, hash- and space-efficient Bloom filters", 2007): all bits of
// a key lie in one cache line.
#pragma once

#include <string>
#include <vector>

#include "coding.hpp"

namespace orbit::lsm {

constexpr size_t kFilterLineBytes = 64;

// The filter for these hashes of keys: whole lines, then a byte with the number of bits of a key.
inline std::string make_filter(const std::vector<uint64_t>& hashes, unsigned bits_per_key) {
  const size_t lines = (hashes.size() * bits_per_key + kFilterLineBytes * 8 - 1) / (kFilterLineBytes * 8);
  const unsigned probes = bits_per_key < 3 ? 1 : bits_per_key * 69 / 100 > 12 ? 12 : bits_per_key * 69 / 100;
  std::string out(lines * kFilterLineBytes, '\0');
  for (const uint64_t hash : hashes) {
    char* const line = out.data() + static_cast<size_t>((hash >> 32) * lines >> 32) * kFilterLineBytes;
    auto bit = static_cast<uint32_t>(hash);
    for (unsigned i = 0; i < probes; ++i, bit *= 0x9e3779b9u)
      line[bit >> 26] |= static_cast<char>(1 << (bit >> 23 & 7));
  }
  out.push_back(static_cast<char>(probes));
  return out;
}

// False: the key is certainly not among them.
inline bool may_contain(Bytes filter, uint64_t hash) noexcept {
  if (filter.size() <= kFilterLineBytes) return true;
  const size_t lines = (filter.size() - 1) / kFilterLineBytes;
  const char* const line = filter.data() + static_cast<size_t>((hash >> 32) * lines >> 32) * kFilterLineBytes;
  auto bit = static_cast<uint32_t>(hash);
  for (auto left = static_cast<uint8_t>(filter.back()); left > 0; --left, bit *= 0x9e3779b9u)
    if ((line[bit >> 26] >> (bit >> 23 & 7) & 1) == 0) return false;
  return true;
}

}  // namespace orbit::lsm
