// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What is written until the power goes, and what must be there afterwards. Runs in a process of its own, which is
// killed.
#pragma once

#include <atomic>
#include <cstdint>

#include "engines.hpp"

namespace orbit::powercut {

constexpr size_t kWriters = 4;

// Shared between the process that cuts and the one that writes. Each writer's batches are numbered from 1, and a number
// says all that is in the batch.
struct Progress {
  std::atomic<uint64_t> issued[kWriters];        // before the write began
  std::atomic<uint64_t> acknowledged[kWriters];  // with sync, or with everything in a careless run
  std::atomic<bool> cut;                         // errors from now on are no news
  std::atomic<bool> verified;
  std::atomic<bool> failed;
  char failure[1024];
};

struct Run {
  const Kind* kind;
  std::string directory;
  uint64_t seed;
  bool careless;  // nothing is synced, and all of it counts as acknowledged: must be found out
  bool verify_only;
};

// Opens, compares everything, and writes until it is killed. Returns early when that fails or is all.
void run_workload(const Run& run, Progress& progress);

}  // namespace orbit::powercut
