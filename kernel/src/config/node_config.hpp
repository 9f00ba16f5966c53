// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The node's configuration file. Read in two steps, because a plugin's schema is known only when the plugin is:
// read_config checks everything but the [plugin.config] tables, validate_entry checks one of those.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/routes.hpp"
#include "config/schema.hpp"
#include "config/tree.hpp"

namespace orbit::kernel {

// A section of the file that the node itself understands.
struct Section {
  const char* name;  // "limits"; "plugin", "module", "rule" and "route" are lists of tables
  const char* doc;
  std::span<const orbit_option> options;
  bool repeated;
};
std::span<const Section> config_sections();

// One [[plugin]].
struct PluginEntry {
  std::string name;  // of the instance
  std::string id;
  std::string path;  // empty: searched by id in node.plugin_paths
  bool required = true;
  Position position;
  Tree config;    // [plugin.config] as written
  Values values;  // and validated, see validate_entry
};

// Where the plugin's config says that: of "tls.key", the key in its table; of what it does not say, the entry.
Position position_of(const PluginEntry& entry, std::string_view key);

// One [[rule]], its patterns not looked into.
struct RuleEntry {
  Values values;
  Position position;
};

// One [[module]]: actor types, named in the file.
struct ModuleEntry {
  std::string path;
  bool required = true;
  Position position;
  Tree config;
};

struct NodeConfig {
  Values node;
  Values limits;
  Values log;
  Values storage;
  Values access;
  std::vector<RuleEntry> rules;
  std::vector<PluginEntry> plugins;
  std::vector<ModuleEntry> modules;
  TypeRoutes routes;  // [[route]]; the storages that they name are plugins of this configuration

  // What is in force, as a JSON object; secrets hidden.
  std::string json() const;
};

// A change from the command line: "limits.mailbox_max=100", "plugin.web.config.listen=127.0.0.1:7000". The value is
// TOML, or else taken as a string.
using Override = std::string;

inline constexpr size_t kConfigEntriesMax = 256;  // [[plugin]]s, [[module]]s, [[rule]]s and [[route]]s

// Null when the text is no TOML. Otherwise a configuration that may be used if no mistake was added. Touches no file.
std::optional<NodeConfig> read_config(std::string_view text, std::span<const Override> overrides,
                                      const Environment& environment, Mistakes& mistakes);

// One [[plugin]] by itself, `table` being what stands under it. Does what read_config does for each but look whether
// its name is taken.
PluginEntry read_plugin(const Tree& table, Mistakes& mistakes);

// Validates entry.config against the schema of its plugin into entry.values.
void validate_entry(PluginEntry& entry, std::span<const orbit_option> options, Mistakes& mistakes);

// A whole file of at most kConfigBytesMax bytes.
Result<std::string> read_text_file(const std::string& path);

}  // namespace orbit::kernel
