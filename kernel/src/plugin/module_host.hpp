// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Actor modules: libraries that provide orbit.actor_types/1. They come from the configuration, or while the node runs.
//
// A module is copied into data_dir/modules under a name of its own and loaded from there, because a new file under a
// path that is loaded already would give the old code. Modules are told apart by their descriptor's id: loading a file
// with the id of a loaded module is an upgrade. What was loaded at run time is listed in data_dir/modules.toml and is
// there again after a restart; for a module that the configuration names, the configuration decides at the next start.
// Instances of replaced modules live until the node ends, since activations may still run their code.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "config/node_config.hpp"
#include "orbit/ext/actors.h"
#include "plugin/durable_file.hpp"
#include "plugin/instance.hpp"
#include "plugin/search.hpp"

namespace orbit::kernel {

// Where a module's types go. [main]
class ModuleTarget {
 public:
  virtual ~ModuleTarget() = default;
  // Makes these the current versions of the types, in place of those that an earlier module of that name brought.
  virtual Result<> publish(const std::string& name, const std::string& version, const std::string& file,
                           std::span<const orbit_actor_type* const> types) = 0;
};

struct ModuleHostOptions {
  std::string data_dir;
  std::chrono::milliseconds create_timeout{60'000};
  std::chrono::milliseconds stop_timeout{30'000};
  std::set<std::string> taken;  // names under which something else publishes types
};

class ModuleHost {
 public:
  static constexpr size_t kLoadsMax = 1000;  // in the life of a process: code is never unmapped

  ModuleHost(ModuleHostOptions options, const PluginSearch& search, BoundedCaller& caller, ModuleTarget& target,
             const ExtensionRegistry& extensions, Log& log, Metrics& metrics);

  // Checks a configured module without keeping anything of it. [main]
  static Result<> check(const ModuleEntry& entry, const PluginSearch& search, Mistakes& mistakes);

  // Claims data_dir and removes copies that nothing refers to. [main], first
  Result<> open();
  Result<> load_configured(const ModuleEntry& entry);
  // Loads what the list has and the configuration did not; what fails is logged and stays in the list.
  void load_listed();
  // Loads or upgrades; returns the module's name. [main]
  Result<std::string> load(const std::string& path);
  bool has(const std::string& name) const noexcept;
  // Something else publishes types under the name from now on, or does so no more.
  void set_taken(const std::string& name, bool taken);
  // Forgets a module for the next start; its types are the caller's to retire. [main]
  Result<> forget(const std::string& name);
  // Stops and destroys all instances, newest first; nothing may call a module any more. False when one hangs. [main]
  bool destroy();

 private:
  struct Listed {
    std::string file;    // in data_dir/modules
    std::string source;  // where it came from, for people
  };
  struct Loaded {
    std::string name;
    Instance instance;
  };
  Result<Descriptor> copy_and_load(const std::string& path);
  Result<> run(const Descriptor& descriptor, const Tree& config);
  Result<> write_list(const std::map<std::string, Listed>& list) const;
  Result<> read_list();
  bool end(const std::string& name, Instance& instance);

  ModuleHostOptions options_;
  const PluginSearch& search_;
  BoundedCaller& caller_;
  ModuleTarget& target_;
  const ExtensionRegistry& extensions_;
  Log& log_;
  Metrics& metrics_;
  Logger& logger_;
  const std::string folder_;
  FolderClaim claim_;
  std::map<std::string, Tree> configured_;  // name -> [module.config]
  std::map<std::string, Listed> listed_;
  std::deque<Loaded> loaded_;
  size_t loads_ = 0;
};

}  // namespace orbit::kernel
