// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The parts of a node, put together around a simulated executor as kernel/src/node does it around a real one.
#include "orbit/testkit/node.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <limits>
#include <stdexcept>

#include "access/access_api.hpp"
#include "actor/descriptors_api.hpp"
#include "actor/erasing.hpp"
#include "actor/introspection_api.hpp"
#include "actor/names.hpp"
#include "actor/runtime.hpp"
#include "executor/current_worker.hpp"
#include "executor/sim_executor.hpp"
#include "executor/workers_api.hpp"
#include "net/net_api.hpp"
#include "net/sim_net.hpp"
#include "network_impl.hpp"
#include "node/listeners.hpp"
#include "node_storage_impl.hpp"
#include "observe/log.hpp"
#include "observe/metrics.hpp"
#include "plugin/context.hpp"
#include "plugin/library.hpp"
#include "plugins.hpp"
#include "seeds_used.hpp"
#include "stream/stream_actor.hpp"

namespace orbit::testkit {

namespace {

using namespace orbit::kernel;

constexpr uint64_t kMonotonicStartNs = 1'000'000'000;
constexpr uint64_t kUnixStartMs = 1'700'000'000'000;
constexpr uint64_t kStepsOfAMomentMax = 20'000'000;
constexpr uint64_t kDrainPauseNs = 10'000'000;
constexpr size_t kShownBusy = 5;
constexpr uint64_t kNetworkSeed = 0x6e6574776f726b;  // so that it draws other numbers than the executor

Node* the_node = nullptr;

Log& the_log() {
  static const std::unique_ptr<Log> log = [] {
    LogOptions how;
    how.level = LogLevel::error;
    if (const char* level = std::getenv("ORBIT_LOG"))
      if (const auto parsed = parse_log_level(level)) how.level = *parsed;
    auto opened = Log::open(how);
    if (!opened) throw std::runtime_error(opened.error().message);
    return std::move(*opened);
  }();
  return *log;
}

// Proxies of the test outlive a life of the node, and what they remember of it must not lead into the next: they do not
// get to remember anything.
const orbit_actors_v1* actors_without_hints() noexcept {
  static const orbit_actors_v1 table = [] {
    orbit_actors_v1 out = *Runtime::api();
    out.send = [](orbit_envelope* envelope, uint64_t*) { Runtime::api()->send(envelope, nullptr); };
    out.send_known = [](orbit_envelope*, uint64_t*) -> int { return 0; };
    return out;
  }();
  return &table;
}

// One life of a node, from its start to its stop or crash.
struct Life {
  Life(const SimExecutorOptions& how, const RuntimeOptions& limits, Engine storage)
      : executor(how), runtime(std::make_unique<Runtime>(executor, limits, std::vector<Engine>{std::move(storage)})) {
    extensions.add(ORBIT_ACTORS_V1, Runtime::api());
    test_extensions.add(ORBIT_ACTORS_V1, actors_without_hints());
    for (ExtensionRegistry* each : {&extensions, &test_extensions}) {
      each->add(kExecutorExtension, static_cast<Executor*>(&executor));
      each->add(ORBIT_WORKERS_V1, workers_table());
      each->add(ORBIT_STREAMS_V1, streams_table());
      each->add(ORBIT_LOG_V1, log_table());
      each->add(ORBIT_METRICS_V1, metrics_table());
    }
  }
  // What plugins have and modules do not need, in a node that has some.
  void add_network(SimNetwork& network) {
    network.attach(executor);
    net = std::make_unique<SimNet>(executor, network, SocketNetOptions());
    access = std::make_unique<Access>(AccessOptions(), executor, the_log().logger("audit"));
    extensions.add(kNetExtension, static_cast<Net*>(net.get()));
    extensions.add(ORBIT_NET_V1, watched_net_table());
    extensions.add(kExposureExtension, &exposure);
    extensions.add(ORBIT_LISTENERS_V1, listeners_table());
    extensions.add(kAccessExtension, access.get());
    extensions.add(ORBIT_ACCESS_V1, access_table());
    extensions.add(ORBIT_INTROSPECTION_V1, introspection_table());
    extensions.add(ORBIT_DESCRIPTORS_V1, descriptors_table());
    extensions.add(ORBIT_ERASING_V1, erasing_table());
  }
  SimExecutor executor;
  std::unique_ptr<SimNet> net;  // null: the node has no plugins
  std::unique_ptr<Access> access;
  const ExposurePolicy exposure;
  ExtensionRegistry extensions;       // as modules see them
  ExtensionRegistry test_extensions;  // as the test does, with what is linked into it
  Metrics metrics;
  std::unique_ptr<Runtime> runtime;
  std::vector<orbit_plugin_instance*> instances;
  std::vector<orbit_plugin_instance*> plugins;  // of these, those to stop
  std::vector<std::string> modules;             // in service
};

// Lives that must not end: crashed ones, whose destructors would run code of actors, and the rest of stopped ones,
// which hosts that modules keep point to.
void keep_for_ever(std::unique_ptr<Life> life) {
  static auto* all = new std::deque<std::unique_ptr<Life>>;  // reachable for ever, also for leak checkers
  all->push_back(std::move(life));
}

}  // namespace

struct Node::Impl {
  NodeOptions options;
  Connect connect;
  uint64_t seed;
  Prng random;
  NodeStorage storage;
  Network network;
  std::vector<Descriptor> modules;
  std::vector<LoadedPlugin> plugins;
  std::unique_ptr<Life> life;  // null while it is down
  std::optional<CurrentWorkerScope> scope;
  uint64_t down_ns = kMonotonicStartNs;  // the time of a node that is down
  uint64_t lives = 0;
  uint64_t past = 0;  // what trace_hash of earlier lives was
  int exceptions = std::uncaught_exceptions();
  struct Running {
    std::coroutine_handle<> frame;
    std::shared_ptr<detail::Client> client;
  };
  std::deque<Running> clients;
  uint64_t steps_of_this_moment = 0;

