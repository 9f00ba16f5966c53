// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Who listens where: orbit.net/1 as plugins get it, which remembers the listeners of each instance.
#pragma once

#include <string>
#include <vector>

#include "node/exposure.hpp"
#include "orbit/ext/listeners.h"
#include "orbit/ext/net.h"
#include "plugin/extensions.hpp"

namespace orbit::kernel {

struct ListenerInfo {
  std::string plugin;
  std::string address;
  Exposure exposure;
};

// The id under which the host's registry holds the node's ExposurePolicy (not a table for plugins).
inline constexpr const char* kExposureExtension = "orbit.kernel.exposure/1";

// net_table() with `listen` and `stop_listening` watched, and what needs a node.
const orbit_net_v1* watched_net_table() noexcept;

// The table of orbit.listeners/1.
const orbit_listeners_v1* listeners_table() noexcept;

// Of the node with that registry, in the order of listening. [any thread]
std::vector<ListenerInfo> listeners_of(const ExtensionRegistry& node);
// Connections that the instance's listeners accepted, also those that it has stopped. [main], as the next
uint32_t open_connections(const orbit_host* host);
// Stops its listeners and closes their connections, whatever the plugin does; those it announced are named no more.
// Does not wait.
void close_listeners(const orbit_host* host);
// The node is gone.
void forget_listeners(const ExtensionRegistry& node);

}  // namespace orbit::kernel
