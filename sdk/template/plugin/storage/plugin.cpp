// The only file that knows the plugin interface: the description, the options and the glue.
#include <orbit/plugin.hpp>
#include <orbit/storage.hpp>

#include "engine.hpp"

namespace {

using @name@::Engine;

class @Name@Storage final : public orbit::StoragePlugin<@Name@Storage, Engine> {
 public:
  static constexpr orbit::Option kOptions[] = {
      orbit::option_integer("bytes_max", "1073741824", 4096, 1e15, "Most bytes of keys and values; a write beyond it is refused."),
  };
  static constexpr orbit::PluginInfo kInfo{
      .id = "storage.@name@",
      .version = "0.1.0",
      .doc = "Ordered storage in memory.",
      .provides = orbit::storage_provides<Engine>(),
      .needs = {},
      .options = kOptions,
  };

  @Name@Storage(orbit::Host, const orbit::Config& config)
      : StoragePlugin(std::make_unique<Engine>(static_cast<uint64_t>(config.integer("bytes_max")))) {}
};

}  // namespace

ORBIT_PLUGIN(@Name@Storage)
