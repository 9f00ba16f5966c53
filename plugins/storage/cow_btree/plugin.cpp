// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <orbit/ext/observe.h>
#include <orbit/files_posix.hpp>
#include <orbit/plugin.hpp>
#include <orbit/storage.hpp>

#include "engine.hpp"

namespace {

using orbit::cow_btree::Engine;
using orbit::cow_btree::EngineOptions;
using orbit::cow_btree::EngineStats;

// What goes on in the background, as metrics.
class Gauges {
 public:
  explicit Gauges(orbit::Host host) : metrics_(host.extension<orbit_metrics_v1>(ORBIT_METRICS_V1)) {
    if (metrics_ == nullptr) return;
    for (size_t i = 0; i < std::size(kGauges); ++i) gauges_[i] = metrics_->gauge(host.raw(), kGauges[i].name, "", kGauges[i].help);
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
      {"orbit_cow_btree_file_pages", "Pages of 4096 bytes that the file has.", &EngineStats::file_pages},
      {"orbit_cow_btree_used_pages", "Pages in use, those that wait included.", &EngineStats::used_pages},
      {"orbit_cow_btree_waiting_pages", "Pages that wait for readers or for the next checkpoint to be used again.", &EngineStats::waiting_pages},
      {"orbit_cow_btree_dirty_pages", "Pages in memory that are not written out yet.", &EngineStats::dirty_pages},
      {"orbit_cow_btree_page_loads", "Pages read from the file.", &EngineStats::page_loads},
      {"orbit_cow_btree_checkpoints", "How often the tree was written out.", &EngineStats::checkpoints},
      {"orbit_cow_btree_syncs", "Syncs of the file.", &EngineStats::syncs},
      {"orbit_cow_btree_groups", "Groups of batches that were written to the log as one.", &EngineStats::groups},
      {"orbit_cow_btree_batches", "Batches written.", &EngineStats::batches},
      {"orbit_cow_btree_log_bytes", "Bytes of log that are not in the written tree.", &EngineStats::log_bytes},
      {"orbit_cow_btree_waited_microseconds", "Time that writers waited for the tree to be written out.", &EngineStats::waited_microseconds},
  };
  const orbit_metrics_v1* metrics_;
  orbit_gauge* gauges_[std::size(kGauges)] = {};
};

class CowBtreeStorage final : public orbit::StoragePlugin<CowBtreeStorage, Engine> {
 public:
  static constexpr orbit::Option kOptions[] = {
      orbit::option_string("path", nullptr, "Directory of the file data.cow; created when missing."),
      orbit::option_integer("cache_bytes", "268435456", 1 << 20, 1e13,
                            "Memory for pages, those that changed and are not written out yet included."),
      orbit::option_integer("log_bytes", "67108864", 1 << 20, 1e11,
                            "Length of the log at which writers wait for the tree to be written out; it begins at half of that."),
      orbit::option_integer("file_bytes_max", "1099511627776", 1 << 20, 1.7e13, "Most bytes that the file may have."),
      orbit::option_secret("encryption_key", "\"\"",
                           "Where the master key is: \"file:/path\" or \"env:NAME\", 32 bytes as hexadecimal digits or base64. Empty: no encryption."),
      orbit::option_secret("encryption_key_previous", "\"\"",
                           "The key that the file was last opened with, given once to change to encryption_key."),
      orbit::option_boolean("compact_on_close", "true", "Move pages together and shorten the file when the node stops."),
  };
  static constexpr orbit::PluginInfo kInfo{
      .id = "orbit.storage.cow_btree",
      .version = "0.1.0",
      .doc = "Durable ordered storage in one file: a copy-on-write B+tree with group commit.",
      .provides = orbit::storage_provides<Engine>(),
      .options = kOptions,
  };

  static orbit::Result<std::unique_ptr<CowBtreeStorage>> create(orbit::Host host, const orbit::Config& config) {
    EngineOptions options;
    const std::string directory = config.string("path");
    options.path = directory + "/" + orbit::cow_btree::kFileName;
    options.cache_bytes = static_cast<uint64_t>(config.integer("cache_bytes"));
    options.log_bytes = static_cast<uint64_t>(config.integer("log_bytes"));
    options.file_bytes_max = static_cast<uint64_t>(config.integer("file_bytes_max"));
    options.compact_on_close = config.boolean("compact_on_close");
    auto keys = orbit::load_master_keys(config.string("encryption_key"), config.string("encryption_key_previous"));
    if (!keys) return tl::unexpected<orbit::Error>(keys.error());
    options.keys = std::move(*keys);
    const Gauges gauges(host);
    options.after_checkpoint = [gauges](const EngineStats& stats) { gauges.set(stats); };
    static orbit::PosixFileSystem files;
    if (auto made = files.make_directories(directory); !made) return tl::unexpected<orbit::Error>(made.error());
    auto engine = Engine::open(files, options);
    if (!engine) return tl::unexpected<orbit::Error>(engine.error());
    gauges.set((*engine)->stats());
    host.info("storage is open: " + options.path);
    return std::make_unique<CowBtreeStorage>(std::move(*engine));
  }

  using StoragePlugin::StoragePlugin;
};

}  // namespace

ORBIT_PLUGIN(CowBtreeStorage)
