// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Erased ranges of keys: from <= key < to; an empty `to` is the end of all keys.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "coding.hpp"

namespace orbit::s3 {

struct Range {
  std::string from;
  std::string to;
};

inline bool ends_before(Bytes to, Bytes key) noexcept { return !to.empty() && to <= key; }

// Of ranges in order and without overlap.
inline bool covered_by(const std::vector<Range>& ranges, Bytes key) noexcept {
  auto at = std::upper_bound(ranges.begin(), ranges.end(), key, [](Bytes k, const Range& r) { return k < r.from; });
  return at != ranges.begin() && !ends_before((--at)->to, key);
}

// Each range with the sequence number of its erasure; numbers only grow.
class RangeMap {
 public:
  // Returns about how many bytes that took.
  size_t erase(Bytes from, Bytes to, uint64_t sequence) {
    if (!to.empty() && to <= from) return 0;
    size_t bytes = split(from);
    if (!to.empty()) bytes += split(to);
    const auto end = to.empty() ? segments_.end() : segments_.find(to);
    for (auto at = segments_.find(from); at != end; ++at, bytes += sizeof sequence) at->second.push_back(sequence);
    return bytes;
  }
  // The newest erasure up to `at` that covers the key; 0: none.
  uint64_t newest(Bytes key, uint64_t at) const {
    auto segment = segments_.upper_bound(key);
    if (segment == segments_.begin()) return 0;
    const std::vector<uint64_t>& sequences = (--segment)->second;
    const auto after = std::upper_bound(sequences.begin(), sequences.end(), at);
    return after == sequences.begin() ? 0 : after[-1];
  }
  // All that is covered, in order, without overlap and not touching.
  std::vector<Range> covered() const {
    std::vector<Range> out;
    bool open = false;
    for (const auto& [from, sequences] : segments_) {
      if (open && sequences.empty()) out.back().to = from;
      if (!open && !sequences.empty()) out.push_back({from, {}});
      open = !sequences.empty();
    }
    return out;
  }

 private:
  // Makes a segment begin at the key.
  size_t split(Bytes key) {
    auto at = segments_.upper_bound(key);
    if (at == segments_.begin()) {
      segments_.emplace_hint(at, std::string(key), std::vector<uint64_t>());
      return key.size() + kSegmentBytes;
    }
    --at;
    if (at->first == key) return 0;
    const size_t copied = at->second.size() * sizeof(uint64_t);
    segments_.emplace(std::string(key), at->second);
    return key.size() + kSegmentBytes + copied;
  }
  static constexpr size_t kSegmentBytes = 96;
  // What covers the keys from this one up to the next.
  std::map<std::string, std::vector<uint64_t>, std::less<>> segments_;
};

}  // namespace orbit::s3
