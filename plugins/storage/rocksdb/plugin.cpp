// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <orbit/ext/observe.h>
#include <orbit/plugin.hpp>
#include <orbit/storage.hpp>

#include "engine.hpp"

namespace {

using orbit::storage_rocksdb::Engine;
using orbit::storage_rocksdb::EngineOptions;

using orbit::storage_rocksdb::EngineStats;

// RocksDB's numbers as metrics of the node; those that count come from its statistics.
class Gauges {
 public:
  Gauges(orbit::Host host, bool statistics) : metrics_(host.extension<orbit_metrics_v1>(ORBIT_METRICS_V1)) {
    if (metrics_ == nullptr) return;
    for (size_t i = 0; i < std::size(kGauges); ++i)
      if (statistics || !kGauges[i].counted) gauges_[i] = metrics_->gauge(host.raw(), kGauges[i].name, "", kGauges[i].help);
  }
  void set(const EngineStats& stats) const {
    for (size_t i = 0; i < std::size(kGauges); ++i)
      if (gauges_[i] != nullptr) metrics_->set(gauges_[i], static_cast<int64_t>(stats.*kGauges[i].value));
  }

 private:
  struct Gauge {
    const char* name;
    const char* help;
    uint64_t EngineStats::* value;
    bool counted;
  };
  static constexpr Gauge kGauges[] = {
      {"orbit_rocksdb_table_bytes", "Bytes in tables.", &EngineStats::table_bytes, false},
      {"orbit_rocksdb_memtable_bytes", "Bytes in memtables.", &EngineStats::memtable_bytes, false},
      {"orbit_rocksdb_cache_bytes", "Bytes in the block cache.", &EngineStats::cache_bytes, false},
      {"orbit_rocksdb_level0_tables", "Tables in level 0 of the default family.", &EngineStats::level0_tables, false},
      {"orbit_rocksdb_compaction_pending_bytes", "Estimate of what is still to be compacted.",
       &EngineStats::compaction_pending_bytes, false},
      {"orbit_rocksdb_flushes", "Memtables that became tables.", &EngineStats::flushes, false},
      {"orbit_rocksdb_compactions", "Compactions.", &EngineStats::compactions, false},
      {"orbit_rocksdb_cache_hits", "Blocks found in the cache.", &EngineStats::cache_hits, true},
      {"orbit_rocksdb_cache_misses", "Blocks not found in the cache.", &EngineStats::cache_misses, true},
      {"orbit_rocksdb_filter_useful", "Tables that a filter saved a read of.", &EngineStats::filter_useful, true},
      {"orbit_rocksdb_memtable_hits", "Gets answered by memtables.", &EngineStats::memtable_hits, true},
      {"orbit_rocksdb_memtable_misses", "Gets not answered by memtables.", &EngineStats::memtable_misses, true},
      {"orbit_rocksdb_log_bytes", "Bytes written to the log.", &EngineStats::log_bytes, true},
      {"orbit_rocksdb_log_syncs", "Syncs of the log.", &EngineStats::log_syncs, true},
      {"orbit_rocksdb_flush_bytes", "Bytes written by flushes.", &EngineStats::flush_bytes, true},
      {"orbit_rocksdb_compaction_read_bytes", "Bytes that compactions read.", &EngineStats::compaction_read_bytes, true},
      {"orbit_rocksdb_compaction_bytes", "Bytes that compactions wrote.", &EngineStats::compaction_bytes, true},
      {"orbit_rocksdb_stalled_microseconds", "Time that writers were held up.", &EngineStats::stalled_microseconds, true},
  };
  const orbit_metrics_v1* metrics_;
  orbit_gauge* gauges_[std::size(kGauges)] = {};
};

constexpr const char* kFilters[] = {"bloom", "ribbon", nullptr};
constexpr const char* kCompressions[] = {"none", "lz4", "zstd", nullptr};

class RocksdbStorage final : public orbit::StoragePlugin<RocksdbStorage, Engine> {
 public:
  static constexpr orbit::Option kOptions[] = {
      orbit::option_string("path", nullptr, "Directory of the database; created when missing."),
      orbit::option_integer("block_cache_bytes", "268435456", 1 << 20, 1e13,
                            "Memory for blocks read from disk, with their indexes and filters."),
      orbit::option_integer("write_buffer_bytes", "67108864", 1 << 16, 1 << 30,
                            "Memory that collects writes before a file is made of it; at most write_buffers_max exist."),
      orbit::option_integer("write_buffers_max", "4", 2, 64,
                            "Write buffers that may wait for the disk before writers are held up."),
      orbit::option_integer("max_background_jobs", "2", 1, 64, "Threads that flush and compact."),
      orbit::option_integer("open_files_max", "512", 64, 1e6, "Most table files kept open."),
      orbit::option_string("compression", "\"lz4\"", "Compression of data on disk.", kCompressions),
      orbit::option_integer("bloom_bits_per_key", "10", 0, 32,
                            "Size of the filters that answer most gets of absent keys without the disk; 0: none."),
      orbit::option_string("filter", "\"bloom\"", "Kind of filter; ribbon is a third smaller and slower to build.", kFilters),
      orbit::option_strings("column_families", "[]",
                            "Prefixes of keys that get a column family each, with write buffers and compactions of their own; only "
                            "before there are such keys. Once made they stay."),
      orbit::option_boolean("pipelined_writes", "false",
                            "Lets the next group of writers write the log while this one's fills memtables; for several threads "
                            "that commit at once."),
      orbit::option_boolean("statistics", "false", "Whether RocksDB counts what it does, for metrics."),
      orbit::option_integer("background_bytes_per_second", "0", 0, 1e12,
                            "Limit of what flushes and compactions write; 0: none."),
      orbit::option_string("wal.path", "\"\"", "Directory of the write-ahead log; empty: the database's."),
      orbit::option_integer("wal.bytes_max", "536870912", 1 << 20, 1e13,
                            "Size of the write-ahead log at which the oldest write buffers are flushed."),
      orbit::option_integer("wal.bytes_per_sync", "1048576", 0, 1e9,
                            "Hand written bytes to the disk in steps of this size, so that a sync has less to wait for; 0: off."),
  };
  static constexpr orbit::PluginInfo kInfo{
      .id = "orbit.storage.rocksdb",
      .version = "0.1.0",
      .doc = "Durable ordered storage on a local disk, with RocksDB.",
      .provides = orbit::storage_provides<Engine>(),
      .options = kOptions,
  };

