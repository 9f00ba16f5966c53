// SPDX-License-Identifier: MIT OR BSD-3-Clause
#pragma once

#include <map>
#include <string>
#include <vector>

#include "executor/prng.hpp"
#include "executor/sim_executor.hpp"
#include "orbit/ext/storage.h"
#include "orbit/testkit/node_storage.hpp"

namespace orbit::testkit {

struct NodeStorage::Impl {
  explicit Impl(uint64_t seed) : random(seed) {}

  // The host's side: self is an Impl.
  static const orbit_storage_v1 kTable;
  // The seed says which records the engine has in its cache.
  static const orbit_storage_cached_v1 kCached;

  void lose_power(Unsynced unsynced);
  // The executor of the node while it is up.
  void set_executor(kernel::SimExecutor* now);

  using Map = std::map<std::string, std::string, std::less<>>;
  struct Op {
    uint32_t kind;
    std::string key;
    std::string value;
  };
  using Batch = std::vector<Op>;

  static void apply(const Batch& batch, Map& to);
  void sync_all();
  orbit_code refuse_write(orbit_error* error);
  orbit_code refuse_read(orbit_error* error);

  Map data;
  Map durable;
  std::vector<Batch> unsynced;
  kernel::Prng random;
  kernel::SimExecutor* executor = nullptr;
  bool full = false;
  uint64_t delay_ns = 0;
  uint64_t writes_to_fail = 0;
  uint64_t reads_to_fail = 0;
  Error write_error;
  Error read_error;
  uint64_t writes = 0;
  uint64_t syncs = 0;
};

}  // namespace orbit::testkit
