// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Plugins in the node of a test: from a file and its settings to a running instance. As kernel/src/plugin does it, on
// one thread.
#pragma once

#include <string>
#include <vector>

#include "config/schema.hpp"
#include "orbit/testkit/node.hpp"
#include "plugin/context.hpp"
#include "plugin/library.hpp"

namespace orbit::testkit {

// One that was loaded, with settings that are good.
struct LoadedPlugin {
  kernel::Descriptor descriptor;
  std::string name;  // of the instance
  kernel::Values values;
};

// These throw std::runtime_error.
LoadedPlugin load_plugin(const PluginOptions& options);
// Null never; the instance has all that its descriptor provides.
orbit_plugin_instance* create_plugin(const LoadedPlugin& plugin, const kernel::PluginContext& host);
void start_plugin(const LoadedPlugin& plugin, orbit_plugin_instance& instance);

}  // namespace orbit::testkit
