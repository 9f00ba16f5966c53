// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <orbit/files_posix.hpp>
#include <orbit/plugin.hpp>
#include <orbit/storage.hpp>

#include "engine.hpp"
#include "saver.hpp"

namespace {

using orbit::storage_memory::Engine;
using orbit::storage_memory::Saver;

class MemoryStorage final : public orbit::StoragePlugin<MemoryStorage, Engine> {
 public:
  static constexpr orbit::Option kOptions[] = {
      orbit::option_integer("bytes_max", "1073741824", 65536, 1e15,
                            "Most memory that keys, values and bookkeeping may use; a write beyond it is refused."),
      orbit::option_string(
          "snapshot.path", "\"\"",
          "Directory of a file that the state is read from at the start and written to at the end; created "
          "when missing. Empty: none, and nothing survives the process."),
      orbit::option_integer(
          "snapshot.interval_seconds", "300", 0, 1e7,
          "How often the file is also written meanwhile, if something has changed; 0: never. What came after "
          "the last time is lost with the process."),
      orbit::option_secret("encryption_key", "\"\"",
                           "Where the master key of the snapshot file is: \"file:/path\" or \"env:NAME\", 32 bytes as "
                           "hexadecimal digits or base64. Empty: no encryption."),
      orbit::option_secret("encryption_key_previous", "\"\"",
                           "The key that the file was last written with, given once to change to encryption_key."),
  };
  static constexpr orbit::PluginInfo kInfo{
      .id = "orbit.storage.memory",
      .version = "0.1.0",
      .doc = "Ordered storage in memory, with an optional snapshot file; what came after it does not survive the process.",
      .provides = orbit::storage_provides<Engine>(),
      .options = kOptions,
  };

  static orbit::Result<std::unique_ptr<MemoryStorage>> create(orbit::Host host, const orbit::Config& config) {
    auto out = std::make_unique<MemoryStorage>(std::make_unique<Engine>(static_cast<uint64_t>(config.integer("bytes_max"))));
    auto keys = orbit::load_master_keys(config.string("encryption_key"), config.string("encryption_key_previous"));
    if (!keys) return tl::unexpected<orbit::Error>(keys.error());
    const std::string directory = config.string("snapshot.path");
    if (directory.empty()) return out;
    static orbit::PosixFileSystem files;
    auto saver = Saver::open(
        out->engine(), files, directory, std::chrono::seconds(config.integer("snapshot.interval_seconds")),
        [host](const orbit::Error& error) { host.error("no snapshot was written: " + error.message); },
        std::move(*keys));
    if (!saver) return tl::unexpected<orbit::Error>(saver.error());
    out->saver_ = std::move(*saver);
    host.info("storage is read from " + directory);
    return out;
  }

  using StoragePlugin::StoragePlugin;

 private:
  std::unique_ptr<Saver> saver_;  // goes before the engine, which the base has
};

}  // namespace

ORBIT_PLUGIN(MemoryStorage)
