// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <orbit/plugin.hpp>
#include <orbit/storage.hpp>

#include "engine.hpp"

namespace {

using orbit::storage_rocksdb::Engine;
using orbit::storage_rocksdb::EngineOptions;

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
    auto engine = Engine::open(options);
    if (!engine) return tl::unexpected<orbit::Error>(engine.error());
    host.info("storage is open: " + options.path);
    return std::make_unique<RocksdbStorage>(std::move(*engine));
  }

  using StoragePlugin::StoragePlugin;
};

}  // namespace

ORBIT_PLUGIN(RocksdbStorage)
