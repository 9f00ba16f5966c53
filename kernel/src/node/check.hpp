// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What orbitd does without running: tell every mistake of a configuration, and describe what may be configured.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "config/node_config.hpp"
#include "node/node.hpp"

namespace orbit::kernel {

// The mistakes of a configuration, one line each, with those in [plugin.config] tables and the refusals of required
// plugins and modules; empty when a node may start with it. Loads the plugins, runs nothing.
std::string check_config(const std::string& file, const std::string& text, std::span<const Override> overrides,
                         const NodeOptions& options);

// The plugins in the search paths of `config`, or only the one with `id`. Libraries that are refused go to `refused`.
std::vector<DescribedPlugin> describe_plugins(const NodeConfig& config, const NodeOptions& options,
                                              const std::string& id, std::vector<std::string>& refused);

}  // namespace orbit::kernel
