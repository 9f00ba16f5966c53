// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <orbit/ext/observe.h>
#include <chrono>
#include <orbit/files_posix.hpp>
#include <orbit/plugin.hpp>
#include <orbit/storage.hpp>

#include "engine.hpp"

namespace {

using orbit::lsm::Engine;
using orbit::lsm::EngineOptions;
using orbit::lsm::EngineStats;

// What goes on in the background, as metrics.
class Gauges {
 public:
  explicit Gauges(orbit::Host host) : metrics_(host.extension<orbit_metrics_v1>(ORBIT_METRICS_V1)) {
    if (metrics_ == nullptr) return;
    for (size_t i = 0; i < std::size(kGauges); ++i)
      gauges_[i] = metrics_->gauge(host.raw(), kGauges[i].name, "", kGauges[i].help);
  }
  void set(const EngineStats& stats) const {
    if (metrics_ == nullptr) return;
    for (size_t i = 0; i < std::size(kGauges); ++i)
      metrics_->set(gauges_[i], static_cast<int64_t>(stats.*kGauges[i].value));
  }

 private:
  struct Gauge {
    const char* name;
    const char* help;
    uint64_t EngineStats::* value;
  };
  static constexpr Gauge kGauges[] = {
      {"orbit_lsm_log_bytes", "Bytes written to the log.", &EngineStats::log_bytes},
      {"orbit_lsm_log_syncs", "Syncs of the log.", &EngineStats::log_syncs},
      {"orbit_lsm_flushes", "Memtables that became tables.", &EngineStats::flushes},
      {"orbit_lsm_flush_bytes", "Bytes written by flushes.", &EngineStats::flush_bytes},
      {"orbit_lsm_compactions", "Compactions.", &EngineStats::compactions},
      {"orbit_lsm_compaction_read_bytes", "Bytes of tables that compactions read.",
       &EngineStats::compaction_read_bytes},
      {"orbit_lsm_compaction_bytes", "Bytes that compactions wrote.", &EngineStats::compaction_bytes},
      {"orbit_lsm_tables_moved", "Tables that moved to the next level as they were.", &EngineStats::tables_moved},
      {"orbit_lsm_tables_expired", "Tables removed because all in them had expired.", &EngineStats::tables_expired},
      {"orbit_lsm_slowed_microseconds", "Time that writers were slowed down.", &EngineStats::slowed_microseconds},
      {"orbit_lsm_stopped_microseconds", "Time that writers waited for room.", &EngineStats::stopped_microseconds},
      {"orbit_lsm_cache_bytes", "Bytes in the block cache.", &EngineStats::cache_bytes},
      {"orbit_lsm_memtable_bytes", "Bytes in memtables.", &EngineStats::memtable_bytes},
      {"orbit_lsm_tables", "Tables.", &EngineStats::tables},
      {"orbit_lsm_table_bytes", "Bytes in tables.", &EngineStats::table_bytes},
      {"orbit_lsm_level0_tables", "Tables in level 0.", &EngineStats::level0_tables},
      {"orbit_lsm_damaged_tables", "Tables that compactions leave alone, because they cannot be read.",
       &EngineStats::damaged_tables},
  };
  const orbit_metrics_v1* metrics_;
  orbit_gauge* gauges_[std::size(kGauges)] = {};
};

orbit::Result<std::vector<orbit::lsm::Compression>> compression_of(const std::vector<std::string>& names) {
  std::vector<orbit::lsm::Compression> out;
  for (const std::string& name : names) {
    if (name == "none") {
      out.push_back(orbit::lsm::Compression::none);
    } else if (name == "lz4") {
      out.push_back(orbit::lsm::Compression::lz4);
    } else if (name == "zstd") {
      out.push_back(orbit::lsm::Compression::zstd);
    } else {
      return orbit::fail(orbit::Code::invalid_argument, "compression: \"" + name + "\" is none of none, lz4, zstd");
    }
  }
  return out;
}

class LsmStorage final : public orbit::StoragePlugin<LsmStorage, Engine> {
 public:
  static constexpr const char* kRecoveries[] = {"strict", "salvage", nullptr};
  static constexpr orbit::Option kOptions[] = {
      orbit::option_string("path", nullptr, "Directory of the database; created when missing."),
      orbit::option_integer("block_cache_bytes", "268435456", 1 << 16, 1e13,
                            "Memory for blocks, indexes and filters that were read from tables."),
      orbit::option_integer(
          "write_buffer_bytes", "67108864", 1 << 16, 1 << 30,
          "Memory that collects writes before a table is made of it; at most write_buffers_max exist."),
      orbit::option_integer("write_buffers_max", "3", 2, 64,
                            "Write buffers that may exist before writers wait for the disk."),
      orbit::option_integer("table_bytes", "67108864", 1 << 16, 1 << 30,
                            "Size at which a table ends; each takes an open file."),
      orbit::option_integer("level1_bytes", "268435456", 1 << 16, 1e13,
                            "Size of the first merged level; each one below may be ten times as big."),
      orbit::option_integer("block_bytes", "4096", 512, 1 << 20, "Size of the blocks that tables are read in."),
      orbit::option_strings("compression", "[\"lz4\"]",
                            "none, lz4 or zstd for each level from the first on; the last one counts for all below."),
      orbit::option_integer("bloom_bits_per_key", "10", 0, 32,
                            "Size of the filters that answer most gets of absent keys without the disk; 0: none."),
      orbit::option_integer("background_bytes_per_second", "0", 0, 1e12,
                            "Limit of what flushes and compactions write; 0: none."),
      orbit::option_integer("ttl_seconds", "0", 0, 1e10, "Entries go this long after they were written; 0: never."),
      orbit::option_secret("encryption_key", "\"\"",
                           "Where the master key is: \"file:/path\" or \"env:NAME\", 32 bytes as hexadecimal digits or base64. "
                           "Empty: no encryption."),
      orbit::option_secret("encryption_key_previous", "\"\"",
                           "The key that the database was last opened with, given once to change to encryption_key."),
      orbit::option_string(
          "log_recovery", "\"strict\"",
          "What to do when synced parts of the log are damaged: refuse to open, or salvage what is before.",
          kRecoveries),
  };
  static constexpr orbit::PluginInfo kInfo{
      .id = "orbit.storage.lsm",
      .version = "0.1.0",
      .doc = "Durable ordered storage on a local disk: a log-structured merge tree with group commit.",
      .provides = orbit::storage_provides<Engine>(),
      .options = kOptions,
  };

