// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What was written and is not in a table yet: a skip list of versions. One thread writes; readers take no lock, but for
// erased ranges, and see what was written up to the sequence number that they ask for.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "cursor.hpp"
#include "ranges.hpp"

namespace orbit::s3 {

enum class Found { none, put, erased };

class Memtable {
 public:
  Memtable();
  Memtable(const Memtable&) = delete;
  Memtable& operator=(const Memtable&) = delete;

  // [writer]; sequences grow.
  void put(Bytes key, Bytes value, uint64_t sequence) { add(key, value, false, sequence); }
  void erase(Bytes key, uint64_t sequence) { add(key, {}, true, sequence); }
  void erase_range(Bytes from, Bytes to, uint64_t sequence);

  // As of a sequence. The value lives as long as the table.
  Found find(Bytes key, uint64_t at, Bytes& value) const;
  std::unique_ptr<Cursor> cursor(uint64_t at, Bytes from, Bytes to, bool reverse) const;
  std::vector<Range> erased_ranges() const;

  uint64_t bytes() const noexcept { return bytes_.load(std::memory_order_relaxed); }
  bool empty() const noexcept { return bytes() == 0; }

  // The last log object whose batches are here; set by the writer before others flush the table.
  uint64_t last_wal = 0;

 private:
  struct Node;
  class Walk;
  void add(Bytes key, Bytes value, bool erased, uint64_t sequence);
  char* allocate(size_t size);
  // The first node that is not before (key, sequence); newer versions of a key come first.
  const Node* at_or_after(Bytes key, uint64_t sequence) const noexcept;
  // The last node whose key is smaller; with null, the last of all. Null: none.
  const Node* before(const Bytes* key) const noexcept;
  uint64_t covered_at(Bytes key, uint64_t at) const;
  std::optional<std::string> covered_until(Bytes key, bool before, bool reverse, uint64_t at) const;

  static constexpr int kHeightMax = 16;
  static constexpr size_t kChunkBytes = 64 << 10;
  std::vector<std::unique_ptr<char[]>> chunks_;
  char* chunk_at_ = nullptr;
  size_t chunk_left_ = 0;
  Node* head_;
  uint64_t random_ = 0x2545f4914f6cdd1d;
  std::atomic<uint64_t> bytes_ = 0;
  mutable std::mutex ranges_mutex_;
  RangeMap ranges_;
  std::atomic<bool> has_ranges_ = false;
};

}  // namespace orbit::s3
