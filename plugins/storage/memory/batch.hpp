// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Applies one batch to the engine under a sequence number that nobody reads at yet.
#pragma once

#include <vector>

#include "engine.hpp"

namespace orbit::storage_memory {

class Engine::Batch {
 public:
  // Copies the values before any lock is taken.
  Batch(Engine& engine, WriteOps ops, uint64_t sequence);

  // Applies some more operations. False: all are applied. [under the gate]
  bool step(Garbage& garbage);
  // Takes back what was applied. [under the gate]
  void undo(Garbage& garbage) noexcept;
  SupersededList& touched() noexcept { return touched_; }

 private:
  void put(Bytes key, Version::Owner version, Garbage& garbage);
  bool erase_some(Bytes from, Bytes to, size_t& budget, Garbage& garbage);
  void link(Entry& entry, Version::Owner version, Garbage& garbage) noexcept;

  static constexpr size_t kOpsPerStep = 256;

  Engine& engine_;
  WriteOps ops_;
  const uint64_t sequence_;
  std::vector<Version::Owner> versions_;  // of ops_; none for an erase_range
  SupersededList touched_;                // one per entry that this batch changed
  size_t next_ = 0;
  Entry* range_last_ = nullptr;  // last entry erased by the erase_range under way
};

}  // namespace orbit::storage_memory
