// SPDX-License-Identifier: MIT OR BSD-3-Clause
#pragma once

#include <rocksdb/options.h>

#include "engine.hpp"

namespace orbit::storage_rocksdb {

// RocksDB's options for one writer that commits in batches, point gets of which many miss, and short prefix scans.
Result<rocksdb::Options> tuned(const EngineOptions& options);

// `statistics` may be null.
EngineStats stats_of(rocksdb::DB& db, rocksdb::Statistics* statistics);

}  // namespace orbit::storage_rocksdb
