// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "tuning.hpp"

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>

#include <algorithm>

namespace orbit::storage_rocksdb {
namespace {

Result<rocksdb::CompressionType> compression_of(const std::string& name) {
  const auto type = name == "none"  ? rocksdb::kNoCompression
                    : name == "lz4" ? rocksdb::kLZ4Compression
                                    : rocksdb::kZSTD;
  const auto supported = rocksdb::GetSupportedCompressions();
  if (type != rocksdb::kNoCompression && std::find(supported.begin(), supported.end(), type) == supported.end())
    return fail(Code::invalid_argument, "compression = \"" + name + "\": the installed RocksDB was built without it");
  return type;
}

}  // namespace

Result<rocksdb::Options> tuned(const EngineOptions& options) {
  auto compression = compression_of(options.compression);
  if (!compression) return tl::unexpected<Error>(compression.error());

  rocksdb::Options out;
  out.create_if_missing = true;
  out.compression = *compression;
  out.write_buffer_size = options.write_buffer_bytes;
  out.max_write_buffer_number = options.write_buffers_max;
  out.max_background_jobs = options.background_jobs_max;
  out.max_open_files = options.open_files_max;
  out.wal_dir = options.wal_path;
  out.max_total_wal_size = options.wal_bytes_max;
  out.wal_bytes_per_sync = options.wal_bytes_per_sync;
  out.bytes_per_sync = options.wal_bytes_per_sync;
  out.level_compaction_dynamic_level_bytes = true;
  // Where a crash tore the log's end, everything before is whole: batches are read back up to the first damaged one.
  out.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;

  // One thread writes, so nothing is gained by coordinating writers.
  out.allow_concurrent_memtable_write = false;
  out.enable_write_thread_adaptive_yield = false;
  // Cold actors are looked up by keys that were never written: answer from filters, in memory too.
  out.memtable_whole_key_filtering = options.bloom_bits_per_key > 0;
  out.memtable_prefix_bloom_size_ratio = options.bloom_bits_per_key > 0 ? 0.02 : 0.0;

  // The database's own log is for post-mortems; its size is bounded.
  out.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  out.max_log_file_size = size_t{4} << 20;
  out.keep_log_file_num = 4;
  out.stats_dump_period_sec = 0;
  out.stats_persist_period_sec = 0;

  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(options.block_cache_bytes, -1, false, 0.3);
  // Indexes and filters count against the cache's bound, and leave it last.
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.data_block_index_type = rocksdb::BlockBasedTableOptions::kDataBlockBinaryAndHash;
  table.format_version = 5;
  if (options.bloom_bits_per_key > 0) {
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(options.bloom_bits_per_key));
    table.whole_key_filtering = true;
  }
  out.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return out;
}

}  // namespace orbit::storage_rocksdb
