// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The executor of simulations and deterministic tests: any number of workers on the caller's thread, virtual time, and a
// seed that decides what runs next. The same seed gives the same history, which trace_hash() sums up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <vector>

#include "executor/executor.hpp"
#include "executor/inbox.hpp"
#include "executor/prng.hpp"
#include "executor/timers.hpp"

namespace orbit::kernel {

struct SimExecutorOptions {
  uint64_t seed = 1;
  uint32_t workers = 1;
  size_t io_queue_max = 4096;
  uint64_t monotonic_start_ns = 1'000'000'000;
  uint64_t unix_start_ms = 1'700'000'000'000;
  uint64_t step_ns = 100;  // how far virtual time moves with every step
  uint64_t grain_ns = 1;   // timers and I/O jobs end at multiples of it
};

// Not thread-safe: everything, also post, from the thread that steps it.
class SimExecutor final : public Executor {
 public:
  explicit SimExecutor(const SimExecutorOptions& options);
  ~SimExecutor() override;

  // Runs one thing, picked at random among what can run: a worker's queued jobs with its due timers, one resident's
  // round, or a job of the I/O pool. When nothing can run, moves time to the next timer. False: nothing is left to do.
  // Before start() residents do not step.
  bool step();
  // Steps until done() or nothing is left; false when max_steps were not enough or nothing is left before done().
  bool run_until(const std::function<bool()>& done, uint64_t max_steps);
  // The same, but never moves time past end_ns. False: nothing is left to do until then.
  bool step_until(uint64_t end_ns) { return run_one(end_ns); }
  // Moves time without running anything.
  void advance(uint64_t ns) noexcept { now_ns_ += ns; }
  // Something was done on that worker outside a step (see CurrentWorkerScope): its residents get a round.
  void wake(uint32_t worker) noexcept { touch(worker); }
  // From now on a job of the I/O pool begins so much later than it was queued.
  void set_io_delay(uint64_t ns) noexcept { io_delay_ns_ = ns; }
  // From now on something arrives in every round, or in none; before, it is tossed for.
  void set_arrivals(bool always) noexcept { arrivals_ = always; }
  uint64_t trace_hash() const noexcept { return trace_hash_; }
  uint64_t steps() const noexcept { return steps_; }
  // Adds to the history whatever a test wants to compare.
  void trace(uint64_t value) noexcept;

  uint32_t workers() const noexcept override { return static_cast<uint32_t>(workers_.size()); }
  uint32_t current() const noexcept override;
  void attach(uint32_t worker, Resident* resident) override;
  void post(uint32_t worker, Job* first, Job* last) noexcept override;
  orbit_timer after(uint64_t delay_ns, orbit_function function, void* ctx) override;
  bool cancel(orbit_timer timer) noexcept override;
  bool blocking(orbit_function function, void* ctx) noexcept override;
  bool arrivals() noexcept override { return arrivals_ ? *arrivals_ : random_.below(2) != 0; }
  uint64_t monotonic_ns() const noexcept override { return now_ns_; }
  uint64_t coarse_monotonic_ns() const noexcept override { return now_ns_; }
  uint64_t unix_ms() const noexcept override;
  uint64_t random() noexcept override { return random_.next(); }
  void start() override { started_ = true; }
  // Steps until no job, resident or I/O job is left (at most a million steps); timers do not run any more.
  void stop() noexcept override;

 private:
  enum class Kind : uint32_t { kJobs, kResident, kIo, kTime };
  struct Choice {
    Kind kind;
    uint32_t worker;
    uint32_t index;
  };
  struct Round {
    Resident* resident;
    bool more;  // it said so, or something ran on its worker since its last round
  };
  struct Worker {
    Inbox inbox;
    Timers timers;
    std::vector<Round> residents;
  };
  struct IoTask {
    orbit_function function;
    void* ctx;
    uint64_t ready_ns;
  };

  uint64_t deadline_ns(uint64_t delay_ns) const noexcept;
  void collect_choices();
  bool run_one(uint64_t end_ns);
  void run(const Choice& choice);
  void touch(uint32_t worker) noexcept;
  uint64_t next_deadline_ns() const noexcept;

  const SimExecutorOptions options_;
  Prng schedule_;
  Prng random_;
  std::deque<Worker> workers_;
  std::deque<IoTask> io_queue_;
  std::vector<Choice> choices_;
  uint64_t now_ns_;
  uint64_t io_delay_ns_ = 0;
  std::optional<bool> arrivals_;
  uint64_t steps_ = 0;
  uint64_t trace_hash_ = 14695981039346656037ULL;
  bool started_ = false;
  bool stopping_ = false;
};

}  // namespace orbit::kernel
