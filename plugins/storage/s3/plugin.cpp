// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <orbit/ext/observe.h>
#include <time.h>
#include <unistd.h>

#include <orbit/plugin.hpp>
#include <orbit/storage.hpp>

#include "client.hpp"
#include "client_settings.hpp"
#include "engine.hpp"

namespace {

using orbit::s3::Client;
using orbit::s3::ClientStats;
using orbit::s3::Engine;
using orbit::s3::EngineOptions;
using orbit::s3::EngineStats;

class Gauges {
 public:
  explicit Gauges(orbit::Host host) : metrics_(host.extension<orbit_metrics_v1>(ORBIT_METRICS_V1)) {
    if (metrics_ == nullptr) return;
    for (size_t i = 0; i < std::size(kEngine); ++i)
      engine_[i] = metrics_->gauge(host.raw(), kEngine[i].name, "", kEngine[i].help);
    for (size_t i = 0; i < std::size(kClient); ++i)
      client_[i] = metrics_->gauge(host.raw(), kClient[i].name, "", kClient[i].help);
  }
  void set(const EngineStats& engine, const ClientStats& client) const {
    if (metrics_ == nullptr) return;
    for (size_t i = 0; i < std::size(kEngine); ++i)
      metrics_->set(engine_[i], static_cast<int64_t>(engine.*kEngine[i].value));
    for (size_t i = 0; i < std::size(kClient); ++i)
      metrics_->set(client_[i], static_cast<int64_t>(client.*kClient[i].value));
  }

 private:
  template <class Stats>
  struct Gauge {
    const char* name;
    const char* help;
    uint64_t Stats::* value;
  };
  static constexpr Gauge<EngineStats> kEngine[] = {
      {"orbit_s3_epoch", "Epoch of this writer.", &EngineStats::epoch},
      {"orbit_s3_log_objects", "Log objects written.", &EngineStats::wal_objects},
      {"orbit_s3_log_bytes", "Bytes of log objects written.", &EngineStats::wal_bytes},
      {"orbit_s3_flushes", "Write buffers that became tables.", &EngineStats::flushes},
      {"orbit_s3_compactions", "Compactions.", &EngineStats::compactions},
      {"orbit_s3_compaction_bytes", "Bytes that compactions wrote.", &EngineStats::compaction_bytes},
      {"orbit_s3_cache_bytes", "Bytes in the read cache.", &EngineStats::cache_bytes},
      {"orbit_s3_cache_hits", "Reads that the cache answered.", &EngineStats::cache_hits},
      {"orbit_s3_cache_misses", "Reads that the cache could not answer.", &EngineStats::cache_misses},
      {"orbit_s3_memtable_bytes", "Bytes in write buffers.", &EngineStats::memtable_bytes},
      {"orbit_s3_tables", "Tables.", &EngineStats::tables},
      {"orbit_s3_table_bytes", "Bytes in tables.", &EngineStats::table_bytes},
      {"orbit_s3_level0_tables", "Tables in level 0.", &EngineStats::level0_tables},
  };
  static constexpr Gauge<ClientStats> kClient[] = {
      {"orbit_s3_requests", "HTTP requests, repeated ones included.", &ClientStats::requests},
      {"orbit_s3_retries", "HTTP requests that repeated an earlier one.", &ClientStats::retries},
      {"orbit_s3_sent_bytes", "Bytes of request bodies.", &ClientStats::bytes_sent},
      {"orbit_s3_received_bytes", "Bytes of answer bodies.", &ClientStats::bytes_received},
  };
  const orbit_metrics_v1* metrics_;
  orbit_gauge* engine_[std::size(kEngine)] = {};
  orbit_gauge* client_[std::size(kClient)] = {};
};

// For whoever is told that this writer has taken over.
std::string writer_name() {
  char host[256] = "";
  gethostname(host, sizeof host - 1);
  return "process " + std::to_string(getpid()) + " on " + host + ", started " + orbit::s3::amz_date(time(nullptr));
}

class S3Storage final : public orbit::StoragePlugin<S3Storage, Engine> {
 public:
  static constexpr orbit::Option kOwnOptions[] = {
      orbit::option_string("bucket", nullptr, "The bucket; it must exist."),
      orbit::option_string("prefix", "\"\"",
                           "Where in the bucket the objects lie: letters, digits, -_. and slashes. One store each."),
      orbit::option_integer("cache_bytes", "268435456", 1 << 16, 1e13,
                            "Memory for blocks, indexes and filters that were read from tables."),
      orbit::option_integer(
          "write_buffer_bytes", "67108864", 1 << 14, 1 << 30,
          "Memory that collects writes before a table is made of it; at most write_buffers_max exist."),
      orbit::option_integer("write_buffers_max", "3", 2, 64,
                            "Write buffers that may exist before writers wait for the store."),
      orbit::option_integer(
          "log_objects_max", "512", 1, 1e6,
          "Log objects after which a table is made, however small: what an opening after a crash has to read."),
      orbit::option_integer("batch_bytes_max", "67108864", 1 << 10, 1 << 30, "Size of the largest batch of writes."),
      orbit::option_integer("unsynced_delay_ms", "0", 0, 60'000,
                            "0: every write is stored when it returns. Otherwise writes without sync are collected for "
                            "so long, which saves "
                            "requests; a kill may lose them."),
      orbit::option_integer("table_bytes", "67108864", 1 << 14, 1 << 30, "Size at which a table ends."),
      orbit::option_integer("level1_bytes", "268435456", 1 << 15, 1e13,
                            "Size of the first merged level; each one below may be ten times as big."),
      orbit::option_integer("block_bytes", "32768", 512, 1 << 22, "Size of the blocks that tables are read in."),
      orbit::option_boolean("compression", "true", "Compress blocks with Zstandard."),
      orbit::option_integer("bloom_bits_per_key", "10", 0, 32,
                            "Size of the filters that answer most gets of absent keys; 0: none."),
  };
  static constexpr auto kOptions = orbit::s3::joined(kOwnOptions, orbit::s3::kClientOptions);
  static constexpr orbit::PluginInfo kInfo{
      .id = "orbit.storage.s3",
      .version = "0.1.0",
      .doc = "Durable ordered storage in a bucket of Amazon S3 or a store like it, fenced by conditional writes.",
      .provides = orbit::storage_provides<Engine>(),
      .options = kOptions,
  };