  static orbit::Result<std::unique_ptr<RocksdbStorage>> create(orbit::Host host, const orbit::Config& config) {
    EngineOptions options;
    options.path = config.string("path");
    options.compression = config.string("compression");
    options.block_cache_bytes = static_cast<uint64_t>(config.integer("block_cache_bytes"));
    options.write_buffer_bytes = static_cast<uint64_t>(config.integer("write_buffer_bytes"));
    options.write_buffers_max = static_cast<int>(config.integer("write_buffers_max"));
    options.background_jobs_max = static_cast<int>(config.integer("max_background_jobs"));
    options.open_files_max = static_cast<int>(config.integer("open_files_max"));
    options.bloom_bits_per_key = static_cast<int>(config.integer("bloom_bits_per_key"));
    options.wal_path = config.string("wal.path");
    options.wal_bytes_max = static_cast<uint64_t>(config.integer("wal.bytes_max"));
    options.wal_bytes_per_sync = static_cast<uint64_t>(config.integer("wal.bytes_per_sync"));
    options.ribbon_filters = config.string("filter") == "ribbon";
    options.column_families = config.strings("column_families");
    options.pipelined_writes = config.boolean("pipelined_writes");
    options.statistics = config.boolean("statistics");
    options.background_bytes_per_second = static_cast<uint64_t>(config.integer("background_bytes_per_second"));
    options.after_background = [gauges = Gauges(host, options.statistics)](const EngineStats& stats) { gauges.set(stats); };
    auto engine = Engine::open(options);
    if (!engine) return tl::unexpected<orbit::Error>(engine.error());
    host.info("storage is open: " + options.path);
    return std::make_unique<RocksdbStorage>(std::move(*engine));
  }

  using StoragePlugin::StoragePlugin;
};

}  // namespace

ORBIT_PLUGIN(RocksdbStorage)
