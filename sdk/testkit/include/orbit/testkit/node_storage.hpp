// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What a Node of the test kit stores to: an ordered map in memory that keeps what a durable engine promises, and no
// more. A batch that was written without a sync survives a power cut or not; those that survive are the oldest, whole,
// in their order.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <orbit/result.hpp>

#include "api.hpp"

namespace orbit::testkit {

// What a power cut leaves of the batches that were written and not synced.
enum class Unsynced {
  seeded,  // the seed says how many
  lost,    // none
  kept,    // all, as when only the process was killed
};

// Belongs to its Node, and outlives its crashes. Faults stay set over a restart.
class ORBIT_TESTKIT_API NodeStorage {
 public:
  ~NodeStorage();
  NodeStorage(const NodeStorage&) = delete;
  NodeStorage& operator=(const NodeStorage&) = delete;

  // The next `count` writes (each a group commit of the node) or reads are refused with `error`; of a refused write
  // nothing is stored. 0 ends it.
  void fail_next_writes(uint64_t count, Error error = {Code::data_loss, "input/output error (injected)"});
  void fail_next_reads(uint64_t count, Error error = {Code::data_loss, "input/output error (injected)"});
  // While it is full every write is refused with RESOURCE_EXHAUSTED.
  void set_full(bool full);
  // From now on each job of the I/O pool (a load, a group commit, a scan) takes so much virtual time.
  void set_delay(std::chrono::milliseconds delay);

  uint64_t writes() const noexcept;  // that succeeded
  uint64_t syncs() const noexcept;
  size_t unsynced() const noexcept;  // batches that a power cut may take
  size_t entries() const noexcept;   // keys in the map: records, index entries, reminders

 private:
  friend class Node;
  NodeStorage();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace orbit::testkit
