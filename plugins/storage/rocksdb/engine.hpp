// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The storage contract on one RocksDB database.
#pragma once

#include <memory>
#include <orbit/storage.hpp>
#include <string>

namespace rocksdb {
class DB;
class Status;
}  // namespace rocksdb

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
  std::string wal_path;        // empty: in path
  uint64_t wal_bytes_max = 0;
  uint64_t wal_bytes_per_sync = 0;
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
  Result<> recover() override;
  uint64_t size_bytes() override;

  Result<std::unique_ptr<StorageSnapshot>> create_snapshot();
  Result<CachedGet> get_cached(Bytes key, ValueSink value);

 private:
  class Snapshot;

  Engine(std::string path, std::unique_ptr<rocksdb::DB> db);
  Result<std::string> end_after(Bytes greatest_put);
  tl::unexpected<Error> failed(const char* what, const rocksdb::Status& status) const;

  const std::string path_;
  const std::unique_ptr<rocksdb::DB> db_;
};

}  // namespace orbit::storage_rocksdb
