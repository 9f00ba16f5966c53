// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Erased ranges of keys: from <= key < to; an empty `to` is the end of all keys.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "coding.hpp"

namespace orbit::s3 {

struct Range {
  std::string from;
  std::string to;
};

inline bool ends_before(Bytes to, Bytes key) noexcept { return !to.empty() && to <= key; }

// The range that holds the key; or, with `before`, what is right before the key (an empty one: the end of all keys). Of
// ranges in order and without overlap; null: none does.
inline const Range* range_at(const std::vector<Range>& ranges, Bytes key, bool before) noexcept {
  const auto after = std::partition_point(ranges.begin(), ranges.end(), [&](const Range& range) {
    return before ? key.empty() || range.from < key : range.from <= key;
  });
  if (after == ranges.begin()) return nullptr;
  const Range& last = after[-1];
  const bool reaches = last.to.empty() || (before ? !key.empty() && last.to >= key : last.to > key);
  return reaches ? &last : nullptr;
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
  // What range_at() finds, among erasures up to `at`; the far end only, forwards or backwards. Empty: nothing is left
  // there.
  std::optional<std::string> covered_until(Bytes key, bool before, bool reverse, uint64_t at) const {
    auto segment = !before ? segments_.upper_bound(key) : key.empty() ? segments_.end() : segments_.lower_bound(key);
    if (segment == segments_.begin()) return std::nullopt;
    const auto covered = [&](const auto& one) { return !one.second.empty() && one.second.front() <= at; };
    if (!covered(*--segment)) return std::nullopt;
    if (reverse) {
      while (segment != segments_.begin() && covered(*std::prev(segment))) --segment;
      return segment->first;
    }
    while (segment != segments_.end() && covered(*segment)) ++segment;
    return segment == segments_.end() ? std::string() : segment->first;
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
