// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What the files behind the writers share.
#pragma once

#include "waiting.hpp"

namespace orbit::lsm {

struct Engine::Compaction {
  size_t level = 0;
  size_t output = 0;
  std::vector<TablePtr> upper;      // of `level`, the newest first in level 0
  std::vector<TablePtr> lower;      // of `output`
  std::vector<KeyRange> kept_back;  // in order: what lies in them stays in `level`
  bool expired = false;             // the tables only go
  bool rewrites = false;            // also where a table could just be moved
};

// Tables that were written for one purpose.
struct Engine::Made {
  std::vector<TablePtr> below;   // for the level that was written to
  std::vector<TablePtr> stayed;  // of what was kept back, for the level above

  void drop() noexcept {
    for (const auto* tables : {&below, &stayed})
      for (const TablePtr& table : *tables) table->make_obsolete();
  }
  uint64_t bytes() const noexcept {
    uint64_t sum = 0;
    for (const auto* tables : {&below, &stayed})
      for (const TablePtr& table : *tables) sum += table->info.bytes;
    return sum;
  }
};

}  // namespace orbit::lsm
