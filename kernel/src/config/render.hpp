// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Schemas as people read them: tables, JSON, and the reference file. All from the same orbit_option tables.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "config/node_config.hpp"

namespace orbit::kernel {

// What is to be described of one plugin.
struct DescribedPlugin {
  std::string id;
  std::string version;
  std::string doc;
  std::vector<std::string> provides;
  std::vector<std::string> needs;
  Options options;
};

// Plain text tables of the node's sections (when with_node) and the plugins.
std::string describe_text(bool with_node, std::span<const DescribedPlugin> plugins);
// {"sections": [...], "plugins": [...]}
std::string describe_json(bool with_node, std::span<const DescribedPlugin> plugins);
// configs/reference.toml: every key with its doc, default and bounds, commented out.
std::string reference_toml(std::span<const DescribedPlugin> plugins);

}  // namespace orbit::kernel
