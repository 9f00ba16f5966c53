// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "bench_node.hpp"

#include <dlfcn.h>

#include <cstring>
#include <thread>

#include "orbit/plugin.hpp"
#include "sides.hpp"
#include "state/record_format.hpp"

namespace orbit::bench {

using namespace orbit::kernel;

namespace {

const orbit_storage_v1 kNothing = {
    sizeof(orbit_storage_v1),
    0,
    [](void*, orbit_snapshot*, orbit_bytes, orbit_sink, orbit_error*) -> orbit_code { return ORBIT_NOT_FOUND; },
    nullptr,
    [](void*, orbit_snapshot*, orbit_bytes, orbit_bytes, int, orbit_visit_entry, void*, orbit_error*) -> orbit_code {
      return ORBIT_OK;
    },
    [](void*, const orbit_write_op*, size_t, int, orbit_error*) -> orbit_code { return ORBIT_OK; },
    [](void*, orbit_error*) -> orbit_code { return ORBIT_OK; },
    [](void*, orbit_error*) -> orbit_code { return ORBIT_OK; },
    [](void*) -> uint64_t { return 0; },
};
const orbit_storage_cached_v1 kNothingCached = {
    sizeof(orbit_storage_cached_v1), 0,
    [](void*, orbit_bytes, orbit_sink, orbit_error*) -> orbit_code { return ORBIT_NOT_FOUND; }};

const orbit_host kHost = {sizeof(orbit_host), ORBIT_ABI_MAJOR, ORBIT_ABI_MINOR,
                          [](const orbit_host*, const char* id) -> const void* {
                            return std::strcmp(id, ORBIT_ACTORS_V1) == 0 ? Runtime::api() : nullptr;
                          }};

constexpr char kToken = 0;

// Replies that somebody waits for.
struct Replies {
  std::mutex mutex;
  std::condition_variable changed;
  size_t left = 0;
  std::vector<std::string> bytes;
};
struct Expected {
  Replies* replies;
  size_t index;
};

void take_reply(void* ctx, orbit_envelope* reply) {
  const std::unique_ptr<Expected> expected(static_cast<Expected*>(ctx));
  if (reply->code != ORBIT_OK) die(reply->message);
  std::string bytes;
  if (reply->ops != nullptr)  // one-way methods answer nothing
    reply->ops->serialize(reply->payload, {&bytes, [](void* text, orbit_bytes part) {
                                             static_cast<std::string*>(text)->append(part.data, part.size);
                                           }});
  Runtime::api()->free_envelope(reply);
  Replies& replies = *expected->replies;
  const std::lock_guard lock(replies.mutex);
  replies.bytes[expected->index] = std::move(bytes);
  --replies.left;
  replies.changed.notify_all();
}

}  // namespace

const orbit_payload_ops kBytesOps = {sizeof(orbit_payload_ops),
                                     0,
                                     &kToken,
                                     [](const void* object, orbit_sink sink) -> orbit_code {
                                       sink.append(sink.ctx, to_c(Bytes(*static_cast<const std::string*>(object))));
                                       return ORBIT_OK;
                                     },
                                     nullptr,
                                     [](void* object) { delete static_cast<std::string*>(object); }};

Engine::Engine() : table(&kNothing), cached(&kNothingCached) {}

Engine::Engine(const char* plugin, const std::vector<testkit::Setting>& settings) {
  const auto file = testkit::PluginFile::load(plugin);
  if (!file) die(file.error().message);
  auto made = file->create(settings);
  if (!made) die(made.error().message);
  instance_ = std::move(*made);
  self = instance_->raw().self;
  table = static_cast<const orbit_storage_v1*>(instance_->raw().get_extension(self, ORBIT_STORAGE_V1));
  cached = static_cast<const orbit_storage_cached_v1*>(instance_->raw().get_extension(self, ORBIT_STORAGE_CACHED_V1));
}

RuntimeOptions BenchNode::options() {
  RuntimeOptions out;
  out.memory_bytes_max = 16ull << 30;
  out.activations_max = 20'000'000;
  return out;
}

BenchNode::BenchNode(uint32_t workers, Engine engine)
    : engine_(std::move(engine)),
      executor_({.workers = workers, .pin_workers = true, .spin_us = 50}),
      runtime_(executor_, options(), {kernel::Engine{"bench", engine_.table, engine_.cached, engine_.self}}) {
  void* library = dlopen(BENCH_MODULE, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) die(dlerror());
  const auto entry = reinterpret_cast<orbit_plugin_entry>(dlsym(library, ORBIT_PLUGIN_SYMBOL));
  const orbit_plugin_descriptor* descriptor = entry();
  const orbit_config config{sizeof config, 0, nullptr, "bench"};
  orbit_plugin_instance* instance = nullptr;
  ErrorOut error;
  if (descriptor->create(&kHost, &config, &instance, &error) != ORBIT_OK) die(error.message);
  const auto* types =
      static_cast<const orbit_actor_types_v1*>(instance->get_extension(instance->self, ORBIT_ACTOR_TYPES_V1));
  if (auto published = runtime_.publish_module("bench", "1", BENCH_MODULE, {types->types, types->count}); !published)
    die(published.error().message);
  executor_.start();
}

BenchNode::~BenchNode() { executor_.stop(); }

std::vector<std::string> BenchNode::call(const std::vector<Call>& calls) {
  Replies replies;
  replies.left = calls.size();
  replies.bytes.resize(calls.size());
  for (uint32_t i = 0; i < calls.size(); ++i) {
    runtime_.post(i % runtime_.workers(), [&call = calls[i], &replies, i] {
      const orbit_actors_v1* api = Runtime::api();
      orbit_envelope* envelope = api->allocate();
      const std::string key = std::to_string(call.key);
      envelope->type = api->type(call.type);
      envelope->key = to_c(Bytes(key));
      envelope->method = orbit_method_id(call.method, std::strlen(call.method));
      envelope->payload = new std::string(call.request);
      envelope->ops = &kBytesOps;
      envelope->reply_ctx = new Expected{&replies, i};
      envelope->on_reply = &take_reply;
      api->send(envelope, nullptr);
    });
  }
  std::unique_lock lock(replies.mutex);
  replies.changed.wait(lock, [&replies] { return replies.left == 0; });
  return std::move(replies.bytes);
}

std::vector<::bench::Took> BenchNode::drive(const char* method, const ::bench::Plan& plan, uint32_t drivers) {
  std::vector<Call> calls;
  for (uint32_t i = 0; i < drivers; ++i) {
    ::bench::Plan its = plan;
    its.set_seed(i + 1);
    // The driver and its first sink lie on one worker.
    int64_t key = key_on_worker("bench.Driver", i);
    while (key_on_worker("bench.Sink", i, key * 1000) != key * 1000) key = key_on_worker("bench.Driver", i, key + 1);
    calls.push_back({"bench.Driver", key, method, its.SerializeAsString()});
  }
  std::vector<::bench::Took> took;
  for (const std::string& reply : call(calls)) took.emplace_back().ParseFromString(reply);
  return took;
}

double BenchNode::rate(const char* method, const ::bench::Plan& plan, uint32_t drivers) {
  double sum = 0;
  for (const ::bench::Took& took : drive(method, plan, drivers))
    sum += static_cast<double>(took.messages()) * 1e3 / static_cast<double>(took.nanoseconds());
  return sum;
}

int64_t BenchNode::key_on_worker(const char* type, uint32_t worker, int64_t from) {
  const orbit_type* handle = runtime_.types().type(type);
  for (int64_t key = from;; ++key)
    if (runtime_.worker_of(ActivationTable::mix(handle, key_hash(std::to_string(key)))) == worker) return key;
}

void BenchNode::put_out(const char* type) {
  if (const auto report = runtime_.flush(60'000); !report.error.empty()) die(report.error);
  const orbit_type* handle = runtime_.types().type(type);
  for (uint32_t worker = 0; worker < runtime_.workers(); ++worker) {
    runtime_.post(worker, [this, worker, handle] {
      runtime_.scheduler(worker).leave_all([handle](const orbit_activation& a) { return a.type == handle; },
                                           ORBIT_DEACTIVATION_ASKED);
    });
  }
  // The drivers stay.
  while (runtime_.activations() > runtime_.workers()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
}

}  // namespace orbit::bench
