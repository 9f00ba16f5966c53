// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What was written and is not in a table yet: a skip list (Pugh, 1990) that one thread adds to while any number read.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <random>
#include <vector>

#include "cursor.hpp"
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

  // [one thread at a time]
  void add(Bytes key, uint64_t tag, Bytes value);
  void add_ranges(const std::vector<ErasedRange>& ranges);

  // The newest version of `key` up to `sequence`. [any thread]
  bool find(Bytes key, uint64_t sequence, uint64_t& tag, Bytes& value) const noexcept;
  const RangeSet& ranges() const noexcept { return *ranges_.load(std::memory_order_acquire); }
  // Borrows the table.
  std::unique_ptr<Cursor> cursor() const;

  // What all keys begin with. [the thread that adds]
  std::string common_prefix() const;
  uint64_t log() const noexcept { return log_; }
  uint64_t bytes() const noexcept { return bytes_.load(std::memory_order_relaxed); }
  bool empty() const noexcept { return bytes() == 0; }

 private:
  static constexpr int kHeightMax = 14;
  struct Node {
    uint64_t head;
    uint64_t tag;
    uint32_t key_size;
    uint32_t value_size;
    const char* data;
    std::atomic<Node*> next[1];  // as many as the node is high
    Bytes key() const noexcept { return {data, key_size}; }
    Bytes value() const noexcept { return {data + key_size, value_size}; }
  };
  class Position;

  uint64_t head_of_key(Bytes key) const noexcept;
  static bool is_before(const Node& node, uint64_t head, Bytes key, uint64_t tag) noexcept;
  Node* at_or_after(Bytes key, uint64_t tag) const noexcept;
  Node* last_before(const Bytes* key, uint64_t tag) const noexcept;
  char* allocate(size_t size);
  int random_height();

  const uint64_t log_;
  const std::string prefix_;
  std::vector<std::unique_ptr<char[]>> chunks_;
  char* chunk_at_ = nullptr;
  size_t chunk_left_ = 0;
  Node* first_;                         // before all
  std::array<Node*, kHeightMax> last_;  // of each height
  std::minstd_rand random_{1};
  std::atomic<uint64_t> bytes_{0};
  std::vector<ErasedRange> all_ranges_;
  std::vector<std::unique_ptr<const RangeSet>> range_sets_;  // readers may use an old one: all stay
  std::atomic<const RangeSet*> ranges_;
};

}  // namespace orbit::lsm
