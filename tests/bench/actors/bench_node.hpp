// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A node without wires: the actor runtime on a real executor, with the benchmark's module loaded.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <orbit/testkit/plugin_file.hpp>
#include <string>
#include <vector>

#include "actor/runtime.hpp"
#include "bench.orbit.hpp"
#include "executor/asio_executor.hpp"

namespace orbit::bench {

// A storage engine: of a plugin file, or one that holds nothing, where the path of messages is what is measured.
class Engine {
 public:
  Engine();
  Engine(const char* plugin, const std::vector<testkit::Setting>& settings);

  const orbit_storage_v1* table = nullptr;
  const orbit_storage_cached_v1* cached = nullptr;
  void* self = nullptr;

 private:
  std::unique_ptr<testkit::PluginInstance> instance_;
};

class BenchNode {
 public:
  explicit BenchNode(uint32_t workers) : BenchNode(workers, Engine()) {}
  BenchNode(uint32_t workers, Engine engine);
  ~BenchNode();

  // Calls actors, the i-th from worker i, and waits for all their replies, as serialized messages.
  struct Call {
    const char* type;
    int64_t key;
    const char* method;
    std::string request;
  };
  std::vector<std::string> call(const std::vector<Call>& calls);

  // Drivers do that, each on a worker of its own.
  std::vector<::bench::Took> drive(const char* method, const ::bench::Plan& plan, uint32_t drivers = 1);
  // Sum over drivers, millions a second.
  double rate(const char* method, const ::bench::Plan& plan, uint32_t drivers = 1);

  // A key of that type whose actor lies on that worker, the first one from `from` on.
  int64_t key_on_worker(const char* type, uint32_t worker, int64_t from = 1);
  // Saves everything and has all actors of the type leave memory.
  void put_out(const char* type);

  kernel::Runtime& runtime() noexcept { return runtime_; }

 private:
  static kernel::RuntimeOptions options();

  Engine engine_;
  kernel::AsioExecutor executor_;
  kernel::Runtime runtime_;
};

// Bytes that are a message already.
extern const orbit_payload_ops kBytesOps;

}  // namespace orbit::bench
