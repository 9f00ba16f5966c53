// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The timers that a worker's activations have started. Each waits in the executor's heap of timers; while its tick waits in
// the mailbox or runs it waits nowhere, so ticks of one timer never overlap and never pile up.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <deque>
#include <vector>

#include "orbit/ext/actors.h"
#include "orbit/ext/workers.h"
#include "orbit/result.hpp"

namespace orbit::kernel {

class Scheduler;

class ActorTimers {
 public:
  explicit ActorTimers(Scheduler& scheduler) : scheduler_(scheduler) {}
  ActorTimers(const ActorTimers&) = delete;
  ActorTimers& operator=(const ActorTimers&) = delete;

  Result<uint64_t> start(orbit_activation* a, uint64_t due_ms, uint64_t period_ms, uint64_t cookie, uint32_t flags);
  bool cancel(orbit_activation* a, uint64_t timer) noexcept;
  // The activation's actor object goes.
  void drop(orbit_activation* a) noexcept;
  // From now on nothing ticks; for a node that stops.
  void stop() noexcept { stopped_ = true; }
  size_t size() const noexcept { return timers_.size() - free_.size(); }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Timer {
    ActorTimers* owner = nullptr;
    orbit_activation* a = nullptr;  // null: unused
    uint64_t cookie = 0;
    uint64_t due_ns = 0;            // the tick that is awaited or runs
    uint64_t period_ns = 0;
    orbit_timer armed = 0;          // 0: its tick is on its way
    uint32_t generation = 1;
    uint32_t next = kNone;          // of the same activation
    uint32_t index = 0;
    uint32_t skipped = 0;
    uint32_t flags = 0;
  };

  uint64_t id_of(const Timer& timer) const noexcept { return uint64_t{timer.generation} << 32 | (timer.index + 1); }
  Timer* find(uint64_t id) noexcept;
  void arm(Timer& timer, uint64_t delay_ns);
  void fire(Timer& timer) noexcept;
  void ticked(uint64_t id) noexcept;
  // Arms it for its next tick, or ends it when that was the only one.
  void go_on(Timer& timer) noexcept;
  void release(Timer& timer) noexcept;
  void unlink(Timer& timer) noexcept;

  Scheduler& scheduler_;
  std::deque<Timer> timers_;  // addresses stay
  std::vector<uint32_t> free_;
  boost::unordered_flat_map<const orbit_activation*, uint32_t> first_;
  bool stopped_ = false;
};

}  // namespace orbit::kernel
