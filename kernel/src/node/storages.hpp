// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The storage instances of a configuration: which are used for what, and whether what they hold agrees with that.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "config/node_config.hpp"
#include "observe/log.hpp"
#include "plugin/plugin_host.hpp"
#include "state/engine.hpp"

namespace orbit::kernel {

// The instances that hold actors' state: that of [storage] first, then those that only [[route]] names. Each is a storage
// plugin of `host`. [main], after load
Result<std::vector<std::string>> storages_in_use(const NodeConfig& config, const PluginHost& host);

// What a created instance provides. [main]
Result<Engine> engine_of(const PluginHost& host, const std::string& instance);
// All of them, used or not.
std::vector<Engine> all_engines(const PluginHost& host);

// The engine that has what belongs to the instance `name`: its own, or that of the instance that it was migrated to. Creates
// the instances that it looks at. Refused: a copy that is not complete. [main]
Result<Engine> engine_in_use(PluginHost& host, const NodeConfig& config, const std::string& name, Logger& logger);

// Refuses a type that has actors in a storage other than `its`, the one that its route says. Blocks.
Result<> check_place(const std::string& type, const Engine& its, std::span<const Engine> all);

}  // namespace orbit::kernel
