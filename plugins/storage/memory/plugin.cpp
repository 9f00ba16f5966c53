// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <orbit/plugin.hpp>
#include <orbit/storage.hpp>

#include "engine.hpp"

namespace {

using orbit::storage_memory::Engine;

class MemoryStorage final : public orbit::StoragePlugin<MemoryStorage, Engine> {
 public:
  static constexpr orbit::Option kOptions[] = {
      orbit::option_integer("bytes_max", "1073741824", 65536, 1e15,
                            "Most memory that keys, values and bookkeeping may use; a write beyond it is refused."),
  };
  static constexpr orbit::PluginInfo kInfo{
      .id = "orbit.storage.memory",
      .version = "0.1.0",
      .doc = "Ordered storage in memory; nothing survives the process.",
      .provides = orbit::storage_provides<Engine>(),
      .options = kOptions,
  };

  MemoryStorage(orbit::Host, const orbit::Config& config)
      : StoragePlugin(std::make_unique<Engine>(static_cast<uint64_t>(config.integer("bytes_max")))) {}
};

}  // namespace

ORBIT_PLUGIN(MemoryStorage)
