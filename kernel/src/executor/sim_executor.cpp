// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "executor/sim_executor.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "executor/current_worker.hpp"

namespace orbit::kernel {

namespace {
constexpr uint64_t kStopStepsMax = 1'000'000;
}

SimExecutor::SimExecutor(const SimExecutorOptions& options)
    : options_(options),
      schedule_(options.seed),
      random_(~options.seed),
      workers_(options.workers),
      now_ns_(options.monotonic_start_ns) {}

SimExecutor::~SimExecutor() { stop(); }

uint32_t SimExecutor::current() const noexcept {
  return current_worker.executor == this ? current_worker.worker : kNoWorker;
}

void SimExecutor::attach(uint32_t worker, Resident* resident) {
  workers_.at(worker).residents.push_back({resident, true});
}

void SimExecutor::post(uint32_t worker, Job* first, Job* last) noexcept { workers_[worker].inbox.push(first, last); }

uint64_t SimExecutor::deadline_ns(uint64_t delay_ns) const noexcept {
  if (delay_ns >= Timers::kNever - options_.grain_ns - now_ns_) return Timers::kNever - 1;
  const uint64_t past = (now_ns_ + delay_ns) % options_.grain_ns;
  return now_ns_ + delay_ns + (past == 0 ? 0 : options_.grain_ns - past);
}

orbit_timer SimExecutor::after(uint64_t delay_ns, orbit_function function, void* ctx) {
  if (current() == kNoWorker) {
    std::fprintf(stderr, "orbit: after called outside the simulated workers\n");
    std::abort();
  }
  return workers_[current()].timers.arm(deadline_ns(delay_ns), function, ctx);
}

bool SimExecutor::cancel(orbit_timer timer) noexcept {
  return current() != kNoWorker && workers_[current()].timers.cancel(timer);
}

bool SimExecutor::blocking(orbit_function function, void* ctx) noexcept {
  if (io_queue_.size() >= options_.io_queue_max) return false;
  io_queue_.push_back({function, ctx, io_delay_ns_ == 0 ? 0 : deadline_ns(io_delay_ns_)});
  return true;
}

uint64_t SimExecutor::unix_ms() const noexcept {
  return options_.unix_start_ms + (now_ns_ - options_.monotonic_start_ns) / 1'000'000;
}

void SimExecutor::trace(uint64_t value) noexcept {
  for (int byte = 0; byte < 8; ++byte) trace_hash_ = (trace_hash_ ^ ((value >> (byte * 8)) & 0xff)) * 1099511628211ULL;
}

void SimExecutor::touch(uint32_t worker) noexcept {
  for (Round& round : workers_[worker].residents) round.more = true;
}

uint64_t SimExecutor::next_deadline_ns() const noexcept {
  uint64_t next = Timers::kNever;
  for (const Worker& worker : workers_) next = std::min(next, worker.timers.next_deadline_ns());
  for (const IoTask& task : io_queue_) next = std::min(next, task.ready_ns);
  return next;
}

void SimExecutor::collect_choices() {
  choices_.clear();
  for (uint32_t i = 0; i < workers_.size(); ++i) {
    const Worker& worker = workers_[i];
    if (!worker.inbox.empty() || worker.timers.next_deadline_ns() <= now_ns_) choices_.push_back({Kind::kJobs, i, 0});
    if (!started_) continue;
    for (uint32_t r = 0; r < worker.residents.size(); ++r)
      if (worker.residents[r].more || worker.residents[r].resident->pending())
        choices_.push_back({Kind::kResident, i, r});
  }
  for (uint32_t i = 0; i < io_queue_.size(); ++i)
    if (io_queue_[i].ready_ns <= now_ns_ || stopping_) choices_.push_back({Kind::kIo, kNoWorker, i});
}

void SimExecutor::run(const Choice& choice) {
  const CurrentWorkerScope scope(this, choice.worker);
  if (choice.kind == Kind::kIo) {
    const IoTask task = io_queue_[choice.index];
    io_queue_.erase(io_queue_.begin() + choice.index);
    const CurrentWorkerScope outside(nullptr, kNoWorker);
    task.function(task.ctx);
    return;
  }
  Worker& worker = workers_[choice.worker];
  if (choice.kind == Kind::kJobs) {
    run_jobs(worker.inbox.take());
    worker.timers.run_due(now_ns_);
    touch(choice.worker);
    return;
  }
  Resident* const resident = worker.residents[choice.index].resident;
  const bool more = resident->step();
  resident->end_of_round();
  worker.residents[choice.index].more = more;
}

bool SimExecutor::run_one(uint64_t end_ns) {
  collect_choices();
  if (choices_.empty()) {
    const uint64_t next_ns = next_deadline_ns();
    if (next_ns > end_ns || next_ns == Timers::kNever) return false;
    now_ns_ = std::max(now_ns_, next_ns);
    trace(static_cast<uint64_t>(Kind::kTime));
    trace(now_ns_);
    return true;
  }
  const Choice choice = choices_[schedule_.below(choices_.size())];
  trace((static_cast<uint64_t>(choice.kind) << 32) | choice.index);
  trace(choice.worker);
  now_ns_ += options_.step_ns;
  ++steps_;
  run(choice);
  return true;
}

bool SimExecutor::step() { return run_one(Timers::kNever); }

bool SimExecutor::run_until(const std::function<bool()>& done, uint64_t max_steps) {
  for (uint64_t i = 0; i < max_steps; ++i) {
    if (done()) return true;
    if (!step()) break;
  }
  return done();
}

void SimExecutor::stop() noexcept {
  stopping_ = true;
  for (uint64_t i = 0; i < kStopStepsMax && run_one(0); ++i) {
  }
  stopping_ = started_ = false;
}

}  // namespace orbit::kernel