  static orbit::Result<std::unique_ptr<S3Storage>> create(orbit::Host host, const orbit::Config& config) {
    auto client = orbit::s3::client_options(config, config.string("bucket"), config.string("prefix"));
    if (!client) return tl::unexpected<orbit::Error>(client.error());
    auto made = orbit::s3::guarded([&] { return std::make_shared<Client>(std::move(*client)); });
    if (!made) return tl::unexpected<orbit::Error>(made.error());
    const std::shared_ptr<Client> store = *made;

    EngineOptions options = engine_options(config);
    options.writer = writer_name();
    options.warn = [host](const std::string& problem) { host.warn(problem); };
    options.after_background = [gauges = Gauges(host), store](const EngineStats& stats) {
      gauges.set(stats, store->stats());
    };
    auto engine = Engine::open(store, std::move(options));
    if (!engine) return tl::unexpected<orbit::Error>(engine.error());
    host.info("storage is open: " + store->describe("") + ", epoch " + std::to_string((*engine)->stats().epoch));
    return std::make_unique<S3Storage>(std::move(*engine));
  }

  using StoragePlugin::StoragePlugin;

 private:
  static EngineOptions engine_options(const orbit::Config& config) {
    const auto number = [&](const char* key) { return static_cast<uint64_t>(config.integer(key)); };
    EngineOptions out;
    out.cache_bytes = number("cache_bytes");
    out.write_buffer_bytes = number("write_buffer_bytes");
    out.write_buffers_max = number("write_buffers_max");
    out.wal_objects_max = number("log_objects_max");
    out.batch_bytes_max = number("batch_bytes_max");
    out.unsynced_delay_ms = number("unsynced_delay_ms");
    out.table_bytes = number("table_bytes");
    out.level1_bytes = number("level1_bytes");
    out.parallel_reads = std::min<size_t>(8, number("connections_max"));
    out.table.block_bytes = number("block_bytes");
    out.table.compress = config.boolean("compression");
    out.table.filter_bits_per_key = static_cast<unsigned>(config.integer("bloom_bits_per_key"));
    return out;
  }
};

}  // namespace

ORBIT_PLUGIN(S3Storage)
