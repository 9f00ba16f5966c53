// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The actor runtime of a node: its types and modules, one scheduler per worker, and the orbit.actors/1 table.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "actor/erasing.hpp"
#include "actor/scheduler.hpp"
#include "actor/types.hpp"
#include "executor/executor.hpp"
#include "observe/log.hpp"
#include "orbit/ext/actors.h"
#include "orbit/ext/storage.h"
#include "state/committer.hpp"

namespace orbit::kernel {

struct RuntimeOptions {
  Logger* logger = nullptr;                        // may be null
  TypeDefaults types;
  uint64_t activations_max = 4'000'000;            // of the node; divided among the workers
  uint64_t memory_bytes_max = 4ull << 30;          // of the node: actors in memory
  uint32_t loads_max = 128;                        // per worker
  uint64_t load_bytes_max = 512ull << 20;          // most bytes of one actor's records
  uint64_t due_rest_ms = 5;                        // between two looks at what is due: how exact a due time is kept
  uint64_t due_look_ms = 1000;                     // looks at the clock at least so often while something waits: clocks jump
  uint64_t slow_turn_ms = 0;                       // see TurnWatch; 0: none is looked for
  bool threads_are_fixed = true;                   // false for a simulated executor, whose workers share a thread
};

class DueIndex;
class Indexes;
class Runtime;
class TurnWatch;
class UniqueClaims;

// A storage instance, and what the kernel keeps for it. A failing one hurts only the types that it has.
struct Store {
  Store(Runtime& runtime, Executor& executor, uint32_t its_number, Engine engine);
  ~Store();
  const uint32_t number;
  Committer committer;
  const std::unique_ptr<DueIndex> due;
  // Of the instance in use; a migration changes it.
  const std::string& name() const noexcept { return committer.engine().name; }
};

// One per process at a time. Made before the executor starts (it attaches a scheduler to every worker).
class Runtime {
 public:
  // Which storage (its number) has the actors of a type; the same name has the same answer. [any thread]
  using Route = std::function<uint32_t(std::string_view type)>;
  // The engines, 1 to kStoresMax, must outlive the runtime. No route: the first has all.
  Runtime(Executor& executor, RuntimeOptions options, std::vector<Engine> engines, Route route = {});
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  // The host's orbit.actors/1.
  static const orbit_actors_v1* api() noexcept;

  // ---- modules; one call at a time ------------------------------------------------------------------------------------
  // Puts a module's types into service. If a module of that name is in service its activations are saved and leave; their
  // waiting messages go to the new version. [any thread that may post]
  Result<> publish_module(const std::string& name, const std::string& version, const std::string& file,
                          std::span<const orbit_actor_type* const> types);
  Result<> retire_module(const std::string& name, bool hide = false);  // hide: as TypeRegistry::retire

  // The plugins that see every call. Before the executor has started.
  void set_filters(std::vector<CallFilter> filters);
  // After the executor has started.
  void start();
  struct DrainReport {
    bool complete = false;  // everything was at rest and is saved
    size_t busy = 0;        // activations that were not at rest
    std::string error;
  };
  // Saves what turns have changed so far; their replies are on their way when it returns. [a thread that is no worker]
  DrainReport flush(uint64_t timeout_ms);
  // The same without waiting: `done` is called on the worker that is the last to be done.
  void begin_flush(std::function<void(const DrainReport&)> done);
  // Ends timers and what is due, and has the actors leave that want to be told of it: before the flushes of a stop.
  void begin_drain();
  // That, and then flushes until no turn runs and nothing is unsaved. New calls must have ended. [a thread that is no worker]
  DrainReport drain(uint64_t timeout_ms);

  // ---- introspection ----------------------------------------------------------------------------------------------------
  std::string modules_json() const;
  std::string types_json() const;
  std::string workers_json() const;
  uint64_t activations() const noexcept;
  uint64_t memory_bytes() const noexcept;
  // Answer on the calling worker, see orbit.node/1. [worker]
  using Done = std::function<void(orbit_code, const std::string& json)>;
  void activations_json(std::string type, std::string cursor, size_t limit, Done done);
  void activation_json(std::string type, std::string key, Done done);
  void deactivate(std::string type, std::string key, Done done);
  // Prometheus text of the kernel's own figures.
  void append_metrics(std::string& text) const;

  // ---- for the parts of the kernel ----------------------------------------------------------------------------------------
  Executor& executor() noexcept { return executor_; }
  const std::vector<std::unique_ptr<Store>>& stores() const noexcept { return stores_; }
  Store& store(uint32_t number) noexcept { return *stores_[number]; }
  uint32_t route(std::string_view type) const { return route_(type); }
  Store& store_of(const orbit_type& type) noexcept { return *stores_[route_(type.name)]; }
  Stores stores_of(const orbit_type& type) const noexcept { return Stores{1} << route_(type.name); }
  // False while one of them refuses writes.
  bool writable() const noexcept;
  TypeRegistry& types() noexcept { return types_; }
  Indexes& indexes() noexcept { return *indexes_; }
  UniqueClaims& claims() noexcept { return *claims_; }
  EnvelopeMemory& envelope_memory() noexcept { return envelope_memory_; }
  TurnWatch& turn_watch() noexcept { return *turn_watch_; }
  ErasingTurns& erasing_turns() noexcept { return erasing_turns_; }
  Scheduler& scheduler(uint32_t worker) noexcept { return *schedulers_[worker]; }
  uint32_t workers() const noexcept { return static_cast<uint32_t>(schedulers_.size()); }
  uint32_t worker_of(uint64_t mixed) const noexcept {
    return static_cast<uint32_t>(((mixed >> 32) * schedulers_.size()) >> 32);
  }
  uint32_t mailbox_max() const noexcept { return options_.types.mailbox_max; }
  const RuntimeOptions& options() const noexcept { return options_; }
  // Runs function on that worker. For what is not on the path of a message: it allocates. [any thread]
  void post(uint32_t worker, std::function<void()> function);
  // Runs function on every worker, then `then` on `worker`, which must be the caller's.
  void on_all_workers(uint32_t worker, std::function<void(Scheduler&, std::function<void()> done)> function,
                      std::function<void()> then);
  // Runs `then` on `worker`, the caller's, when all that was changed so far is in these storages.
  void flush_everywhere(uint32_t worker, Stores stores, std::function<void()> then);

 private:
  void leave_changed(const std::vector<orbit_type*>& changed);

  EnvelopeMemory envelope_memory_;
  Executor& executor_;
  RuntimeOptions options_;
  const Route route_;
  TypeRegistry types_;
  std::vector<std::unique_ptr<Store>> stores_;
  std::vector<std::unique_ptr<Scheduler>> schedulers_;
  std::vector<CallFilter> filters_;
  std::unique_ptr<Indexes> indexes_;
  std::unique_ptr<UniqueClaims> claims_;
  std::unique_ptr<TurnWatch> turn_watch_;
  ErasingTurns erasing_turns_;
};

// The runtime of this process, or null.
Runtime* this_runtime() noexcept;

}  // namespace orbit::kernel
