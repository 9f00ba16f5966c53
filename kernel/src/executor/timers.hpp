// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The timers of one worker: a four-ary heap ordered by deadline, then by order of arming. Arming and cancelling are
// O(log n) and allocate only when the number of timers reaches a new maximum. Not thread-safe: belongs to its worker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "orbit/ext/workers.h"

namespace orbit::kernel {

class Timers {
 public:
  static constexpr uint64_t kNever = UINT64_MAX;

  // The id carries a generation: an id of a timer that ran or was cancelled never names a later one.
  orbit_timer arm(uint64_t deadline_ns, orbit_function function, void* ctx);
  bool cancel(orbit_timer timer) noexcept;
  uint64_t next_deadline_ns() const noexcept { return heap_.empty() ? kNever : heap_.front().deadline_ns; }
  size_t size() const noexcept { return heap_.size(); }
  // Runs what is due. A timer that is armed meanwhile waits for the next call, so that a timer that arms itself without
  // delay cannot keep the worker here. Returns how many ran.
  size_t run_due(uint64_t now_ns);

 private:
  struct Entry {
    uint64_t deadline_ns;
    uint64_t sequence;
    uint32_t slot;
    bool before(const Entry& other) const noexcept {
      return deadline_ns != other.deadline_ns ? deadline_ns < other.deadline_ns : sequence < other.sequence;
    }
  };
  struct Slot {
    orbit_function function = nullptr;
    void* ctx = nullptr;
    uint32_t generation = 1;
    uint32_t position = kFree;  // in heap_
  };
  static constexpr uint32_t kFree = UINT32_MAX;

  void place(size_t position, const Entry& entry) noexcept;
  void sift_up(size_t position, const Entry& entry) noexcept;
  void sift_down(size_t position, const Entry& entry) noexcept;
  void remove(size_t position) noexcept;

  std::vector<Entry> heap_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_slots_;
  uint64_t sequence_ = 0;
};

}  // namespace orbit::kernel
