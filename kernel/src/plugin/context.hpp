// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The kernel's side of an orbit_host: who is calling. Every plugin instance has its own, which is never freed, because
// a plugin may keep the pointer for as long as its code is mapped, and that is for ever.
#pragma once

#include <atomic>
#include <string>

#include "observe/log.hpp"
#include "observe/metrics.hpp"
#include "orbit/abi.h"
#include "plugin/extensions.hpp"

namespace orbit::kernel {

struct PluginContext : orbit_host {
  std::string name;       // the instance's
  Logger* log = nullptr;  // never null once made, as the next two
  Metrics* metrics = nullptr;
  const ExtensionRegistry* extensions = nullptr;
  // The node is done with the instance while it goes on itself. Code that comes back late (a start that was given up)
  // must not open anything any more. [any thread]
  mutable std::atomic<bool> given_up{false};

  // The instance that passed `host` to a host interface.
  static const PluginContext& of(const orbit_host* host) noexcept { return *static_cast<const PluginContext*>(host); }

  // Owned by nobody: lives until the process ends.
  static PluginContext* make(std::string instance, Logger& log, Metrics& metrics, const ExtensionRegistry& extensions);
};

}  // namespace orbit::kernel