  static orbit::Result<std::unique_ptr<LsmStorage>> create(orbit::Host host, const orbit::Config& config) {
    const auto bytes = [&](const char* key) { return static_cast<uint64_t>(config.integer(key)); };
    EngineOptions options;
    options.path = config.string("path");
    options.cache_bytes = bytes("block_cache_bytes");
    options.write_buffer_bytes = bytes("write_buffer_bytes");
    options.write_buffers_max = bytes("write_buffers_max");
    options.table_bytes = bytes("table_bytes");
    options.level1_bytes = bytes("level1_bytes");
    options.table.block_bytes = bytes("block_bytes");
    options.table.filter_bits_per_key = static_cast<unsigned>(config.integer("bloom_bits_per_key"));
    options.background_bytes_per_second = bytes("background_bytes_per_second");
    options.ttl_seconds = bytes("ttl_seconds");
    options.recovery =
        config.string("log_recovery") == "salvage" ? orbit::lsm::LogRecovery::salvage : orbit::lsm::LogRecovery::strict;
    options.clock_seconds = [] {
      return static_cast<uint64_t>(
          std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
              .count());
    };
    auto compression = compression_of(config.strings("compression"));
    if (!compression) return tl::unexpected<orbit::Error>(compression.error());
    options.compression = std::move(*compression);
    auto keys = orbit::load_master_keys(config.string("encryption_key"), config.string("encryption_key_previous"));
    if (!keys) return tl::unexpected<orbit::Error>(keys.error());
    options.keys = std::move(*keys);
    options.after_background = [gauges = Gauges(host)](const EngineStats& stats) { gauges.set(stats); };
    options.on_damage = [host](const orbit::Error& error) {
      host.error("a table cannot be read, and stays where it is; what lies elsewhere is merged as before: " +
                 error.message);
    };
    static orbit::PosixFileSystem files;
    auto engine = Engine::open(files, options);
    if (!engine) return tl::unexpected<orbit::Error>(engine.error());
    host.info("storage is open: " + options.path);
    return std::make_unique<LsmStorage>(std::move(*engine));
  }

  using StoragePlugin::StoragePlugin;
};

}  // namespace

ORBIT_PLUGIN(LsmStorage)
