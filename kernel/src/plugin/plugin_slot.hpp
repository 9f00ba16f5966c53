// SPDX-License-Identifier: MIT OR BSD-3-Clause
// One instance as the plugin host keeps it.
#pragma once

#include "plugin/plugin_host.hpp"

namespace orbit::kernel {

struct PluginHost::Slot {
  PluginEntry entry;
  std::optional<Descriptor> descriptor;
  const PluginContext* context = nullptr;  // once it was to be created
  std::optional<Instance> instance;
  const char* state = "loaded";
  std::string error;
  bool failed = false;
  bool configured = true;
  std::optional<Error> dropped;  // what its stop said, when it was to be removed: the node is done with it
};

}  // namespace orbit::kernel
