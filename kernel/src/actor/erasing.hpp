// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Erasing all actors of types, by itself or with what a hold changes: orbit.erasing/1, and erase_all of orbit.actors/1.
#pragma once

#include <deque>
#include <mutex>

#include "orbit/ext/erasing.h"

namespace orbit::kernel {

// Holds that may erase follow each other: two of which each holds what the other erases would wait for each other for
// ever.
class ErasingTurns {
 public:
  // Goes on with hold->advance() when it is its turn; leave must follow. [worker]
  void enter(orbit_hold* hold);
  void leave();  // [any worker]

 private:
  std::mutex mutex_;
  std::deque<orbit_hold*> waiting_;  // guarded by mutex_
  bool taken_ = false;               // guarded by mutex_
};

const orbit_erasing_v1* erasing_table() noexcept;
void erase_all_actors(const orbit_type* type, void (*done)(void* ctx, orbit_code code, const char* message), void* ctx);

}  // namespace orbit::kernel
