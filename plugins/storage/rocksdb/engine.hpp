// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The storage contract on one RocksDB database.
#pragma once

#include <rocksdb/options.h>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <orbit/storage.hpp>
#include <shared_mutex>
#include <string>
#include <vector>

#include "families.hpp"
#include "gate.hpp"
#include "stats.hpp"

namespace orbit::storage_rocksdb {

struct EngineOptions {
  std::string path;
  std::string compression;  // none, lz4, zstd
  uint64_t block_cache_bytes = 0;
  uint64_t write_buffer_bytes = 0;
  int write_buffers_max = 0;
  int background_jobs_max = 0;
  int open_files_max = 0;
  int bloom_bits_per_key = 0;  // 0: no filters
  bool ribbon_filters = false;  // slower to build, a third smaller
  std::vector<std::string> column_families;  // prefixes of keys
  bool pipelined_writes = false;
  bool statistics = false;
  uint64_t background_bytes_per_second = 0;  // 0: no limit
  std::string wal_path;        // empty: in path
  uint64_t wal_bytes_max = 0;
  uint64_t wal_bytes_per_sync = 0;
  // After each flush and compaction, on a thread of RocksDB; must not call the engine.
  std::function<void(const EngineStats&)> after_background;
};

class Engine final : public Storage {
 public:
  // Opens or creates the database and its directories. FAILED_PRECONDITION: another process has it open; DATA_LOSS: it is
  // damaged; RESOURCE_EXHAUSTED: no space left on the device.
  static Result<std::unique_ptr<Engine>> open(const EngineOptions& options);
  ~Engine() override;  // no snapshot and no scan may be alive

  Result<bool> get(const StorageSnapshot* snapshot, Bytes key, ValueSink value) override;
  Result<> multi_get(const StorageSnapshot* snapshot, KeyList keys, VisitValue visit) override;
  Result<> scan(const StorageSnapshot* snapshot, Bytes from, Bytes to, bool reverse, VisitEntry visit) override;
  Result<> write(WriteOps ops, bool sync) override;
  Result<> sync() override;
  // RESOURCE_EXHAUSTED while the disk is full; succeeds some seconds after there is room.
  Result<> recover() override;
  uint64_t size_bytes() override;

  // A second database in a directory that does not exist yet, of hard links where the file system allows it: all that was
  // written before the call.
  Result<> checkpoint(const std::string& directory);
  // Reads all tables and compares their checksums. DATA_LOSS: the message names the file.
  Result<> verify();
  // Merges everything into the last level.
  Result<> compact();
  EngineStats stats();

  Result<std::unique_ptr<StorageSnapshot>> create_snapshot();
  Result<CachedGet> get_cached(Bytes key, ValueSink value);

 private:
  class Snapshot;

  explicit Engine(EngineOptions options);
  Result<> open_database();
  Result<> reopen();
  void close_database() noexcept;
  Result<> erase_range(rocksdb::WriteBatch& batch, Bytes from, Bytes to, Bytes greatest_put);
  Result<std::string> end_after(Bytes greatest_put, rocksdb::ColumnFamilyHandle* family);
  tl::unexpected<Error> stop(const char* what, const rocksdb::Status& status);
  tl::unexpected<Error> stopped();
  tl::unexpected<Error> failed(const char* what, const rocksdb::Status& status) const;
  tl::unexpected<Error> closed() const;

  const EngineOptions options_;
  const rocksdb::ReadOptions newest_;
  const rocksdb::ReadOptions cached_ = [] {
    rocksdb::ReadOptions options;
    options.read_tier = rocksdb::kBlockCacheTier;
    return options;
  }();
  // Held shared by every use of db_, alone to replace it. Taken alone by try_lock only: nobody queues behind a reader, so
  // that a visitor of a scan may call the engine.
  Gate open_;
  std::shared_ptr<rocksdb::Statistics> statistics_;  // null: not asked for
  Families families_;                                // of db_
  std::unique_ptr<rocksdb::DB> db_;  // null: a reopen failed, and recover tries again
  std::atomic<uint64_t> snapshots_ = 0;

  // After a write failed, nothing may touch the log until recover has made sure that it is another one.
  std::atomic<bool> stopped_ = false;
  std::mutex stop_;  // guards what follows
  Error stop_reason_;
  uint64_t failed_log_ = 0;
};

}  // namespace orbit::storage_rocksdb
