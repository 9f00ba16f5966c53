// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Versions in order, in memory: a skip list (Pugh, 1990) whose nodes are leaves of some versions each, so that a search
// waits for memory a few times instead of once for each step. A leaf's order is one word, as in Masstree (Mao, Kohler,
// Morris, 2012); a full one gives its upper half to a new leaf after it, and who comes to the old one goes on from
// there (Lehman, Yao, 1981). One thread adds; any number read, and wait for nobody.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <random>
#include <span>
#include <string>

#include "arena.hpp"
#include "cursor.hpp"

namespace orbit::lsm {

// A version; key and value follow.
struct MemtableEntry {
  uint64_t tag;
  uint32_t key_size;
  uint32_t value_size;
  const char* data() const noexcept { return reinterpret_cast<const char*>(this + 1); }
  Bytes key() const noexcept { return {data(), key_size}; }
  Bytes value() const noexcept { return {data() + key_size, value_size}; }
};

class LeafList {
 public:
  struct Leaf;
  // A version in the list and where it was found; no entry: behind all, or before.
  struct Place {
    const MemtableEntry* entry = nullptr;
    const Leaf* leaf = nullptr;
    uint64_t splits = 0;
    uint64_t order = 0;
    size_t index = 0;
  };

  // `prefix`: what most keys begin with; they are compared by the eight bytes after it first. The list lives in the
  // arena.
  LeafList(Arena& arena, std::string prefix);
  LeafList(const LeafList&) = delete;
  LeafList& operator=(const LeafList&) = delete;

  static constexpr size_t kTogether = 16;
  // [one thread at a time] At most kTogether, which stay where they are.
  void add(std::span<const MemtableEntry* const> entries);
  // What all keys begin with. [the thread that adds]
  std::string common_prefix() const;
  const std::string& prefix() const noexcept { return prefix_; }
  // How many keys do not begin with the prefix. [the thread that adds]
  size_t strangers() const noexcept { return strangers_; }

  // All of these: [any thread]
  // The first at or after (key, tag).
  Place at_or_after(Bytes key, uint64_t tag) const noexcept;
  // The last before (key, tag), or of all when `key` is null.
  Place last_before(const Bytes* key, uint64_t tag) const noexcept;
  Place next(const Place& here) const noexcept;
  Place previous(const Place& here) const noexcept;

 private:
  static constexpr size_t kHeightMax = 12;
  using Before = std::array<Leaf*, kHeightMax>;  // of each height, the last leaf that begins before something
  struct Target {
    uint64_t head;
    Bytes key;
    uint64_t tag;
  };

  uint64_t head_of_key(Bytes key) const noexcept;
  Target target_of(Bytes key, uint64_t tag) const noexcept { return {head_of_key(key), key, tag}; }
  static bool is_before(uint64_t head, const MemtableEntry* entry, const Target& target) noexcept;
  static size_t lower_bound(const Leaf& leaf, uint64_t order, const Target& target) noexcept;
  static void prefetch(const Leaf& leaf) noexcept;
  Leaf& new_leaf(size_t& height);
  const Leaf* descend(const Target& target) const noexcept;
  static Place from_leaf(const Leaf* leaf, const Target& target) noexcept;
  void search(std::span<const Target> targets, std::span<Before> before) const noexcept;
  bool is_greatest(const Target& target) const noexcept;
  void insert(const MemtableEntry& entry, const Target& target, Before& before);
  void link(Leaf& leaf, size_t height, const Before& before) noexcept;
  Leaf& split(Leaf& leaf, const Before& before);

  Arena& arena_;
  const std::string prefix_;
  Leaf* first_;  // begins before everything
  Before last_;
  const MemtableEntry* greatest_ = nullptr;
  uint64_t greatest_head_ = 0;
  size_t strangers_ = 0;
  std::minstd_rand random_{1};
};

}  // namespace orbit::lsm
