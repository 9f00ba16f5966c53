// SPDX-License-Identifier: MIT OR BSD-3-Clause
// An ordered map in memory with multi-version concurrency control.
//
// Every write has a sequence number, and every key a chain of versions. A reader reads as of a sequence, so that neither a
// snapshot nor a scan ever holds a writer up; a version that is no longer the newest lives as long as a snapshot or scan
// ("pin") still sees it, and hangs on the newest such pin. A hash index beside the ordered tree answers point gets.
// One Gate guards all of it. It is held for short stretches only: a point get, a window of a scan, some operations of a
// batch; visitors of scans and multi-gets run without it.
#pragma once

#include <atomic>
#include <boost/unordered/unordered_flat_set.hpp>
#include <cstdint>
#include <list>
#include <map>
#include <mutex>
#include <orbit/storage.hpp>

#include "gate.hpp"
#include "versions.hpp"

namespace orbit::storage_memory {

class Engine final : public Storage {
 public:
  // bytes_max bounds keys, values and bookkeeping together.
  explicit Engine(uint64_t bytes_max) noexcept : bytes_max_(bytes_max) {}
  ~Engine() override;  // no snapshot may be alive

  Result<bool> get(const StorageSnapshot* snapshot, Bytes key, ValueSink value) override;
  Result<> multi_get(const StorageSnapshot* snapshot, KeyList keys, VisitValue visit) override;
  Result<> scan(const StorageSnapshot* snapshot, Bytes from, Bytes to, bool reverse, VisitEntry visit) override;
  // RESOURCE_EXHAUSTED when what its puts add does not fit beside what is there: old and new values exist side by side for a
  // moment. A batch without puts is never refused.
  Result<> write(WriteOps ops, bool sync) override;
  Result<FencedOutcome> write_if(Conditions conditions, WriteOps ops, bool sync);
  Result<> sync() override { return {}; }
  uint64_t size_bytes() override { return bytes_.load(std::memory_order_relaxed); }

  Result<std::unique_ptr<StorageSnapshot>> create_snapshot();
  Result<CachedGet> get_cached(Bytes key, ValueSink value);

  // Grows with every write; what a snapshot sees has the number of the last write before it.
  uint64_t sequence();
  static uint64_t sequence_of(const StorageSnapshot& snapshot) noexcept;

 private:
  struct Slot {
    size_t hash;
    Entry* entry;
  };
  struct Probe {
    size_t hash;
    Bytes key;
  };
  struct SlotHash {
    using is_transparent = void;
    using is_avalanching = void;
    size_t operator()(const Slot& slot) const noexcept { return slot.hash; }
    size_t operator()(const Probe& probe) const noexcept { return probe.hash; }
  };
  struct SlotEqual {
    using is_transparent = void;
    bool operator()(const Slot& a, const Slot& b) const noexcept { return a.entry == b.entry; }
    bool operator()(const Probe& a, const Slot& b) const noexcept { return a.hash == b.hash && a.key == b.entry->key(); }
    bool operator()(const Slot& a, const Probe& b) const noexcept { return (*this)(b, a); }
  };

  // `version` of `entry` is not seen from sequence `by` on. Without a version: the entry was new in that write.
  struct Superseded {
    Entry* entry;
    Version* version;
    uint64_t by;
  };
  // List nodes move from write to pin to pin without allocating: letting a snapshot go cannot fail.
  using SupersededList = std::list<Superseded>;
  struct PinState {
    size_t users = 0;
    SupersededList retained;
  };
  class Pin;
  class Snapshot;
  class Batch;

  static Probe probe(Bytes key) noexcept { return {std::hash<Bytes>()(key), key}; }
  uint64_t visible_at(const StorageSnapshot* snapshot) const noexcept;
  const Entry* find(Bytes key) const noexcept;
  Result<> apply(WriteOps ops);
  Entry* insert(Bytes key, SupersededList& touched, uint64_t sequence);
  void remove(Entry* entry, Garbage& garbage) noexcept;

  uint64_t pin();
  void unpin(uint64_t sequence) noexcept;
  void settle(SupersededList& list) noexcept;
  void settle_one(SupersededList& list, Garbage& garbage) noexcept;

  const uint64_t bytes_max_;
  std::mutex write_;  // one write at a time, also when the caller breaks that rule
  Gate gate_;         // guards all below
  Tree tree_;
  boost::unordered_flat_set<Slot, SlotHash, SlotEqual> index_;
  std::map<uint64_t, PinState> pins_;
  uint64_t committed_ = 0;
  std::atomic<uint64_t> bytes_ = 0;  // read without the gate, changed under it
};

}  // namespace orbit::storage_memory
