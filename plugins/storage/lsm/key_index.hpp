// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Sorted keys in memory, searched by the eight bytes that follow what all of them begin with.
#pragma once

#include <algorithm>
#include <vector>

#include "coding.hpp"

namespace orbit::lsm {

class KeyIndex {
 public:
  // In ascending order; finish after the last.
  void add(Bytes key) {
    bytes_.append(key);
    ends_.push_back(bytes_.size());
  }
  void finish() {
    if (ends_.empty()) return;
    const Bytes first = key(0);
    const Bytes last = key(size() - 1);
    prefix_ = static_cast<size_t>(
        std::mismatch(first.begin(), first.begin() + static_cast<std::ptrdiff_t>(std::min(first.size(), last.size())),
                      last.begin())
            .first -
        first.begin());
    heads_.reserve(size());
    for (size_t i = 0; i < size(); ++i) heads_.push_back(head_of(key(i).substr(prefix_)));
    bytes_.shrink_to_fit();
    ends_.shrink_to_fit();
  }

  size_t size() const noexcept { return ends_.size(); }
  Bytes key(size_t i) const noexcept {
    const uint64_t begin = i == 0 ? 0 : ends_[i - 1];
    return {bytes_.data() + begin, ends_[i] - begin};
  }
  // The first key that is not before `wanted`; size() when all are.
  size_t lower_bound(Bytes wanted) const noexcept {
    if (ends_.empty()) return 0;
    if (prefix_ > 0) {
      const int order = wanted.substr(0, prefix_).compare(key(0).substr(0, prefix_));
      if (order < 0) return 0;
      if (order > 0) return size();
    }
    const uint64_t head = head_of(wanted.substr(prefix_));
    const uint64_t* at = heads_.data();
    size_t left = heads_.size();
    while (left > 1) {
      const size_t half = left / 2;
      at += at[half - 1] < head ? half : 0;
      left -= half;
    }
    auto i = static_cast<size_t>(at - heads_.data()) + (*at < head ? 1 : 0);
    if (i == size() || heads_[i] != head) return i;
    size_t end = static_cast<size_t>(
        std::upper_bound(heads_.begin() + static_cast<std::ptrdiff_t>(i), heads_.end(), head) - heads_.begin());
    while (i < end) {
      const size_t middle = i + (end - i) / 2;
      if (key(middle) < wanted) {
        i = middle + 1;
      } else {
        end = middle;
      }
    }
    return i;
  }
  size_t memory_bytes() const noexcept { return bytes_.capacity() + ends_.capacity() * 8 + heads_.capacity() * 8; }

 private:
  std::string bytes_;
  std::vector<uint64_t> ends_;
  std::vector<uint64_t> heads_;
  size_t prefix_ = 0;
};

}  // namespace orbit::lsm