  uint64_t now_ns() const noexcept { return life != nullptr ? life->executor.monotonic_ns() : down_ns; }

  void load_modules() {
    for (const std::string& file : options.modules) {
      auto loaded = load_library(file);
      if (!loaded) throw std::runtime_error(loaded.error().message);
      modules.push_back(std::move(*loaded));
    }
    for (const orbit_plugin_descriptor* descriptor : options.linked) {
      auto read = read_descriptor(descriptor, "(linked)");
      if (!read) throw std::runtime_error(read.error().message);
      modules.push_back(std::move(*read));
    }
    for (const PluginOptions& plugin : options.plugins) plugins.push_back(load_plugin(plugin));
  }

  RuntimeOptions limits() const {
    RuntimeOptions out;
    out.logger = &the_log().logger("actors");
    out.types.flush_delay_ms = static_cast<uint64_t>(options.flush_delay.count());
    out.types.idle_timeout_ms = static_cast<uint64_t>(options.idle_timeout.count());
    out.types.mailbox_max = options.mailbox_max;
    out.activations_max = options.activations_max;
    out.memory_bytes_max = options.memory_bytes_max;
    out.threads_are_fixed = false;
    // Nobody but the test moves this clock.
    out.due_rest_ms = 1;
    out.due_look_ms = std::numeric_limits<uint32_t>::max();
    return out;
  }

