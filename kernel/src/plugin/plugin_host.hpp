// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The plugins of a node, from the configuration's entries to running instances and back. A refusal is one error line;
// what it means for the node is for the entry's `required` to say.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "config/node_config.hpp"
#include "config/render.hpp"
#include "plugin/instance.hpp"
#include "plugin/search.hpp"

namespace orbit::kernel {

struct PluginHostOptions {
  std::vector<std::string> search_paths;
  std::string probe_executable;  // an orbitd; empty: files are known to be good
  int64_t probe_timeout_ms = 10'000;
  std::chrono::milliseconds create_timeout{60'000};
  std::chrono::milliseconds stop_timeout{30'000};
  // Most creates of `add`, also of those that failed: what an instance knows its host by is never freed.
  size_t added_max = 1000;
  // Plugins linked into the executable; found by id before any file.
  std::vector<const orbit_plugin_descriptor*> built_in;
};

struct PluginStatus {
  std::string instance;
  std::string id;
  std::string version;
  std::string file;
  std::string state;  // "loaded", "created", "running", "stopped", "failed"
  std::vector<std::string> provides;
  std::vector<std::string> needs;
  std::string error;
  bool configured = true;  // false: added while the node ran
};

// What the node has to say when an instance is added to the running ones. [main]
struct AddSteps {
  // Whether a plugin like this can be added. Its settings are good; it is as its probe has told, and not in this
  // process yet.
  std::function<Result<>(const Descriptor&)> allow;
  // It is created, `provided_by` finds it, and it is about to start. All or nothing.
  std::function<Result<>(const std::string& instance, const Descriptor&)> adopt;
  // It was adopted, but its start has failed, and its stop is next: takes back what adopt did, and closes what the
  // instance has open.
  std::function<void(const std::string& instance, const orbit_host* host)> drop;
};

class PluginHost {
 public:
  // `log`, `metrics` and `extensions` must outlive the process's use of plugins.
  PluginHost(PluginHostOptions options, const ExtensionRegistry& extensions, Log& log, Metrics& metrics);
  ~PluginHost();
  PluginHost(const PluginHost&) = delete;
  PluginHost& operator=(const PluginHost&) = delete;

  // Finds, probes and loads every entry's plugin and validates its table. Mistakes in tables go to `mistakes`, refusals
  // are logged; an error when a required plugin was refused. [main]
  Result<> load(NodeConfig& config, Mistakes& mistakes);

  // The instances whose plugins provide the interface, in the order of the file. [main], after load
  std::vector<std::string> providers(const char* interface) const;
  // The instance that holds actors' state: `wanted`, or the only one whose plugin provides `interface`; `where` names the
  // section that wants it. [main], after load
  Result<std::string> sole_provider(const std::string& wanted, const char* interface,
                                    std::string_view where = "[storage]") const;

  // Creates an instance (the storage) and what it needs, then the others in the order of their needs. An error when a
  // required one was refused; the rest is then not created. [main]
  Result<> create_first(const std::string& instance);
  Result<> create_others();
  // The table that an instance provides, with the `self` that goes with it. [main], after create
  struct Provided {
    std::string instance;
    const void* table;
    void* self;
  };
  std::vector<Provided> provided(const char* interface) const;
  std::optional<Provided> provided_by(const std::string& instance, const char* interface) const;

  // In the order of creation. What instances have opened whose start has failed is for `drop` to close. [main]
  Result<> start(const std::function<void(const orbit_host* host)>& drop = {});
  // Stops all but `last` (the storages), in reverse, also when one hangs. False when one did. [main]
  bool stop(std::span<const std::string> last);
  // Stops what still runs and destroys all in reverse. Nothing may call a plugin any more. [main]
  bool destroy();

  // What load, create_others and start do for an entry, for one more while the others run. After an error all is as it
  // was; an instance whose start failed is kept, unseen, until destroy, because workers may still know it. Mistakes in
  // the entry's table go to `mistakes`, and all of them to the error, one a line. [main], after start
  Result<> add(PluginEntry& entry, Mistakes& mistakes, const AddSteps& steps);
  // Stops one of the running, has `drop` take it from the node, and lists it no more. Kept as above, and so is its name
  // until `free_name`: it may still have connections and actors. An error of its stop: it is dropped, and listed as
  // failed; another `remove` answers the same and drops nothing. [main], after start
  Result<> remove(const std::string& instance, const std::function<void(const orbit_host* host)>& drop);
  bool leaving(const std::string& instance) const { return leaving_.contains(instance); }  // [main]
  void free_name(const std::string& instance) { leaving_.erase(instance); }                // [main]

  std::vector<PluginStatus> status() const;  // [any thread]
  // Every refusal since load, as logged. [main]
  const std::vector<std::string>& refusals() const noexcept { return refusals_; }

  // What is in the search paths, what the configuration names by its path, and what is built in, for people. Files that are refused go to `refused`.
  std::vector<DescribedPlugin> describe_all(const NodeConfig& config, std::vector<std::string>& refused);

  BoundedCaller& caller() noexcept { return caller_; }
  const PluginSearch& search() const noexcept { return search_; }

 private:
  struct Slot;
  struct FileMark {
    uint64_t device = 0;
    uint64_t inode = 0;
    int64_t modified_ns = 0;
    bool operator==(const FileMark&) const = default;
  };
  Result<Descriptor> load_once(const Descriptor& probed);
  Result<> check_twins(const Descriptor& descriptor) const;
  Result<> run_added(Slot& slot, const AddSteps& steps, bool& started);
  Result<Descriptor> resolve(const PluginEntry& entry);
  Result<Descriptor> load_resolved(const Descriptor& resolved);
  Result<> check_needs(const Slot& slot) const;
  std::vector<Slot*> ordered(const std::string* only, std::vector<Slot*>& cyclic);
  Result<> create(const std::string* only);
  void set_state(Slot& slot, const char* state);
  void refuse(Slot& slot, const std::string& reason);
  bool stop(Slot& slot);

  const PluginHostOptions options_;
  const ExtensionRegistry& extensions_;
  Log& log_;
  Metrics& metrics_;
  Logger& logger_;
  PluginSearch search_;
  BoundedCaller caller_;
  std::map<std::string, FileMark> loaded_files_;  // as they were then
  std::set<std::string> leaving_;                 // names of what was removed and may have something open
  size_t added_ = 0;                              // contexts that `add` made
  mutable std::mutex
      mutex_;  // guards slots_, and state and error of slots, which other threads read; only main changes them
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<Slot*> created_;  // in order
  std::vector<std::unique_ptr<Slot>> kept_;  // of what was removed or could not start
  std::vector<std::string> refusals_;
};

}  // namespace orbit::kernel
