// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "node/node.hpp"

#include <unistd.h>
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <thread>

#include "access/access_api.hpp"
#include "access/access_config.hpp"
#include "actor/descriptors_api.hpp"
#include "actor/introspection_api.hpp"
#include "actor/runtime.hpp"
#include "actor/turn_watch.hpp"
#include "executor/asio_executor.hpp"
#include "executor/workers_api.hpp"
#include "net/net_api.hpp"
#include "net/socket_net.hpp"
#include "node/backups.hpp"
#include "node/migrations.hpp"
#include "node/periodic.hpp"
#include "node/storage_jobs.hpp"
#include "node/storages.hpp"
#include "orbit/ext/storage_ops.h"
#include "stream/stream_actor.hpp"

namespace orbit::kernel {
namespace {

std::atomic<Node*> the_node{nullptr};

constexpr uint64_t kFilesLookNs = 2'000'000'000;

std::chrono::milliseconds ms(const Values& values, std::string_view key) {
  return std::chrono::milliseconds(values.integer(key));
}

std::vector<std::string> folders(const NodeConfig& config, const NodeOptions& options, std::string_view key) {
  std::vector<std::string> out;
  for (const std::string& path : config.node.strings(key))
    out.push_back((std::filesystem::path(options.executable_folder) / path).lexically_normal().string());
  return out;
}

// What this process may use: of the machine, or of its control group if that is less.
uint64_t machine_memory_bytes() {
  uint64_t bytes = static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  uint64_t group = 0;
  if (std::ifstream("/sys/fs/cgroup/memory.max") >> group && group != 0) bytes = std::min(bytes, group);
  return bytes;
}

}  // namespace

Node* this_node() noexcept { return the_node.load(std::memory_order_acquire); }

PluginHostOptions plugin_host_options(const NodeConfig& config, const NodeOptions& options) {
  PluginHostOptions out;
  out.search_paths = folders(config, options, "plugin_paths");
  out.probe_executable = options.executable;
  out.probe_timeout_ms = config.limits.integer("probe_timeout_ms");
  out.create_timeout = ms(config.limits, "plugin_create_timeout_ms");
  out.stop_timeout = ms(config.limits, "stop_timeout_ms");
  out.built_in = options.built_in;
  return out;
}

ModuleEntry resolved(ModuleEntry entry, const NodeConfig& config, const NodeOptions& options) {
  if (entry.path.find('/') != std::string::npos) return entry;
  const auto paths = folders(config, options, "module_paths");
  std::error_code ignored;
  for (const std::string& folder : paths)
    if (std::filesystem::exists(folder + "/" + entry.path, ignored)) {
      entry.path = folder + "/" + entry.path;
      return entry;
    }
  // Not there: messages then name the first place where it should be.
  if (!paths.empty()) entry.path = paths.front() + "/" + entry.path;
  return entry;
}

Result<LogOptions> log_options(const NodeConfig& config) {
  LogOptions out;
  const auto level = parse_log_level(config.log.string("level"));
  if (!level) return tl::unexpected(level.error());
  out.level = *level;
  out.json = config.log.string("format") == "json";
  out.file = config.log.string("file");
  out.file_bytes_max = static_cast<uint64_t>(config.log.integer("file_bytes_max"));
  out.files_kept = static_cast<uint32_t>(config.log.integer("files_kept"));
  out.queue_max = static_cast<size_t>(config.log.integer("queue_max"));
  for (const std::string& text : config.log.strings("levels")) {
    const size_t equals = text.find('=');
    const auto own =
        parse_log_level(equals == std::string::npos ? std::string_view() : std::string_view(text).substr(equals + 1));
    if (!own) return tl::unexpected(own.error());
    out.levels.emplace_back(text.substr(0, equals), *own);
  }
  return out;
}

Result<std::unique_ptr<Node>> Node::make(NodeConfig config, NodeOptions options) {
  const auto how = log_options(config);
  if (!how) return tl::unexpected(how.error());
  auto log = Log::open(*how);
  if (!log) return tl::unexpected(log.error());
  return std::unique_ptr<Node>(new Node(std::move(config), std::move(options), std::move(*log)));
}

Node::Node(NodeConfig config, NodeOptions options, std::unique_ptr<Log> log)
    : config_(std::move(config)), options_(std::move(options)), log_(std::move(log)), logger_(log_->logger("node")) {
  the_node = this;
}

Node::~Node() {
  stop();
  forget_listeners(extensions_);
  the_node = nullptr;
}

// ---- start ---------------------------------------------------------------------------------------------------------

Result<> Node::make_parts(Mistakes& mistakes) {
  AsioExecutorOptions executor;
  const int64_t workers = config_.node.integer("workers");
  executor.workers = workers != 0 ? static_cast<uint32_t>(workers) : std::max(1u, std::thread::hardware_concurrency());
  executor.pin_workers = config_.node.boolean("pin_workers");
  executor.spin_us = static_cast<uint32_t>(config_.node.integer("spin_us"));
  executor.io_threads = static_cast<uint32_t>(config_.limits.integer("io_threads"));
  executor.io_queue_max = static_cast<size_t>(config_.limits.integer("io_queue_max"));
  SocketNetOptions net;
  net.connections_max = static_cast<uint32_t>(config_.limits.integer("connections_max"));
  net.tell = [&logger = log_->logger("net")](std::string_view message) { logger.info(message); };
  net.warn = [&logger = log_->logger("net")](std::string_view message) { logger.warn(message); };
  try {
    executor_ = std::make_unique<AsioExecutor>(executor);
    net_ = std::make_unique<SocketNet>(*executor_, std::move(net));
  } catch (const std::exception& e) {
    return fail(Code::unavailable, std::string("the workers cannot be made: ") + e.what());
  }
  extensions_.add(kExecutorExtension, static_cast<Executor*>(executor_.get()));
  extensions_.add(kNetExtension, static_cast<Net*>(net_.get()));
  extensions_.add(ORBIT_WORKERS_V1, workers_table());
  extensions_.add(ORBIT_NET_V1, watched_net_table());
  extensions_.add(kExposureExtension, &exposure_policy_);
  extensions_.add(ORBIT_ACTORS_V1, Runtime::api());
  extensions_.add(ORBIT_ERASING_V1, erasing_table());
  extensions_.add(ORBIT_STREAMS_V1, streams_table());
  extensions_.add(ORBIT_LOG_V1, log_table());
  extensions_.add(ORBIT_METRICS_V1, metrics_table());
  extensions_.add(ORBIT_NODE_V1, node_table());
  extensions_.add(ORBIT_STORAGE_OPS_V1, storage_ops_table());
  extensions_.add(ORBIT_INTROSPECTION_V1, introspection_table());
  extensions_.add(ORBIT_DESCRIPTORS_V1, descriptors_table());
  extensions_.add(ORBIT_LISTENERS_V1, listeners_table());
  if (auto made = make_access(mistakes); !made) return made;
  extensions_.add(kAccessExtension, access_.get());
  extensions_.add(ORBIT_ACCESS_V1, access_table());
  plugins_ = std::make_unique<PluginHost>(plugin_host_options(config_, options_), extensions_, *log_, metrics_);
  return {};
}

Result<> Node::open_storage() {
  auto names = storages_in_use(config_, *plugins_);
  if (!names) return tl::unexpected(names.error());
  std::vector<Engine> engines;
  std::map<std::string, uint32_t, std::less<>> numbers;  // of the storages, by the names in the configuration
  for (const std::string& name : *names) {
    auto engine = engine_in_use(*plugins_, config_, name, log_->logger("storage"));
    if (!engine) return tl::unexpected(engine.error());
    // After migrations two names may lead to one.
    const auto same = std::find_if(engines.begin(), engines.end(), [&](const Engine& one) { return one.name == engine->name; });
    numbers[name] = static_cast<uint32_t>(same - engines.begin());
    if (same == engines.end()) engines.push_back(std::move(*engine));
  }

  RuntimeOptions options;
  options.logger = &log_->logger("actors");
  options.types.flush_delay_ms = static_cast<uint64_t>(config_.limits.integer("flush_delay_ms"));
  options.types.idle_timeout_ms = static_cast<uint64_t>(config_.limits.integer("idle_timeout_ms"));
  options.types.mailbox_max = static_cast<uint32_t>(config_.limits.integer("mailbox_max"));
  options.activations_max = static_cast<uint64_t>(config_.limits.integer("activations_max"));
  options.slow_turn_ms = static_cast<uint64_t>(config_.limits.integer("slow_turn_ms"));
  const auto memory = static_cast<uint64_t>(config_.limits.integer("memory_bytes_max"));
  options.memory_bytes_max = memory != 0 ? memory : machine_memory_bytes() / 2;
  Runtime::Route route = [&routes = config_.routes, numbers](std::string_view type) {
    const std::string* storage = routes.find(type);
    return storage == nullptr ? 0u : numbers.find(*storage)->second;
  };
  runtime_ = std::make_unique<Runtime>(*executor_, options, std::move(engines), std::move(route));
  access_->rules().set_read_only([this](std::string_view type, std::string_view name) -> std::optional<bool> {
    const orbit_type* const known = runtime_->types().find(type);
    const TypeVersion* const version = known != nullptr ? known->current.load(std::memory_order_acquire) : nullptr;
    const orbit_method* const method = version != nullptr ? version->method(name) : nullptr;
    if (method == nullptr) return std::nullopt;
    return (method->flags & ORBIT_METHOD_READ_ONLY) != 0;
  });
  return {};
}

Result<> Node::publish(const std::string& name, const std::string& version, const std::string& file,
                       std::span<const orbit_actor_type* const> types) {
  for (const orbit_actor_type* type : types) {
    if (type->name == nullptr) continue;  // refused below
    const Engine& its = runtime_->store(runtime_->route(type->name)).committer.engine();
    if (auto good = check_place(type->name, its, storages_); !good)
      return fail(good.error().code, file + ": " + good.error().message);
  }
  auto published = runtime_->publish_module(name, version, file, types);
  access_->rules().types_changed();
  return published;
}

// Protocol plugins bring types of their own; they are modules named after the instance.
Result<> Node::publish_types() {
  static const StreamLimits stream_limits;
  const orbit_actor_type* const own[] = {stream_type(stream_limits)};
  if (auto good = publish("orbit.streams", options_.version, "(the node)", own); !good) return good;
  std::set<std::string> taken{"orbit.streams"};
  for (const auto& provided : plugins_->provided(ORBIT_ACTOR_TYPES_V1)) {
    taken.insert(provided.instance);
    const auto* types = static_cast<const orbit_actor_types_v1*>(provided.table);
    std::string version;
    std::string file;
    for (const PluginStatus& status : plugins_->status())
      if (status.instance == provided.instance) version = status.version, file = status.file;
    if (auto good = publish(provided.instance, version, file, {types->types, types->count}); !good) return good;
  }
  modules_ = std::make_unique<ModuleHost>(
      ModuleHostOptions{config_.node.string("data_dir"), ms(config_.limits, "plugin_create_timeout_ms"),
                        ms(config_.limits, "stop_timeout_ms"), std::move(taken)},
      plugins_->search(), plugins_->caller(), *this, extensions_, *log_, metrics_);
  if (auto opened = modules_->open(); !opened) return opened;
  for (const ModuleEntry& entry : config_.modules) {
    auto loaded = modules_->load_configured(resolved(entry, config_, options_));
    if (loaded) continue;
    log_->logger("modules").error(loaded.error().message);
    if (entry.required) return loaded;
  }
  modules_->load_listed();
  return {};
}

void Node::add_metrics() {
  metrics_.add_collector([this](Exposition& out) {
    const std::string labels = label("name", config_.node.string("name")) + "," + label("version", options_.version);
    out.gauge("orbit_node_info", "This node; always 1.", labels, 1);
    out.gauge("orbit_node_uptime_seconds", "Since the process started.", "",
              std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count());
    out.gauge("orbit_node_ready", "1: started and not draining.", "", state() == State::ready);
    out.counter("orbit_log_dropped_total", "Log lines dropped because the queue was full.", "",
                static_cast<double>(log_->dropped_total()));
    out.counter("orbit_log_write_errors_total", "Log lines that could not be written.", "",
                static_cast<double>(log_->write_errors_total()));
    const AccessCounters access = access_->counters();
    out.counter("orbit_access_authenticated_total", "Callers whose credentials were good.", "",
                static_cast<double>(access.authenticated));
    out.counter("orbit_access_remembered_total", "Of these, those that were remembered.", "",
                static_cast<double>(access.remembered));
    out.counter("orbit_access_refused_total", "Callers whose credentials were refused.", "", static_cast<double>(access.refused));
    out.counter("orbit_access_locked_out_total", "Credentials that were not looked at, after too many wrong ones.", "",
                static_cast<double>(access.locked));
    out.counter("orbit_access_denied_total", "Calls and administrative actions that were denied.", "",
                static_cast<double>(access.denied));
    for (const PluginStatus& plugin : plugins_->status())
      out.gauge(
          "orbit_plugin_running", "1: the plugin's instance is started and not stopped.",
          label("plugin", plugin.instance) + "," + label("id", plugin.id) + "," + label("version", plugin.version),
          plugin.state == "running");
    uint32_t worker = 0;
    for (const NetCounters& net : net_->counters()) {
      const std::string of = label("worker", std::to_string(worker++));
      out.gauge("orbit_net_connections", "Open client connections.", of, static_cast<double>(net.connections));
      out.counter("orbit_net_accepted_total", "Client connections accepted.", of, static_cast<double>(net.accepted));
      out.counter("orbit_net_rejected_total", "Client connections over connections_max or tls.handshakes_max.", of,
                  static_cast<double>(net.rejected));
      out.counter("orbit_net_tls_handshakes_total", "TLS handshakes that went well.", of,
                  static_cast<double>(net.tls_handshakes));
      out.counter("orbit_net_tls_failures_total", "TLS handshakes that failed or took too long.", of,
                  static_cast<double>(net.tls_failures));
      out.counter("orbit_net_received_bytes_total", "Bytes from clients.", of, static_cast<double>(net.bytes_in));
      out.counter("orbit_net_sent_bytes_total", "Bytes to clients.", of, static_cast<double>(net.bytes_out));
    }
  });
}

Result<> Node::make_access(Mistakes& mistakes) {
  if (const std::string& file = config_.access.string("audit_file"); !file.empty()) {
    auto how = log_options(config_);
    if (!how) return tl::unexpected(how.error());
    how->json = true;
    how->file = file;
    how->level = LogLevel::info;
    how->levels.clear();
    auto log = Log::open(*how);
    if (!log) return fail(log.error().code, "access.audit_file: " + log.error().message);
    audit_log_ = std::move(*log);
  }
  access_ = std::make_unique<Access>(access_options(config_, mistakes), *executor_,
                                     (audit_log_ ? *audit_log_ : *log_).logger("audit"));
  return {};
}

Result<> Node::take_authenticators() {
  std::vector<Access::Authenticator> out;
  for (const auto& provided : plugins_->provided(ORBIT_AUTHENTICATOR_V1)) {
    const auto* table = static_cast<const orbit_authenticator_v1*>(provided.table);
    constexpr uint32_t kLeast = offsetof(orbit_authenticator_v1, holds);
    if (table->struct_size < kLeast || table->mechanisms == nullptr || table->authenticate == nullptr)
      return fail(Code::failed_precondition, "the plugin '" + provided.instance + "': its " ORBIT_AUTHENTICATOR_V1 " has " +
                                                 std::to_string(table->struct_size) + " bytes, expected " +
                                                 std::to_string(kLeast) + " or more, with mechanisms and authenticate");
    out.push_back({provided.instance, table, provided.self});
  }
  access_->set_authenticators(std::move(out));
  return {};
}

void Node::reload() noexcept {
  submit([this] {
    net_->reload_certificates(true);
    if (auto read = access_->reload(true); !read) logger_.warn(read.error().message);
  });
}

Result<> Node::start(Mistakes& mistakes) {
  if (auto made = make_parts(mistakes); !made) return made;
  auto loaded = plugins_->load(config_, mistakes);
  for (const PluginStatus& plugin : plugins_->status())
    if (std::find(plugin.provides.begin(), plugin.provides.end(), ORBIT_AUTHENTICATOR_V1) != plugin.provides.end())
      access_->expect_authenticators();
  exposure_policy_ = {access_->enabled(), config_.access.boolean("open_listeners")};
  if (!mistakes.empty())
    return fail(Code::invalid_argument, "the configuration has " + std::to_string(mistakes.size()) + " mistakes");
  if (!loaded) return loaded;
  config_changed();
  if (auto opened = open_storage(); !opened) return opened;
  if (auto created = plugins_->create_others(); !created) return created;
  storages_ = all_engines(*plugins_);
  maintenance_pace_.set(static_cast<uint64_t>(config_.storage.integer("maintenance_bytes_per_second")));
  migrations_ =
      std::make_unique<Migrations>(*executor_, *runtime_, storages_, maintenance_pace_, log_->logger("storage"));
  backups_ = std::make_unique<Backups>(*executor_, *runtime_, *plugins_, maintenance_pace_, log_->logger("storage"));
  storage_jobs_ = std::make_unique<StorageJobs>(*plugins_, storages_, maintenance_pace_, log_->logger("storage"));
  if (auto taken = take_authenticators(); !taken) return taken;
  if (auto known = access_->load(); !known) return known;
  std::vector<CallFilter> filters;
  for (const auto& provided : plugins_->provided(ORBIT_CALL_FILTER_V1)) {
    const auto* table = static_cast<const orbit_call_filter_v1*>(provided.table);
    if (table->struct_size < sizeof(orbit_call_filter_v1))
      return fail(Code::failed_precondition, "the plugin '" + provided.instance + "': found an " ORBIT_CALL_FILTER_V1 " of " +
                                                 std::to_string(table->struct_size) + " bytes, expected " +
                                                 std::to_string(sizeof(orbit_call_filter_v1)));
    filters.push_back({table, provided.self});
  }
  runtime_->set_filters(std::move(filters));
  add_metrics();
  executor_->start();
  executor_runs_ = true;
  runtime_->start();
  if (TurnWatch& watch = runtime_->turn_watch(); watch.slow_turn_ms() != 0)
    turn_watch_ = std::make_unique<Periodic>("orbit-watch", watch.look_every_ns(), [&watch] { watch.look(); });
  if (auto published = publish_types(); !published) return published;
  if (auto started = plugins_->start(&close_listeners); !started) return started;
  watch_certificates();
  // What cannot be read is logged by the authenticator that wants to.
  if (access_->enabled())
    access_watch_ = std::make_unique<Periodic>("orbit-access", kFilesLookNs, [this] { static_cast<void>(access_->reload(false)); });
  state_.store(State::ready, std::memory_order_release);
  std::string in_use;
  for (const auto& store : runtime_->stores()) in_use += (in_use.empty() ? "" : ", ") + store->name();
  logger_.info("ready", {{"version", options_.version},
                         {"workers", std::to_string(executor_->workers())},
                         {"storage", in_use}});
  return {};
}

void Node::watch_certificates() {
  if (net_->has_tls() && !certificate_watch_)
    certificate_watch_ =
        std::make_unique<Periodic>("orbit-tls", kFilesLookNs, [this] { net_->reload_certificates(false); });
}

std::string Node::config_json() const {
  const std::lock_guard lock(mutex_);
  return config_json_;
}

void Node::config_changed() {
  std::string text = config_.json();
  const std::lock_guard lock(mutex_);
  config_json_ = std::move(text);
}

// ---- the main thread's work ----------------------------------------------------------------------------------------

bool Node::submit(std::function<void()> task) {
  const std::lock_guard lock(mutex_);
  if (stop_asked_ || tasks_.size() >= kTasksMax) return false;
  tasks_.push_back(std::move(task));
  changed_.notify_one();
  return true;
}

void Node::later(std::chrono::milliseconds delay, std::function<void()> task) {
  const std::lock_guard lock(mutex_);
  later_.push_back({std::chrono::steady_clock::now() + delay, std::move(task)});
}

void Node::wait() {
  std::unique_lock lock(mutex_);
  while (!stop_asked_) {
    const auto now = std::chrono::steady_clock::now();
    for (size_t i = 0; i < later_.size();) {
      if (later_[i].at > now) {
        ++i;
        continue;
      }
      tasks_.push_back(std::move(later_[i].task));
      later_.erase(later_.begin() + static_cast<ptrdiff_t>(i));
    }
    if (!tasks_.empty()) {
      const auto task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
      lock.lock();
      continue;
    }
    const auto earliest =
        std::min_element(later_.begin(), later_.end(), [](const Later& a, const Later& b) { return a.at < b.at; });
    if (earliest == later_.end())
      changed_.wait(lock);
    else
      changed_.wait_until(lock, earliest->at);
  }
}

void Node::request_stop() noexcept {
  const std::lock_guard lock(mutex_);
  stop_asked_ = true;
  changed_.notify_one();
}

// ---- stop ----------------------------------------------------------------------------------------------------------

bool Node::stop() {
  if (stopped_) return true;
  stopped_ = true;
  state_.store(State::draining, std::memory_order_release);
  logger_.info("draining");
  request_stop();
  // Their callers are answered by nobody else; the tasks see that the node drains.
  for (auto& task : tasks_) task();
  for (auto& entry : later_) entry.task();
  tasks_.clear();
  later_.clear();

  bool good = true;
  std::vector<std::string> storages;
  for (const Engine& engine : storages_) storages.push_back(engine.name);
  if (plugins_) good = plugins_->stop(storages) && good;
  if (migrations_ && executor_runs_) migrations_->stop();
  if (backups_ && executor_runs_) backups_->stop();
  if (storage_jobs_) storage_jobs_->stop();
  if (executor_runs_) {
    // Clients hear of what was stored for them before their connections close; after that nothing new arrives.
    const auto stop_timeout_ms = static_cast<uint64_t>(config_.limits.integer("stop_timeout_ms"));
    static_cast<void>(runtime_->flush(stop_timeout_ms));
    net_->stop();
    const auto report = runtime_->drain(stop_timeout_ms);
    if (!report.complete) {
      logger_.error("not everything came to rest within stop_timeout_ms",
                    {{"activations", std::to_string(report.busy)}, {"reason", report.error}});
      good = false;
    }
  }
  certificate_watch_.reset();
  access_watch_.reset();
  turn_watch_.reset();
  if (executor_) executor_->stop();  // also when it never ran: it knows the schedulers of the runtime
  migrations_.reset();
  backups_.reset();
  storage_jobs_.reset();
  runtime_.reset();  // its actors run code of modules and plugins, so before those
  if (modules_) good = modules_->destroy() && good;
  if (plugins_) good = plugins_->destroy() && good;
  logger_.info(good ? "stopped" : "stopped, but not cleanly");
  return good;
}

}  // namespace orbit::kernel
