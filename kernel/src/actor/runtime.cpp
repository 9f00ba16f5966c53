// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "actor/runtime.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>

#include "actor/due_index.hpp"
#include "actor/index_query.hpp"
#include "actor/indexes.hpp"
#include "actor/json_call.hpp"
#include "actor/listing.hpp"
#include "actor/state_read.hpp"
#include "actor/turn_watch.hpp"
#include "actor/unique_claims.hpp"
#include "state/record_format.hpp"

namespace orbit::kernel {

namespace {

Runtime* the_runtime = nullptr;
thread_local Scheduler* thread_scheduler = nullptr;

// Apart from what happens each time, whose registers it leaves alone.
[[gnu::cold, gnu::noinline, clang::preserve_most]] Scheduler* find_scheduler() noexcept {
  if (the_runtime == nullptr) return nullptr;
  const uint32_t worker = the_runtime->executor().current();
  if (worker == kNoWorker) return nullptr;
  Scheduler* scheduler = &the_runtime->scheduler(worker);
  if (the_runtime->options().threads_are_fixed) thread_scheduler = scheduler;
  return scheduler;
}

[[gnu::cold, gnu::noinline]] int first_send_known(orbit_envelope* envelope, uint64_t* hint) noexcept {
  return find_scheduler()->send_known(envelope, hint);
}

struct FunctionJob : Job {
  std::function<void()> function;
};

const orbit_actors_v1 kApi = {
    .struct_size = sizeof(orbit_actors_v1),
    .reserved = 0,
    .type = [](const char* name) -> const orbit_type* { return the_runtime->types().type(name); },
    .allocate = []() -> orbit_envelope* {
      Scheduler* scheduler = this_scheduler();
      return scheduler != nullptr ? scheduler->allocate() : nullptr;
    },
    .send = [](orbit_envelope* envelope, uint64_t* hint) { this_scheduler()->send(envelope, hint); },
    .free_envelope = [](orbit_envelope* envelope) { this_scheduler()->free_envelope(envelope); },
    .fail = [](orbit_envelope* envelope, orbit_code code, orbit_bytes message) {
      set_error(envelope, code, from_c(message));
    },
    .finish = [](orbit_activation* activation, orbit_envelope* envelope) { this_scheduler()->finish(activation, envelope); },
    .current = []() -> orbit_activation* {
      Scheduler* scheduler = this_scheduler();
      return scheduler != nullptr ? scheduler->current() : nullptr;
    },
    .deactivate_when_idle = [](orbit_activation* activation) { this_scheduler()->leave(activation, ORBIT_DEACTIVATION_ASKED); },
    .hold = [](const orbit_actor_ref* refs, size_t count, uint64_t deadline_ns, orbit_hold_granted granted,
               void* ctx) { this_scheduler()->hold(refs, count, deadline_ns, granted, ctx); },
    .release = [](orbit_hold* hold, const uint8_t* dirty, orbit_hold_committed committed,
                  void* ctx) { this_scheduler()->release(hold, dirty, committed, ctx); },
    .list = &list_actors,
    .count = &count_actors,
    .erase_all = &erase_all_actors,
    .call_json = [](orbit_bytes type, orbit_bytes key, orbit_bytes method, orbit_bytes json, uint64_t deadline_ns,
                    void (*done)(void*, orbit_code, orbit_bytes),
                    void* ctx) { start_json(type, key, method, json, deadline_ns, nullptr, 0, done, ctx); },
    .writable = [](orbit_error* error) -> orbit_code {
      const Scheduler* scheduler = this_scheduler();
      const Store* its = scheduler != nullptr ? scheduler->store_at_hand() : nullptr;
      for (const auto& store : the_runtime->stores()) {
        if (its != nullptr && its != store.get()) continue;
        if (!store->committer.writable()) [[unlikely]]
          return to_c(Code::unavailable, store->committer.reason(), error);
      }
      return ORBIT_OK;
    },
    .cancel = [](orbit_envelope* call) { this_scheduler()->cancel(call); },
    .cancelled = []() -> int {
      const Scheduler* scheduler = this_scheduler();
      return scheduler != nullptr && scheduler->turn() != nullptr && (scheduler->turn()->flags & kCancelled) != 0;
    },
    .deadline_ns = []() -> uint64_t {
      const Scheduler* scheduler = this_scheduler();
      return scheduler != nullptr && scheduler->turn() != nullptr ? scheduler->turn()->deadline_ns : 0;
    },
    .turn = []() -> const void* {
      const Scheduler* scheduler = this_scheduler();
      return scheduler != nullptr ? scheduler->turn() : nullptr;
    },
    .start_json = &start_json,
    .set_context = [](orbit_envelope* call, orbit_bytes name, orbit_bytes value, orbit_error* error) -> orbit_code {
      return this_scheduler()->set_context(call, from_c(name), from_c(value), error);
    },
    .context = [](orbit_bytes name, orbit_bytes* value) -> int {
      const Scheduler* scheduler = this_scheduler();
      const Context* context = scheduler != nullptr ? Context::of(scheduler->turn()) : nullptr;
      const std::string* found = context != nullptr ? context->find(from_c(name)) : nullptr;
      if (found != nullptr) *value = to_c(Bytes(*found));
      return found != nullptr;
    },
    .delay_deactivation = [](orbit_activation* activation, uint64_t duration_ms) {
      this_scheduler()->stay(activation, std::min<uint64_t>(duration_ms, ORBIT_DELAY_DEACTIVATION_MS_MAX) * 1'000'000);
    },
    .start_timer = [](orbit_activation* activation, uint64_t due_ms, uint64_t period_ms, uint64_t cookie, uint32_t flags,
                      uint64_t* timer, orbit_error* error) -> orbit_code {
      const auto started = this_scheduler()->timers().start(activation, due_ms, period_ms, cookie, flags);
      if (!started) return to_c(started.error(), error);
      *timer = *started;
      return ORBIT_OK;
    },
    .cancel_timer = [](orbit_activation* activation, uint64_t timer) -> int {
      return this_scheduler()->timers().cancel(activation, timer) ? 1 : 0;
    },
    .counts = &count_actors_of_types,
    .main_record = [](orbit_activation*, orbit_main_record* out) { this_scheduler()->main_record(out); },
    .save = [](orbit_activation* activation, void (*done)(void*, orbit_code, const char*),
               void* ctx) { this_scheduler()->save(activation, done, ctx); },
    .read = [](orbit_activation* activation, orbit_bytes from, orbit_bytes to, size_t records_max, size_t bytes_max,
               void (*done)(void*, const orbit_record*, size_t, int, orbit_code, const char*),
               void* ctx) { this_scheduler()->read(activation, from_c(from), from_c(to), records_max, bytes_max, done, ctx); },
    .claim = [](orbit_activation* activation, const orbit_index_entry* entries, size_t count,
                void (*done)(void*, orbit_code, const char*),
                void* ctx) { this_scheduler()->claim(activation, entries, count, done, ctx); },
    .query = &query_index,
    .query_json = &query_index_json,
    .version = [](const orbit_envelope* reply) -> uint64_t { return reply->hash; },
    .state = &read_state,
    .keep = [](orbit_hold* hold) { this_scheduler()->keep(hold); },
    .hash = [](orbit_bytes key) -> uint64_t { return key_hash(from_c(key)); },
    .send_known = [](orbit_envelope* envelope, uint64_t* hint) -> int {
      if (thread_scheduler == nullptr) [[unlikely]] return first_send_known(envelope, hint);
      return thread_scheduler->send_known(envelope, hint);
    },
};

}  // namespace

Runtime* this_runtime() noexcept { return the_runtime; }

Scheduler* this_scheduler() noexcept {
  if (thread_scheduler != nullptr) [[likely]] return thread_scheduler;
  return find_scheduler();
}

Store::Store(Runtime& runtime, Executor& executor, uint32_t its_number, Engine engine)
    : number(its_number),
      committer(executor, std::move(engine), runtime.options().logger),
      due(std::make_unique<DueIndex>(runtime, *this)) {}

Store::~Store() = default;

Runtime::Runtime(Executor& executor, RuntimeOptions options, std::vector<Engine> engines, Route route)
    : executor_(executor),
      options_(options),
      route_(route ? std::move(route) : [](std::string_view) { return 0u; }),
      types_(options.types, route_) {
  the_runtime = this;
  for (Engine& engine : engines)
    stores_.push_back(std::make_unique<Store>(*this, executor, static_cast<uint32_t>(stores_.size()), std::move(engine)));
  const uint32_t workers = executor.workers();
  SchedulerLimits limits;
  limits.activations_max = std::max<uint64_t>(options_.activations_max / workers, 1);
  limits.memory_bytes_max = std::max<uint64_t>(options_.memory_bytes_max / workers, 1 << 20);
  limits.loads_max = options_.loads_max;
  limits.load_bytes_max = options_.load_bytes_max;
  schedulers_.reserve(workers);
  for (uint32_t worker = 0; worker < workers; ++worker) {
    schedulers_.push_back(std::make_unique<Scheduler>(*this, worker, limits));
    executor.attach(worker, schedulers_.back().get());
  }
  indexes_ = std::make_unique<Indexes>(*this);
  claims_ = std::make_unique<UniqueClaims>(*this);
  turn_watch_ = std::make_unique<TurnWatch>(*this, options_.slow_turn_ms, options_.logger);
}

Runtime::~Runtime() { the_runtime = nullptr; }

const orbit_actors_v1* Runtime::api() noexcept { return &kApi; }

void Runtime::post(uint32_t worker, std::function<void()> function) {
  auto* job = new FunctionJob;
  job->function = std::move(function);
  job->run = [](Job* raw) noexcept {
    const std::unique_ptr<FunctionJob> owned(static_cast<FunctionJob*>(raw));
    owned->function();
  };
  executor_.post(worker, job, job);
}

void Runtime::on_all_workers(uint32_t home, std::function<void(Scheduler&, std::function<void()>)> function,
                             std::function<void()> then) {
  struct Round {
    uint32_t left;
    std::function<void()> then;
  };
  auto round = std::make_shared<Round>(Round{workers(), std::move(then)});
  for (uint32_t worker = 0; worker < workers(); ++worker) {
    post(worker, [this, worker, home, function, round] {
      function(scheduler(worker), [this, home, round] {
        post(home, [round] {
          if (--round->left == 0) round->then();
        });
      });
    });
  }
}

void Runtime::flush_everywhere(uint32_t worker, Stores stores, std::function<void()> then) {
  on_all_workers(
      worker,
      [stores](Scheduler& scheduler, std::function<void()> flushed) {
        scheduler.flush(stores, [flushed](orbit_code, const std::string&) { flushed(); });
      },
      std::move(then));
}

bool Runtime::writable() const noexcept {
  return std::all_of(stores_.begin(), stores_.end(), [](const auto& store) { return store->committer.writable(); });
}

void Runtime::start() {
  for (const auto& store : stores_) post(0, [&due = *store->due] { due.start(); });
}

Result<> Runtime::publish_module(const std::string& name, const std::string& version, const std::string& file,
                                 std::span<const orbit_actor_type* const> types) {
  auto changed = types_.publish(name, version, file, types);
  if (!changed) return tl::unexpected<Error>(changed.error());
  leave_changed(*changed);
  for (const auto& store : stores_) store->due->types_changed();
  indexes_->types_changed(*changed);
  return {};
}

Result<> Runtime::retire_module(const std::string& name, bool hide) {
  auto changed = types_.retire(name, hide);
  if (!changed) return tl::unexpected<Error>(changed.error());
  leave_changed(*changed);
  return {};
}

void Runtime::leave_changed(const std::vector<orbit_type*>& changed) {
  for (uint32_t worker = 0; worker < workers(); ++worker) {
    post(worker, [this, worker, changed] {
      scheduler(worker).forget_failures();
      scheduler(worker).leave_all([&changed](const orbit_activation& a) {
        return a.actor != nullptr && a.version != a.type->current.load(std::memory_order_acquire) &&
               std::find(changed.begin(), changed.end(), a.type) != changed.end();
      }, ORBIT_DEACTIVATION_UPGRADE);
    });
  }
}

void Runtime::begin_flush(std::function<void(const DrainReport&)> done) {
  struct Round {
    std::mutex mutex;
    uint32_t left = 0;
    uint32_t quiet = 0;
    DrainReport report;
    std::function<void(const DrainReport&)> done;
  };
  auto round = std::make_shared<Round>();
  round->left = workers();
  round->done = std::move(done);
  for (uint32_t worker = 0; worker < workers(); ++worker) {
    post(worker, [this, worker, round] {
      Scheduler& its = scheduler(worker);
      size_t busy = 0;
      its.table().for_each([&busy](const orbit_activation* a) { busy += a->current != nullptr || !a->mailbox.empty(); });
      const bool quiet = busy == 0 && its.quiet();
      its.flush(kAllStores, [round, busy, quiet, all = workers()](orbit_code code, const std::string& message) {
        {
          const std::lock_guard lock(round->mutex);
          if (code != ORBIT_OK) round->report.error = message;
          round->report.busy += busy;
          round->quiet += quiet;
          if (--round->left != 0) return;
        }
        round->report.complete = round->quiet == all && round->report.error.empty();
        round->done(round->report);
      });
    });
  }
}

Runtime::DrainReport Runtime::flush(uint64_t timeout_ms) {
  struct Wait {
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<DrainReport> report;
  };
  auto wait = std::make_shared<Wait>();
  begin_flush([wait](const DrainReport& report) {
    const std::lock_guard lock(wait->mutex);
    wait->report = report;
    wait->changed.notify_all();
  });
  std::unique_lock lock(wait->mutex);
  if (wait->changed.wait_for(lock, std::chrono::milliseconds(timeout_ms), [&wait] { return wait->report.has_value(); }))
    return *wait->report;
  DrainReport report;
  report.error = "the workers did not answer in time";
  for (const auto& store : stores_)
    if (!store->committer.writable()) report.error = "storage '" + store->name() + "': " + store->committer.reason();
  return report;
}

void Runtime::begin_drain() {
  // What is due from here on is for the next start.
  for (const auto& store : stores_) store->due->stop();
  for (uint32_t worker = 0; worker < workers(); ++worker) post(worker, [this, worker] { scheduler(worker).timers().stop(); });
  for (uint32_t worker = 0; worker < workers(); ++worker) {
    post(worker, [this, worker] {
      scheduler(worker).leave_all(
          [](const orbit_activation& a) { return a.actor != nullptr && a.version->deactivating != nullptr; },
          ORBIT_DEACTIVATION_SHUTDOWN);
    });
  }
}

Runtime::DrainReport Runtime::drain(uint64_t timeout_ms) {
  begin_drain();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  DrainReport report;
  // Turns that still run may change state after a flush: repeat until a round finds everybody quiet.
  while (!report.complete) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    if (left <= 0) break;
    report = flush(static_cast<uint64_t>(left));
    if (!report.error.empty()) break;
  }
  return report;
}

uint64_t Runtime::activations() const noexcept {
  uint64_t sum = 0;
  for (const auto& scheduler : schedulers_)
    sum += scheduler->tallies().activations.get() - scheduler->tallies().deactivations.get();
  return sum;
}

uint64_t Runtime::memory_bytes() const noexcept {
  uint64_t sum = 0;
  for (const auto& scheduler : schedulers_) sum += scheduler->tallies().memory_bytes.get();
  return sum;
}

}  // namespace orbit::kernel
