// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Finds turns that keep their worker for too long, from another thread: workers do nothing for it, and the turn that never ends
// is found too.
//
// look() sees every quarter of the bound whether a worker has begun another turn or come to the end of its round. When it has
// not for as long as the bound, the worker is interrupted once to see what it runs. So a turn that takes 1.25 times the bound is
// always found and one that takes less than the bound never; its duration is known to a quarter of the bound. A turn that
// again and again has calls to actors of its own worker answered at once is none: the scheduler has it wait when its time is over.
// look() also tells workers that have been in a round for long to look at the clock.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "actor/tally.hpp"
#include "actor/waits.hpp"
#include "observe/log.hpp"

namespace orbit::kernel {

class Runtime;

struct SlowTurn {
  uint64_t began_unix_ms = 0;
  uint32_t worker = 0;
  std::string type;
  std::string key;
  std::string method;  // empty: activation, or unknown
  uint64_t duration_ms = 0;  // so far, if it runs
  bool running = false;
};

class TurnWatch {
 public:
  static constexpr size_t kKeptMax = ORBIT_SLOW_TURNS_MAX;  // of each worker

  // slow_turn_ms = 0: nothing is watched.
  TurnWatch(Runtime& runtime, uint64_t slow_turn_ms, Logger* logger);

  uint64_t slow_turn_ms() const noexcept { return slow_ns_ / 1'000'000; }
  uint64_t look_every_ns() const noexcept { return slow_ns_ / 4; }
  // [one thread at a time, no worker]
  void look();
  // Of all workers, newest first. [any thread]
  std::vector<SlowTurn> slow_turns(size_t limit) const;
  // How many were found on a worker. [any thread]
  const Tally& found(uint32_t worker) const noexcept { return watched_[worker].found; }

 private:
  struct Watched {
    uint64_t progress = 0;
    uint64_t turns = 0;
    uint64_t since_ns = 0;  // when this was seen first
    bool looked_at = false;
    bool kept = false;      // the newest of `slow` is what runs
    uint64_t logged_ns = 0;
    uint64_t unlogged = 0;
    bool logged = false;    // of the one that runs
    std::deque<SlowTurn> slow;  // guarded by mutex_
    Tally found;
  };
  void look_at(uint32_t worker, Watched& watched, uint64_t now_ns);
  void ended(Watched& watched);
  bool may_log(Watched& watched, uint64_t now_ns);

  Runtime& runtime_;
  const uint64_t slow_ns_;
  Logger* const logger_;
  mutable std::mutex mutex_;
  std::deque<Watched> watched_;
};

}  // namespace orbit::kernel
