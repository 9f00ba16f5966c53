// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Erased ranges, cut where they overlap, so that one binary search tells what covers a key.
#pragma once

#include <orbit/result.hpp>
#include <string>
#include <vector>

namespace orbit::lsm {

// The end of a range of keys: before `key`, or after all keys.
struct RangeEnd {
  std::string key;
  bool infinite = false;
  bool after(Bytes other) const noexcept { return infinite || other < key; }
  bool operator==(const RangeEnd&) const = default;
};
inline bool before(const RangeEnd& a, const RangeEnd& b) noexcept {
  return !a.infinite && (b.infinite || a.key < b.key);
}

struct KeyRange {
  std::string from;
  RangeEnd to;
};
// As few as possible, in order; those that only touch stay apart.
std::vector<KeyRange> joined(std::vector<KeyRange> ranges);

struct ErasedRange {
  std::string from;
  RangeEnd to;
  uint64_t sequence = 0;
};

// Immutable.
class RangeSet {
 public:
  struct Fragment {
    std::string from;
    RangeEnd to;
    std::vector<uint64_t> sequences;  // descending
  };

  RangeSet() = default;
  explicit RangeSet(const std::vector<ErasedRange>& ranges);

  bool empty() const noexcept { return fragments_.empty(); }
  const std::vector<Fragment>& fragments() const noexcept { return fragments_; }
  // The sequence of the newest erased range, up to `sequence`, that contains `key`; 0: none does.
  uint64_t cover(Bytes key, uint64_t sequence) const noexcept;
  // The fragment that contains `key`; null: none does.
  const Fragment* at(Bytes key) const noexcept;
  size_t memory_bytes() const noexcept { return memory_bytes_; }
  // One per fragment and sequence: what the constructor makes an equal set of.
  std::vector<ErasedRange> ranges() const;

 private:
  std::vector<Fragment> fragments_;
  size_t memory_bytes_ = 0;
};

}  // namespace orbit::lsm
