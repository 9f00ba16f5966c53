// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "tuning.hpp"

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/rate_limiter.h>
#include <rocksdb/statistics.h>
#include <rocksdb/table.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>

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

// Tells what is going on in the background after each piece of it.
class Listener final : public rocksdb::EventListener {
 public:
  Listener(std::function<void(const EngineStats&)> tell, std::shared_ptr<rocksdb::Statistics> statistics)
      : tell_(std::move(tell)), statistics_(std::move(statistics)) {}
  void OnFlushCompleted(rocksdb::DB* db, const rocksdb::FlushJobInfo&) override {
    ++flushes_;
    tell(*db);
  }
  void OnCompactionCompleted(rocksdb::DB* db, const rocksdb::CompactionJobInfo&) override {
    ++compactions_;
    tell(*db);
  }

 private:
  void tell(rocksdb::DB& db) {
    EngineStats stats = stats_of(db, statistics_.get());
    stats.flushes = flushes_;
    stats.compactions = compactions_;
    tell_(stats);
  }
  const std::function<void(const EngineStats&)> tell_;
  const std::shared_ptr<rocksdb::Statistics> statistics_;
  std::atomic<uint64_t> flushes_ = 0;
  std::atomic<uint64_t> compactions_ = 0;
};

}  // namespace

EngineStats stats_of(rocksdb::DB& db, rocksdb::Statistics* statistics) {
  using Properties = rocksdb::DB::Properties;
  EngineStats out;
  db.GetAggregatedIntProperty(Properties::kTotalSstFilesSize, &out.table_bytes);
  db.GetAggregatedIntProperty(Properties::kCurSizeAllMemTables, &out.memtable_bytes);
  db.GetAggregatedIntProperty(Properties::kEstimatePendingCompactionBytes, &out.compaction_pending_bytes);
  db.GetIntProperty(Properties::kBlockCacheUsage, &out.cache_bytes);  // all families share one cache
  std::string level0;
  if (db.GetProperty(Properties::kNumFilesAtLevelPrefix + "0", &level0)) out.level0_tables = std::strtoull(level0.c_str(), nullptr, 10);
  if (statistics == nullptr) return out;
  const auto count = [&](rocksdb::Tickers ticker) { return statistics->getTickerCount(ticker); };
  out.cache_hits = count(rocksdb::BLOCK_CACHE_HIT);
  out.cache_misses = count(rocksdb::BLOCK_CACHE_MISS);
  out.filter_useful = count(rocksdb::BLOOM_FILTER_USEFUL);
  out.memtable_hits = count(rocksdb::MEMTABLE_HIT);
  out.memtable_misses = count(rocksdb::MEMTABLE_MISS);
  out.log_bytes = count(rocksdb::WAL_FILE_BYTES);
  out.log_syncs = count(rocksdb::WAL_FILE_SYNCED);
  out.flush_bytes = count(rocksdb::FLUSH_WRITE_BYTES);
  out.compaction_read_bytes = count(rocksdb::COMPACT_READ_BYTES);
  out.compaction_bytes = count(rocksdb::COMPACT_WRITE_BYTES);
  out.stalled_microseconds = count(rocksdb::STALL_MICROS);
  return out;
}

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

  // All families together have the memory that one would have.
  if (!options.column_families.empty())
    out.db_write_buffer_size = options.write_buffer_bytes * static_cast<uint64_t>(options.write_buffers_max);
  if (options.background_bytes_per_second > 0)
    out.rate_limiter.reset(rocksdb::NewGenericRateLimiter(static_cast<int64_t>(options.background_bytes_per_second)));
  if (options.statistics) {
    out.statistics = rocksdb::CreateDBStatistics();
    out.statistics->set_stats_level(rocksdb::StatsLevel::kExceptDetailedTimers);
  }
  if (options.after_background) out.listeners.push_back(std::make_shared<Listener>(options.after_background, out.statistics));

  // Several committing threads overlap: the next group writes the log while this one's memtables are filled. Writers form
  // groups either way; one thread that commits gains nothing from overlapping.
  out.enable_pipelined_write = options.pipelined_writes;
  // One thread writes a memtable, so nothing is gained by coordinating writers.
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
    table.filter_policy.reset(options.ribbon_filters ? rocksdb::NewRibbonFilterPolicy(options.bloom_bits_per_key)
                                                     : rocksdb::NewBloomFilterPolicy(options.bloom_bits_per_key));
    table.whole_key_filtering = true;
  }
  out.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return out;
}

}  // namespace orbit::storage_rocksdb
