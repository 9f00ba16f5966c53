// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Bloom filters (Bloom, 1970), the probes by double hashing (Kirsch, Mitzenmacher, 2006).
#pragma once

#include <string>
#include <vector>

#include "coding.hpp"

namespace orbit::s3 {

// Bits, then a byte with the number of probes. Empty: none.
inline std::string make_filter(const std::vector<uint64_t>& hashes, unsigned bits_per_key) {
  if (hashes.empty() || bits_per_key == 0) return {};
  const unsigned probes = bits_per_key < 3 ? 1 : bits_per_key * 69 / 100;
  std::string out((hashes.size() * bits_per_key + 7) / 8, '\0');
  const uint64_t bits = out.size() * 8;
  for (uint64_t hash : hashes) {
    const uint64_t step = hash >> 33 | 1;
    for (unsigned i = 0; i < probes; ++i, hash += step)
      out[hash % bits / 8] |= static_cast<char>(1 << (hash % bits % 8));
  }
  out.push_back(static_cast<char>(probes));
  return out;
}

// False: the key is certainly not among them.
inline bool may_contain(Bytes filter, uint64_t hash) noexcept {
  if (filter.size() < 2) return true;
  const uint64_t bits = (filter.size() - 1) * 8;
  const uint64_t step = hash >> 33 | 1;
  for (auto left = static_cast<uint8_t>(filter.back()); left > 0; --left, hash += step)
    if ((filter[hash % bits / 8] >> (hash % bits % 8) & 1) == 0) return false;
  return true;
}

}  // namespace orbit::s3
