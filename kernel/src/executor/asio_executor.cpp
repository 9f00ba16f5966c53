// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "executor/asio_executor.hpp"

#include <cstdio>
#include <cstdlib>
#include <random>
#include <stdexcept>

#include "executor/asio_worker.hpp"
#include "executor/clock.hpp"
#include "executor/current_worker.hpp"

namespace orbit::kernel {

namespace {

// Residents that hand each other work for ever must not keep a node from ending.
constexpr uint64_t kLeftoversMaxNs = 5'000'000'000;

uint64_t seed_or_system(uint64_t seed) {
  if (seed != 0) return seed;
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

const AsioExecutorOptions& checked(const AsioExecutorOptions& options) {
  if (options.workers == 0 || options.workers > 1024)
    throw std::invalid_argument("workers = " + std::to_string(options.workers) + ": expected 1 to 1024");
  if (options.io_threads == 0 || options.io_threads > 1024)
    throw std::invalid_argument("io_threads = " + std::to_string(options.io_threads) + ": expected 1 to 1024");
  return options;
}

}  // namespace

AsioExecutor::AsioExecutor(const AsioExecutorOptions& options)
    : io_pool_(checked(options).io_threads, options.io_queue_max), random_(seed_or_system(options.seed)) {
  for (uint32_t i = 0; i < options.workers; ++i)
    workers_.push_back(std::make_unique<Worker>(this, i, options, random_.next()));
}

AsioExecutor::~AsioExecutor() { stop(); }

uint32_t AsioExecutor::workers() const noexcept { return static_cast<uint32_t>(workers_.size()); }

uint32_t AsioExecutor::current() const noexcept {
  return current_worker.executor == this ? current_worker.worker : kNoWorker;
}

void AsioExecutor::attach(uint32_t worker, Resident* resident) { workers_.at(worker)->residents.push_back(resident); }

void AsioExecutor::attach_output(uint32_t worker, Resident* resident) {
  workers_.at(worker)->outputs.push_back(resident);
}

Poller& AsioExecutor::poller(uint32_t worker) noexcept { return workers_[worker]->poller; }
boost::asio::io_context& AsioExecutor::context(uint32_t worker) noexcept { return workers_[worker]->context; }

void AsioExecutor::post(uint32_t worker, Job* first, Job* last) noexcept { workers_[worker]->post(first, last); }

AsioExecutor::Worker& AsioExecutor::here(const char* function) const noexcept {
  const uint32_t worker = current();
  if (worker == kNoWorker) {
    std::fprintf(stderr, "orbit: %s called on a thread that is no worker of this executor\n", function);
    std::abort();
  }
  return *workers_[worker];
}

orbit_timer AsioExecutor::after(uint64_t delay_ns, orbit_function function, void* ctx) {
  const uint64_t now_ns = system_monotonic_ns();
  const uint64_t deadline_ns = delay_ns < Timers::kNever - now_ns ? now_ns + delay_ns : Timers::kNever - 1;
  return here("after").timers.arm(deadline_ns, function, ctx);
}

bool AsioExecutor::cancel(orbit_timer timer) noexcept { return here("cancel").timers.cancel(timer); }

bool AsioExecutor::blocking(orbit_function function, void* ctx) noexcept { return io_pool_.submit(function, ctx); }

bool AsioExecutor::arrivals() noexcept { return here("arrivals").arrivals; }

uint64_t AsioExecutor::progress(uint32_t worker) const noexcept { return workers_[worker]->poller.progress(); }

bool AsioExecutor::interrupt(uint32_t worker, orbit_function function, void* ctx, uint64_t timeout_ns) noexcept {
  return workers_[worker]->interrupt(function, ctx, timeout_ns);
}

uint64_t AsioExecutor::monotonic_ns() const noexcept { return system_monotonic_ns(); }

uint64_t AsioExecutor::coarse_monotonic_ns() const noexcept {
  const uint32_t worker = current();
  return worker == kNoWorker ? system_monotonic_ns() : workers_[worker]->now_ns;
}

uint64_t AsioExecutor::unix_ms() const noexcept {
  const uint32_t worker = current();
  return worker == kNoWorker ? system_unix_ms() : workers_[worker]->now_unix_ms;
}

uint64_t AsioExecutor::random() noexcept {
  const uint32_t worker = current();
  if (worker != kNoWorker) return workers_[worker]->random.next();
  const std::lock_guard lock(random_mutex_);
  return random_.next();
}

void AsioExecutor::start() {
  if (started_) return;
  started_ = true;
  io_pool_.start();
  for (auto& worker : workers_) worker->start();
}

void AsioExecutor::stop() noexcept {
  if (stopped_) return;  // residents may be gone by the time the destructor comes here
  stopped_ = true;
  // The pool first: what it has queued may post its results to workers.
  io_pool_.stop();
  for (auto& worker : workers_) worker->request_stop();
  for (auto& worker : workers_) worker->join();
  const uint64_t deadline_ns = system_monotonic_ns() + kLeftoversMaxNs;
  while (run_leftovers() && system_monotonic_ns() < deadline_ns) {
  }
}

bool AsioExecutor::run_leftovers() noexcept {
  bool any = false;
  for (auto& worker : workers_) any |= worker->run_leftovers();
  return any;
}

}  // namespace orbit::kernel