  void go_up() {
    SimExecutorOptions how;
    how.seed = lives++ == 0 ? seed : random.next();
    how.workers = options.workers;
    how.monotonic_start_ns = down_ns;
    how.unix_start_ms = kUnixStartMs + (down_ns - kMonotonicStartNs) / 1'000'000;
    how.step_ns = 0;
    how.grain_ns = 1'000'000;
    life = std::make_unique<Life>(
        how, limits(), Engine{"testkit", &NodeStorage::Impl::kTable, &NodeStorage::Impl::kCached, storage.impl_.get()});
    storage.impl_->set_executor(&life->executor);
    static const StreamLimits stream_limits;
    static const orbit_actor_type* const own[] = {stream_type(stream_limits)};
    publish("orbit.streams", "(the test kit)", own);
    for (const Descriptor& module : modules) create(module);
    if (!plugins.empty()) life->add_network(network.impl_->network);
    for (const LoadedPlugin& plugin : plugins) create(plugin);
    // After the linked modules, which share the test's connection.
    const PluginContext* host =
        PluginContext::make("test", the_log().logger("test"), life->metrics, life->test_extensions);
    if (auto connected = connect(host); !connected) throw std::runtime_error(connected.error().message);
    if (!options.actors.empty()) publish("(linked actors)", "(the test)", options.actors);
    life->executor.start();
    life->runtime->start();
    for (size_t i = 0; i < plugins.size(); ++i) start_plugin(plugins[i], *life->plugins[i]);
    scope.emplace(&life->executor, 0);
    run_now();
  }

  void publish(const std::string& name, const std::string& file, std::span<const orbit_actor_type* const> types) {
    if (auto good = life->runtime->publish_module(name, "test", file, types); !good)
      throw std::runtime_error(good.error().message);
    life->modules.push_back(name);
  }

  void create(const Descriptor& module) {
    const auto refuse = [&](const std::string& why) { throw std::runtime_error(module.file + ": " + why); };
    const PluginContext* host =
        PluginContext::make(module.id, the_log().logger(module.id), life->metrics, life->extensions);
    const orbit_config config{sizeof config, 0, nullptr, module.id.c_str()};
    orbit_plugin_instance* instance = nullptr;
    ErrorOut error;
    if (module.create(host, &config, &instance, &error) != ORBIT_OK) refuse(error.message);
    life->instances.push_back(instance);
    const auto* types =
        static_cast<const orbit_actor_types_v1*>(instance->get_extension(instance->self, ORBIT_ACTOR_TYPES_V1));
    if (types == nullptr) refuse("is no actor module: it provides no " ORBIT_ACTOR_TYPES_V1);
    publish(module.id, module.file, {types->types, types->count});
  }

  void create(const LoadedPlugin& plugin) {
    const PluginContext* host =
        PluginContext::make(plugin.name, the_log().logger(plugin.name), life->metrics, life->extensions);
    orbit_plugin_instance* const instance = create_plugin(plugin, *host);
    life->instances.push_back(instance);
    life->plugins.push_back(instance);
    const auto* types =
        static_cast<const orbit_actor_types_v1*>(instance->get_extension(instance->self, ORBIT_ACTOR_TYPES_V1));
    if (types != nullptr) publish(plugin.name, plugin.descriptor.file, {types->types, types->count});
  }

  // ---- running
  bool step_until(uint64_t end_ns) {
    const uint64_t before_ns = life->executor.monotonic_ns();
    if (!life->executor.step_until(end_ns)) return false;
    steps_of_this_moment = life->executor.monotonic_ns() == before_ns ? steps_of_this_moment + 1 : 0;
    if (steps_of_this_moment > kStepsOfAMomentMax)
      throw std::runtime_error(
          "the test kit: " + std::to_string(kStepsOfAMomentMax) +
          " steps at one moment, and there is still something to run; do actors call each other for ever?");
    return true;
  }
  void begin() {
    // What the test did itself since the last step was done on worker 0.
    if (life != nullptr) life->executor.wake(0);
    reap();
  }
  void run_now() {
    begin();
    while (step_until(life->executor.monotonic_ns())) {
    }
    reap();
  }
  template <class Done>
  bool run_until(Done&& done) {
    begin();
    const uint64_t end_ns = life->executor.monotonic_ns() + ns(options.patience);
    while (!done())
      if (!step_until(end_ns)) return done();
    return true;
  }
  void reap() {
    std::erase_if(clients, [](const Running& one) {
      if (!one.client->done) return false;
      one.frame.destroy();
      return true;
    });
  }
  std::string who_is_busy() const {
    std::string out;
    size_t shown = 0;
    for (uint32_t worker = 0; worker < options.workers; ++worker)
      life->runtime->scheduler(worker).table().for_each([&](const orbit_activation* a) {
        if (a->current == nullptr || ++shown > kShownBusy) return;
        const orbit_method* method = a->version->method(a->current->method);
        out += (out.empty() ? "; in a turn: " : ", ") + actor_name(a->type->name, a->key());
        if (method != nullptr) out += " " + std::string(method->name);
      });
    return out;
  }

