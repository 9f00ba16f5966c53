// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Time, randomness, threads: everything nondeterministic that the kernel uses reaches it through this interface, so that a
// simulated executor can replay a seed (architecture.md section 10).
#pragma once

#include <cstdint>

#include "orbit/ext/workers.h"

namespace orbit::kernel {

inline constexpr uint32_t kNoWorker = ORBIT_NO_WORKER;

// A unit of work that travels to a worker without an allocation of the executor's. Owned by whoever made it; `run` takes it
// back and frees it.
struct Job {
  Job* next = nullptr;
  void (*run)(Job*) noexcept = nullptr;
};

// A part of the kernel that lives on every worker and gets a share of each round of its loop (the actor scheduler does).
class Resident {
 public:
  virtual ~Resident() = default;
  // Does a bounded amount of queued work. Returns true while more is left: the loop then polls I/O and comes back without
  // sleeping. [worker]
  virtual bool step() noexcept = 0;
  // The round is over and nothing is queued: last chance to hand out what was batched (group commits, messages to other
  // workers) before the worker sleeps; also called once per round when busy. [worker]
  virtual void end_of_round() noexcept = 0;
  // Asked after end_of_round, before the worker may sleep: true when there is something for step or end_of_round to do,
  // also what end_of_round itself queued. The default is right for a resident whose end_of_round makes no work for its own
  // step and that nobody else on the worker hands work to without a job. [worker]
  virtual bool pending() const noexcept { return false; }
  // Asked when the worker is about to sleep: true while it waits for something that ends by a job and that most answers hang on
  // (a commit). Requests that arrive meanwhile may then lie in their sockets for kGatherNs, and be handled together. [worker]
  virtual bool gathers() const noexcept { return false; }
};

// How long requests may gather at a time. A flush of a disk takes 100 us and more; being woken for each request of 50 clients
// costs more than the wait.
inline constexpr uint64_t kGatherNs = 50'000;

class Executor {
 public:
  virtual ~Executor() = default;

  virtual uint32_t workers() const noexcept = 0;
  // The worker whose thread this is, or kNoWorker.
  virtual uint32_t current() const noexcept = 0;
  // Attaches what lives on a worker; before start only. Several residents step in order of attachment.
  virtual void attach(uint32_t worker, Resident* resident) = 0;

  // Queues a chain of jobs (linked by next, `first` runs first), in order per posting thread; wakes the worker. [any thread]
  virtual void post(uint32_t worker, Job* first, Job* last) noexcept = 0;
  // function(ctx) once on the current worker after delay_ns of the injected clock. [worker]
  virtual orbit_timer after(uint64_t delay_ns, orbit_function function, void* ctx) = 0;
  // True when the timer will not run any more because of this call. [the worker that armed it]
  virtual bool cancel(orbit_timer timer) noexcept = 0;
  // function(ctx) on the I/O pool; false when its bounded queue is full. [any thread]
  virtual bool blocking(orbit_function function, void* ctx) noexcept = 0;

  // Whether the worker's last look at its sockets and its inbox found something, which may be the end of a commit that it
  // waited for: then more is likely to follow at once. [worker]
  virtual bool arrivals() noexcept { return false; }

  // Where a worker is: odd while it works, even while it waits for I/O or has not started; another number after each wait.
  // [any thread]
  virtual uint64_t progress(uint32_t) const noexcept { return 0; }
  // Runs function(ctx) on the thread of a worker in the middle of whatever it does, and waits until that is over: only for what
  // a signal handler may do. False: it did not run within timeout_ns, or this executor cannot, and will not run any more.
  // For workers that do not come to what is posted; the caller's thread is no worker.
  virtual bool interrupt(uint32_t, orbit_function, void*, uint64_t /*timeout_ns*/) noexcept { return false; }

  virtual uint64_t monotonic_ns() const noexcept = 0;
  // Read once per round on a worker (cheap), fresh elsewhere.
  virtual uint64_t coarse_monotonic_ns() const noexcept = 0;
  virtual uint64_t unix_ms() const noexcept = 0;
  virtual uint64_t random() noexcept = 0;

  // Starts the threads; attached residents begin to step.
  virtual void start() = 0;
  // Stops the workers after their queued jobs have run, joins all threads. Jobs posted later are still run, by stop itself.
  virtual void stop() noexcept = 0;
};

}  // namespace orbit::kernel
