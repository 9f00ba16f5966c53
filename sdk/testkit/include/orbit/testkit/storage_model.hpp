// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Tests of a storage engine against a std::map, for engines that take their files as an orbit::FileSystem: random operations
// with reopening, snapshots and power cuts in between; and a power cut after every single write and sync of a workload.
#pragma once

#include <functional>
#include <orbit/storage.hpp>
#include <orbit/testkit/faulty_files.hpp>
#include <string>
#include <vector>

namespace orbit::testkit {

// How to get at an engine. Nothing may run in the background in a crash test, so that a seed says everything.
struct StorageSubject {
  std::function<Result<std::unique_ptr<Storage>>(FileSystem&)> open;
  // Optional.
  std::function<Result<std::unique_ptr<StorageSnapshot>>(Storage&)> snapshot;
  // What else can be done to it, none of which may change its content: checkpoints, compactions, checks.
  struct Upkeep {
    std::string name;
    std::function<Result<>(Storage&)> run;
  };
  std::vector<Upkeep> upkeep;
};

struct CrashReport {
  size_t steps = 0;
  size_t crashes = 0;
  std::string failure;  // empty: none
};
// Runs `batches` random batches, cuts the power after each operation on the files in each way of kLosses, and opens what is
// left: everything acknowledged with sync must be there, every batch whole, in order, and the engine must go on working.
CrashReport crash_everywhere(const StorageSubject& subject, uint64_t seed, size_t batches);

// Runs `operations` random operations and compares everything with a map. Empty: all agreed. Otherwise what differed, and the
// shortest list of operations that was found to show it.
std::string check_against_model(const StorageSubject& subject, uint64_t seed, size_t operations);

}  // namespace orbit::testkit
