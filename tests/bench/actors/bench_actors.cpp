// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Messages between typed actors of a loaded module, on a real executor. Prints medians; --json FILE writes them too.
//   bench_actors [--runs N] [--json FILE] [--only TEXT] [--actors N]
// --only: workloads whose name contains TEXT; --actors: how many actors random sends go to, instead of 100,000.
#include <dlfcn.h>
#include <malloc.h>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "actor/runtime.hpp"
#include "bench.orbit.hpp"
#include "executor/asio_executor.hpp"
#include "orbit/plugin.hpp"
#include "state/record_format.hpp"

namespace {

using namespace orbit::kernel;

// Storage that holds nothing: what is measured is the path of messages.
const orbit_storage_v1 kNothing = {
    sizeof(orbit_storage_v1), 0,
    [](void*, orbit_snapshot*, orbit_bytes, orbit_sink, orbit_error*) -> orbit_code { return ORBIT_NOT_FOUND; },
    nullptr,
    [](void*, orbit_snapshot*, orbit_bytes, orbit_bytes, int, orbit_visit_entry, void*, orbit_error*) -> orbit_code { return ORBIT_OK; },
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

[[noreturn]] void die(const std::string& why) {
  std::fprintf(stderr, "bench_actors: %s\n", why.c_str());
  std::exit(1);
}

class Node {
 public:
  explicit Node(uint32_t workers)
      : executor_({.workers = workers, .pin_workers = true, .spin_us = 50}), runtime_(executor_, options(), &kNothing, &kNothingCached, nullptr) {
    void* library = dlopen(BENCH_MODULE, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) die(dlerror());
    const auto entry = reinterpret_cast<orbit_plugin_entry>(dlsym(library, ORBIT_PLUGIN_SYMBOL));
    const orbit_plugin_descriptor* descriptor = entry();
    const orbit_config config{sizeof config, 0, nullptr, "bench"};
    orbit_plugin_instance* instance = nullptr;
    orbit::ErrorOut error;
    if (descriptor->create(&kHost, &config, &instance, &error) != ORBIT_OK) die(error.message);
    const auto* types = static_cast<const orbit_actor_types_v1*>(instance->get_extension(instance->self, ORBIT_ACTOR_TYPES_V1));
    if (auto published = runtime_.publish_module("bench", "1", BENCH_MODULE, {types->types, types->count}); !published)
      die(published.error().message);
    executor_.start();
  }
  ~Node() { executor_.stop(); }

  // Calls a driver whose activation lies on that worker, and waits.
  std::vector<bench::Took> drive(const char* method, const bench::Plan& plan, uint32_t drivers) {
    std::vector<bench::Took> out;
    Wait wait;
    wait.left = drivers;
    for (uint32_t i = 0; i < drivers; ++i) {
      runtime_.post(i, [this, method, plan, i, &wait] {
        const orbit_actors_v1* api = Runtime::api();
        orbit_envelope* envelope = api->allocate();
        const std::string key = key_on_worker(i);
        envelope->type = api->type("bench.Driver");
        envelope->key = orbit::to_c(key);
        envelope->method = orbit_method_id(method, std::strlen(method));
        bench::Plan mine = plan;
        mine.set_seed(i + 1);
        envelope->payload = new std::string(mine.SerializeAsString());
        envelope->ops = &kPlanOps;
        envelope->reply_ctx = &wait;
        envelope->on_reply = [](void* ctx, orbit_envelope* reply) {
          auto* to = static_cast<Wait*>(ctx);
          if (reply->code != ORBIT_OK) die(reply->message);
          std::string bytes;
          reply->ops->serialize(reply->payload, {&bytes, [](void* text, orbit_bytes part) {
                                                   static_cast<std::string*>(text)->append(part.data, part.size);
                                                 }});
          Runtime::api()->free_envelope(reply);
          const std::lock_guard lock(to->mutex);
          to->took.emplace_back().ParseFromString(bytes);
          --to->left;
          to->changed.notify_all();
        };
        api->send(envelope, nullptr);
      });
    }
    std::unique_lock lock(wait.mutex);
    wait.changed.wait(lock, [&wait] { return wait.left == 0; });
    return wait.took;
  }

 private:
  struct Wait {
    std::mutex mutex;
    std::condition_variable changed;
    uint32_t left = 0;
    std::vector<bench::Took> took;
  };
  static constexpr char kToken = 0;
  static constexpr orbit_payload_ops kPlanOps = {
      sizeof(orbit_payload_ops), 0, &kToken,
      [](const void* object, orbit_sink sink) -> orbit_code {
        sink.append(sink.ctx, orbit::to_c(*static_cast<const std::string*>(object)));
        return ORBIT_OK;
      },
      nullptr, [](void* object) { delete static_cast<std::string*>(object); }};

  static RuntimeOptions options() {
    RuntimeOptions out;
    out.memory_bytes_max = 16ull << 30;
    out.activations_max = 20'000'000;
    return out;
  }

  // Drivers and their first sink must lie on one worker: look for a key where both do.
  std::string key_on_worker(uint32_t worker) {
    const orbit_type* driver = runtime_.types().type("bench.Driver");
    const orbit_type* sink = runtime_.types().type("bench.Sink");
    for (int64_t key = 1;; ++key) {
      const auto lies = [this](const orbit_type* type, const std::string& text) {
        return runtime_.worker_of(ActivationTable::mix(type, key_hash(text)));
      };
      if (lies(driver, std::to_string(key)) == worker && lies(sink, std::to_string(key * 1000)) == worker) return std::to_string(key);
    }
  }

  AsioExecutor executor_;
  Runtime runtime_;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

struct Workload {
  const char* name;
  const char* method;
  uint32_t workers;
  int64_t messages;
  int64_t batch;
  int64_t actors;
};

}  // namespace

int main(int argc, char** argv) {
  int runs = 5;
  const char* json = nullptr;
  const char* only = "";
  int64_t actors = 100'000;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--runs") == 0) runs = std::max(1, std::atoi(argv[i + 1]));
    if (std::strcmp(argv[i], "--json") == 0) json = argv[i + 1];
    if (std::strcmp(argv[i], "--only") == 0) only = argv[i + 1];
    if (std::strcmp(argv[i], "--actors") == 0) actors = std::max(1, std::atoi(argv[i + 1]));
  }
  const Workload workloads[] = {
      {"one-way, 1 sender, 1 receiver, batches of 1000", "OneWay", 1, 10'000'000, 1000, 1},
      {"request and reply, one in flight", "RequestReply", 1, 5'000'000, 1, 1},
      {"random sends over many actors", "Random", 1, 5'000'000, 1000, actors},
      {"random sends over many actors, 2 workers", "Random", 2, 5'000'000, 1000, std::max<int64_t>(actors / 2, 1)},
  };
  std::map<std::string, double> figures;
  std::printf("%-50s %12s %10s\n", "workload (median of runs)", "M messages/s", "ns each");
  for (const Workload& workload : workloads) {
    if (std::strstr(workload.name, only) == nullptr) continue;
    Node node(workload.workers);
    bench::Plan plan;
    plan.set_messages(workload.messages);
    plan.set_batch(workload.batch);
    plan.set_actors(workload.actors);
    std::vector<double> rates;
    for (int run = 0; run < runs; ++run) {
      double rate = 0;
      for (const bench::Took& took : node.drive(workload.method, plan, workload.workers))
        rate += static_cast<double>(took.messages()) * 1e3 / static_cast<double>(took.nanoseconds());
      rates.push_back(rate);
    }
    const double rate = median(rates);
    figures[workload.name] = rate;
    std::printf("%-50s %12.2f %10.1f\n", workload.name, rate, 1e3 / rate);
    std::fflush(stdout);
  }
  if (std::strstr("idle activation", only) != nullptr) {
    constexpr int64_t kActors = 1'000'000;
    Node node(1);
    bench::Plan plan;
    plan.set_messages(0);
    plan.set_batch(1);
    plan.set_actors(1000);
    node.drive("Random", plan, 1);
    malloc_trim(0);
    const size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    plan.set_actors(kActors);
    node.drive("Random", plan, 1);
    malloc_trim(0);
    const size_t after = mallinfo2().uordblks + mallinfo2().hblkhd;
    const double each = static_cast<double>(after - before) / static_cast<double>(kActors);
    figures["bytes of an idle activation with its (empty) actor object"] = each;
    std::printf("%-50s %12.0f bytes\n", "idle activation with its actor object", each);
  }
  if (json != nullptr) {
    std::FILE* file = std::fopen(json, "w");
    if (file == nullptr) die(std::string("cannot write ") + json);
    const char* separator = "{\n";
    for (const auto& [name, value] : figures) {
      std::fprintf(file, "%s  \"%s\": %.3f", separator, name.c_str(), value);
      separator = ",\n";
    }
    std::fprintf(file, "\n}\n");
    std::fclose(file);
  }
  return 0;
}
