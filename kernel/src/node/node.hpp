// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A node: everything that runs between a configuration and a signal, made, started and stopped in the right order.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "access/access.hpp"
#include "config/node_config.hpp"
#include "maintenance/pace.hpp"
#include "node/listeners.hpp"
#include "observe/log.hpp"
#include "observe/metrics.hpp"
#include "orbit/ext/node.h"
#include "plugin/module_host.hpp"
#include "plugin/plugin_host.hpp"
#include "state/engine.hpp"

namespace orbit::kernel {

class AsioExecutor;
class Backups;
class StorageJobs;
class Migrations;
class Periodic;
class Runtime;
class SocketNet;

struct NodeOptions {
  std::string version;
  // An orbitd, for trying unknown libraries in a child process; empty: all libraries are known to be good.
  std::string executable;
  // What relative node.plugin_paths are relative to.
  std::string executable_folder;
  std::vector<const orbit_plugin_descriptor*> built_in;
};

PluginHostOptions plugin_host_options(const NodeConfig& config, const NodeOptions& options);
// The same entry with its path resolved through node.module_paths.
ModuleEntry resolved(ModuleEntry entry, const NodeConfig& config, const NodeOptions& options);
Result<LogOptions> log_options(const NodeConfig& config);

// One per process at a time: orbit.actors/1 and orbit.node/1 have no way to tell several apart.
class Node final : public ModuleTarget {
 public:
  static constexpr size_t kTasksMax = 64;

  enum class State { starting, ready, draining };

  // The configuration has no mistakes. Fails when the log cannot be opened.
  static Result<std::unique_ptr<Node>> make(NodeConfig config, NodeOptions options);
  ~Node() override;

  // Loads plugins, opens storage, starts workers, listens. Mistakes in [plugin.config] tables go to `mistakes`. After
  // an error call stop. [main]
  Result<> start(Mistakes& mistakes);
  // Serves requests for the main thread until request_stop. [main]
  void wait();
  void request_stop() noexcept;  // [any thread]
  // Drains and ends everything. False when something hung or could not be saved. [main]
  bool stop();
  // True: threads were left that did not come back in time, so the process must end without running destructors.
  bool abandoned_threads() const noexcept { return plugins_ && plugins_->caller().abandoned() != 0; }

  // Runs `task` on the main thread. False when kTasksMax wait already or the node is stopping. [any thread]
  bool submit(std::function<void()> task);
  // The same after a delay; for tasks only. [main]
  void later(std::chrono::milliseconds delay, std::function<void()> task);

  State state() const noexcept { return state_.load(std::memory_order_acquire); }
  std::vector<ListenerInfo> listeners() const { return listeners_of(extensions_); }
  const ExposurePolicy& exposure_policy() const noexcept { return exposure_policy_; }
  // Reads certificates again, in any case. [any thread]
  void reload() noexcept;
  std::string node_json() const;  // [any thread], as the next
  std::string plugins_json() const;
  // The instance as plugins_json has it, or nothing.
  std::optional<std::string> plugin_json(const std::string& instance) const;
  std::string workers_json() const;
  std::string metrics_text() const;
  std::string config_json() const;
  Log& log() noexcept { return *log_; }
  Runtime* runtime() noexcept { return runtime_.get(); }
  AsioExecutor& executor() noexcept { return *executor_; }
  ModuleHost* modules() noexcept { return modules_.get(); }
  Migrations& migrations() noexcept { return *migrations_; }  // once plugins are created, as the next
  Backups& backups() noexcept { return *backups_; }
  StorageJobs& storage_jobs() noexcept { return *storage_jobs_; }
  Pace& maintenance_pace() noexcept { return maintenance_pace_; }
  const NodeConfig& config() const noexcept { return config_; }

  // One more plugin while the node runs, and its unloading, as orbit_node_v1 says; mistakes are told one a line.
  // `asks`: the instance that wants it. [main]
  Result<std::string> load_plugin(std::string_view entry);
  void unload_plugin(const std::string& name, const std::string& asks, std::function<void(Result<>)> done);
  // Frees its name: for who was told that it is unloaded, when its actors have left, too. [main]
  void plugin_unloaded(const std::string& name);

  Result<> publish(const std::string& name, const std::string& version, const std::string& file,
                   std::span<const orbit_actor_type* const> types) override;

 private:
  Node(NodeConfig config, NodeOptions options, std::unique_ptr<Log> log);
  Result<> make_parts(Mistakes& mistakes);
  Result<> open_storage();
  Result<> publish_types();
  void add_metrics();
  Result<> make_access(Mistakes& mistakes);
  Result<> take_authenticators();
  Result<> allow_plugin(const Descriptor& descriptor) const;
  Result<> adopt_plugin(const std::string& instance, const Descriptor& descriptor);
  void withdraw_types(const std::string& instance, bool hide);
  void watch_certificates();
  void config_changed();

  NodeConfig config_;
  const NodeOptions options_;
  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  const std::chrono::system_clock::time_point started_at_ = std::chrono::system_clock::now();
  std::unique_ptr<Log> log_;
  Logger& logger_;
  Metrics metrics_;
  ExtensionRegistry extensions_;
  ExposurePolicy exposure_policy_;
  std::unique_ptr<Log> audit_log_;  // null: the node's own
  std::unique_ptr<AsioExecutor> executor_;
  std::unique_ptr<Access> access_;
  std::unique_ptr<SocketNet> net_;
  std::unique_ptr<PluginHost> plugins_;
  std::unique_ptr<ModuleHost> modules_;
  std::unique_ptr<Runtime> runtime_;
  std::vector<Engine> storages_;  // all instances, used or not
  Pace maintenance_pace_;
  std::unique_ptr<Migrations> migrations_;
  std::unique_ptr<Backups> backups_;
  std::unique_ptr<StorageJobs> storage_jobs_;
  std::unique_ptr<Periodic> turn_watch_;
  std::unique_ptr<Periodic> certificate_watch_;
  std::unique_ptr<Periodic> access_watch_;
  bool executor_runs_ = false;
  bool stopped_ = false;
  std::atomic<State> state_{State::starting};

  struct Later {
    std::chrono::steady_clock::time_point at;
    std::function<void()> task;
  };
  mutable std::mutex mutex_;  // guards what follows
  std::string config_json_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  std::vector<Later> later_;
  bool stop_asked_ = false;
};

// The node of this process, or null.
Node* this_node() noexcept;
// The table of orbit.node/1.
const orbit_node_v1* node_table() noexcept;
// Of orbit.storage_ops/1.
const void* storage_ops_table() noexcept;

}  // namespace orbit::kernel
