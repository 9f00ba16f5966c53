// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What RocksDB counts, for metrics.
#pragma once

#include <cstdint>

namespace orbit::storage_rocksdb {

struct EngineStats {
  // Always there.
  uint64_t table_bytes = 0;
  uint64_t memtable_bytes = 0;
  uint64_t cache_bytes = 0;
  uint64_t level0_tables = 0;
  uint64_t compaction_pending_bytes = 0;
  uint64_t flushes = 0;
  uint64_t compactions = 0;
  // With statistics = true; otherwise 0.
  uint64_t cache_hits = 0;
  uint64_t cache_misses = 0;
  uint64_t filter_useful = 0;
  uint64_t memtable_hits = 0;
  uint64_t memtable_misses = 0;
  uint64_t log_bytes = 0;
  uint64_t log_syncs = 0;
  uint64_t flush_bytes = 0;
  uint64_t compaction_read_bytes = 0;
  uint64_t compaction_bytes = 0;
  uint64_t stalled_microseconds = 0;
};

}  // namespace orbit::storage_rocksdb
