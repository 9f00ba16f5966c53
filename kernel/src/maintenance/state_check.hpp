// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Reading everything that a storage instance has: what of it is damaged, and how much there is of what.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "maintenance/keys.hpp"
#include "maintenance/pace.hpp"
#include "maintenance/progress.hpp"
#include "state/engine.hpp"

namespace orbit::kernel {

struct Amount {
  uint64_t keys = 0;
  uint64_t bytes = 0;  // of keys and values
};
struct StateStats {
  std::map<std::string, std::array<Amount, kKeyKinds>> types;  // "": what belongs to no type
  uint64_t engine_bytes = 0;                                   // as the engine says
};

struct StateCheck {
  static constexpr size_t kDamagesMax = 100;  // told one by one; damaged counts all
  StateStats stats;
  uint64_t damaged = 0;
  std::vector<std::string> damages;
  // Sub-records of actors without a main record: nobody reads them.
  uint64_t orphans = 0;
  bool counts_compared = false;  // with what the types say that they have
};

struct CheckOptions {
  orbit_snapshot* snapshot = nullptr;       // what to read; null: what is there now
  const std::atomic<bool>* stop = nullptr;  // true: it is given up, and what it found is not all
  Pace* pace = nullptr;                     // of what is read
  bool compare_counts = true;               // only where nobody writes, or with a snapshot
};

// Reads every key and value, so that the engine verifies its checksums, and checks keys, main records and counts. What an
// engine refuses to read is damage, and the reading goes on with the next kind of key.
StateCheck check_state(const Engine& engine, const Report& report, CheckOptions options = {});

// Keys and bytes by type. An error where the engine refuses to read, and CANCELLED when it was given up.
Result<StateStats> state_stats(const Engine& engine, const Report& report, CheckOptions options = {});

}  // namespace orbit::kernel