  // ---- going down
  void lose_clients() {
    for (Running& one : clients) {
      one.client->lost = !one.client->done;
      one.frame.destroy();
    }
    clients.clear();
  }
  void went_down(bool power_cut) {
    if (life->net != nullptr) network.impl_->network.detach(power_cut);
    forget_listeners(life->extensions);
    past = past * 31 + life->executor.trace_hash();
    down_ns = life->executor.monotonic_ns();
    storage.impl_->set_executor(nullptr);
    scope.reset();
  }
  void crash(Unsynced unsynced) {
    storage.impl_->lose_power(unsynced);
    lose_clients();
    // Handles of types live on; nothing of this life is to be found through them.
    for (const std::string& module : life->modules) static_cast<void>(life->runtime->types().retire(module));
    went_down(true);
    keep_for_ever(std::move(life));
  }
  void stop_plugins() {
    if (life->net == nullptr) return;
    // A plugin's stop may wait for its connections, and nothing runs while it does.
    life->net->stop();
    for (; !life->plugins.empty(); life->plugins.pop_back()) life->plugins.back()->stop(life->plugins.back()->self);
  }
  // Nothing runs any more; nobody waits.
  void end() {
    stop_plugins();
    life->executor.stop();
    reap();
    went_down(false);
    life->runtime.reset();
    for (orbit_plugin_instance* instance : life->instances) instance->destroy(instance->self);
    life->instances.clear();
    keep_for_ever(std::move(life));
  }
  Result<> stop() {
    begin();
    stop_plugins();
    const uint64_t end_ns = now_ns() + ns(options.patience);
    life->runtime->begin_drain();
    for (;;) {
      auto report = std::make_shared<std::optional<Runtime::DrainReport>>();
      life->runtime->begin_flush([report](const Runtime::DrainReport& told) { *report = told; });
      if (!run_until([&] { return report->has_value(); }))
        return fail(Code::deadline_exceeded, "the node did not stop within its patience" + who_is_busy());
      if ((*report)->complete && clients.empty()) return {};
      if (!(*report)->error.empty())
        return fail(Code::unavailable, "the node could not store everything: " + (*report)->error);
      if (now_ns() >= end_ns)
        return fail(Code::deadline_exceeded, "the node did not stop within its patience" + who_is_busy());
      const uint64_t pause_ns = now_ns() + kDrainPauseNs;
      while (step_until(pause_ns)) {
      }
      life->executor.advance(pause_ns - now_ns());
      begin();
    }
  }
};

Node::Node(NodeOptions options, Connect connect)
    : impl_(new Impl{.options = std::move(options),
                     .connect = connect,
                     .seed = 0,
                     .random = Prng(0),
                     .storage = {},
                     .network = {}}) {
  if (the_node != nullptr) throw std::logic_error("the test kit: one Node at a time; another one is still there");
  if (impl_->options.workers == 0) impl_->options.workers = 1;
  impl_->seed = impl_->options.seed ? *impl_->options.seed : default_seed();
  impl_->random = Prng(~impl_->seed);
  impl_->storage.impl_ = std::make_unique<NodeStorage::Impl>(impl_->random.next());
  impl_->network.impl_ = std::make_shared<Network::Impl>(impl_->seed ^ kNetworkSeed, this);
  impl_->network.impl_->network.advance_to(kMonotonicStartNs);
  detail::note_seed(impl_->seed);
  impl_->load_modules();
  the_node = this;
  try {
    impl_->go_up();
  } catch (...) {
    if (impl_->life != nullptr) impl_->crash(Unsynced::kept);
    the_node = nullptr;
    throw;
  }
}

Node::~Node() {
  if (std::uncaught_exceptions() > impl_->exceptions && !detail::seeds_are_printed())
    std::fprintf(stderr, "ORBIT_SEED=%llu runs it again\n", static_cast<unsigned long long>(impl_->seed));
  if (impl_->life != nullptr) {
    impl_->reap();
    if (impl_->clients.empty())
      impl_->end();
    else
      impl_->crash(Unsynced::kept);  // what they refer to may be gone already
  }
  impl_->network.impl_->node = nullptr;
  the_node = nullptr;
}

uint64_t Node::seed() const noexcept { return impl_->seed; }
bool Node::is_up() const noexcept { return impl_->life != nullptr; }
NodeStorage& Node::storage() noexcept { return impl_->storage; }
Network& Node::network() noexcept { return impl_->network; }

Connection Node::connect(std::string_view address, std::string_view from) {
  if (impl_->plugins.empty()) throw std::invalid_argument("connect: the node has no plugins, so nobody listens");
  const auto& network = impl_->network.impl_;
  auto client = network->network.connect(std::string(address), std::string(from));
  if (!client) throw std::invalid_argument("connect: " + client.error().message);
  return Connection(std::unique_ptr<Connection::Impl>(new Connection::Impl{network, std::move(*client)}));
}

void Node::go_up() { impl_->go_up(); }

void Node::spawn(std::coroutine_handle<> frame, std::shared_ptr<detail::Client> client) {
  impl_->begin();
  impl_->clients.push_back({frame, std::move(client)});
  frame.resume();
}

Result<> Node::wait_for(const detail::Client& client) {
  if (!client.done && !client.lost && is_up()) impl_->run_until([&] { return client.done; });
  if (client.done) return {};
  if (client.lost || !is_up()) return fail(Code::unavailable, "the node went down before the answer came");
  return fail(Code::deadline_exceeded, "no answer within " + std::to_string(impl_->options.patience.count()) +
                                           " ms of virtual time" + impl_->who_is_busy());
}

bool Node::run_while_not(bool (*done)(void*), void* ctx) {
  if (!is_up()) {
    impl_->network.impl_->network.advance_to(impl_->down_ns);
    return done(ctx);
  }
  return impl_->run_until([&] { return done(ctx); });
}

Result<std::string> Node::result_json(std::string_view type, std::string_view key, std::string_view method,
                                      std::string_view json) {
  if (!is_up()) return fail(Code::unavailable, "the node is down");
  struct Answer : detail::Client {
    orbit_code code = ORBIT_OK;
    std::string text;
  };
  auto answer = std::make_shared<Answer>();
  Runtime& runtime = *impl_->life->runtime;
  runtime.post(static_cast<uint32_t>(impl_->random.below(impl_->options.workers)),
               [answer, type = std::string(type), key = std::string(key), method = std::string(method),
                json = std::string(json)] {
                 Runtime::api()->call_json(
                     to_c(type), to_c(key), to_c(method), to_c(json), 0,
                     [](void* ctx, orbit_code code, orbit_bytes text) {
                       const std::unique_ptr<std::shared_ptr<Answer>> owned(static_cast<std::shared_ptr<Answer>*>(ctx));
                       Answer& to = **owned;
                       to.code = code;
                       to.text = from_c(text);
                       to.done = true;
                     },
                     new std::shared_ptr<Answer>(answer));
               });
  if (Result<> waited = wait_for(*answer); !waited) return tl::unexpected<Error>(std::move(waited.error()));
  if (answer->code != ORBIT_OK) return fail(static_cast<Code>(answer->code), std::move(answer->text));
  return std::move(answer->text);
}

void Node::advance(std::chrono::milliseconds duration) {
  if (!is_up()) {
    impl_->down_ns += ns(duration);
    impl_->network.impl_->network.advance_to(impl_->down_ns);
    return;
  }
  impl_->begin();
  SimExecutor& executor = impl_->life->executor;
  const uint64_t end_ns = executor.monotonic_ns() + ns(duration);
  while (impl_->step_until(end_ns)) {
  }
  executor.advance(end_ns - executor.monotonic_ns());
  impl_->reap();
}

void Node::run_until_idle() {
  if (is_up()) return impl_->run_now();
  impl_->network.impl_->network.advance_to(impl_->down_ns);
}

bool Node::step() {
  if (!is_up()) return false;
  impl_->begin();
  return impl_->step_until(impl_->life->executor.monotonic_ns());
}

uint64_t Node::unix_ms() const noexcept { return kUnixStartMs + (impl_->now_ns() - kMonotonicStartNs) / 1'000'000; }

void Node::crash(Unsynced unsynced) {
  if (is_up()) impl_->crash(unsynced);
}

Result<> Node::stop() {
  if (!is_up()) return {};
  Result<> stopped = impl_->stop();
  if (stopped)
    impl_->end();
  else
    impl_->crash(Unsynced::kept);
  return stopped;
}

bool Node::is_active(std::string_view type, std::string_view key) {
  if (!is_up()) return false;
  bool found = false;
  for (uint32_t worker = 0; worker < impl_->options.workers; ++worker)
    impl_->life->runtime->scheduler(worker).table().for_each([&](const orbit_activation* a) {
      found = found || (a->stage == Stage::active && a->type->name == type && a->key() == key);
    });
  return found;
}

size_t Node::activations(std::string_view type) {
  if (!is_up()) return 0;
  size_t count = 0;
  for (uint32_t worker = 0; worker < impl_->options.workers; ++worker)
    impl_->life->runtime->scheduler(worker).table().for_each([&](const orbit_activation* a) {
      count += a->stage == Stage::active && (type.empty() ? a->type->name != ORBIT_STREAM_TYPE : a->type->name == type);
    });
  return count;
}

bool Node::deactivate(std::string_view type, std::string_view key) {
  if (!is_active(type, key)) return false;
  for (uint32_t worker = 0; worker < impl_->options.workers; ++worker)
    impl_->life->runtime->post(
        worker, [&runtime = *impl_->life->runtime, worker, type = std::string(type), key = std::string(key)] {
          runtime.scheduler(worker).leave_all(
              [&](const orbit_activation& a) { return a.actor != nullptr && a.type->name == type && a.key() == key; },
              ORBIT_DEACTIVATION_ASKED);
        });
  return impl_->run_until([&] { return !is_active(type, key); });
}

double Node::metric(std::string_view name) const {
  if (!is_up()) return 0;
  std::string text;
  impl_->life->runtime->append_metrics(text);
  text += impl_->life->metrics.render();
  double sum = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = std::string_view(text).substr(at, end - at);
    at = end + 1;
    if (!line.starts_with(name) || line.size() <= name.size() || (line[name.size()] != '{' && line[name.size()] != ' '))
      continue;
    sum += std::strtod(std::string(line.substr(line.rfind(' ') + 1)).c_str(), nullptr);
  }
  return sum;
}

uint64_t Node::trace_hash() const noexcept {
  return impl_->past * 31 + (is_up() ? impl_->life->executor.trace_hash() : 0);
}

}  // namespace orbit::testkit
