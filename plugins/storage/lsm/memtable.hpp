// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What was written and is not in a table yet: one thread adds to it while any number read.
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <vector>

#include "leaf_list.hpp"
#include "range_set.hpp"

namespace orbit::lsm {

class Memtable {
 public:
  // `log`: the number of the log that everything in it is in. `prefix`: what most keys are expected to begin with; keys
  // are compared by the eight bytes after it first.
  explicit Memtable(uint64_t log, std::string prefix = {});
  ~Memtable();
  Memtable(const Memtable&) = delete;
  Memtable& operator=(const Memtable&) = delete;

  struct Addition {
    Bytes key;
    uint64_t tag;
    Bytes value;
  };
  // [one thread at a time] Many together are faster.
  void add(std::span<const Addition> additions);
  void add(Bytes key, uint64_t tag, Bytes value) {
    const Addition one{key, tag, value};
    add({&one, 1});
  }
  void add_ranges(const std::vector<ErasedRange>& ranges);

  // The newest version of `key` up to `sequence`. [any thread]
  bool find(Bytes key, uint64_t sequence, uint64_t& tag, Bytes& value) const noexcept;
  const RangeSet& ranges() const noexcept { return *ranges_.load(std::memory_order_acquire); }
  // Borrows the table.
  std::unique_ptr<Cursor> cursor() const;

  // What all keys begin with. [the thread that adds]
  std::string common_prefix() const { return lists_.back()->common_prefix(); }
  uint64_t log() const noexcept { return log_; }
  uint64_t bytes() const noexcept { return bytes_.load(std::memory_order_relaxed); }
  bool empty() const noexcept { return bytes() == 0; }

 private:
  class Position;

  const LeafList& list() const noexcept { return *list_.load(std::memory_order_acquire); }
  void review_prefix();

  const uint64_t log_;
  Arena arena_;
  size_t entries_ = 0;
  size_t next_review_;  // 0: no more
  std::vector<std::unique_ptr<LeafList>>
      lists_;  // readers may use an old one, which has all that they may see: all stay
  std::atomic<const LeafList*> list_;
  std::atomic<uint64_t> bytes_{0};
  std::vector<ErasedRange> all_ranges_;
  std::vector<std::unique_ptr<const RangeSet>> range_sets_;  // readers may use an old one: all stay
  std::atomic<const RangeSet*> ranges_;
};

}  // namespace orbit::lsm
