// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The executor that production uses: one thread, one epoll set and one Asio context per worker, and an I/O pool.
//
// A round of a worker's loop: wait for I/O (not at all while there is work) -> queued jobs -> due timers -> residents'
// step() -> residents' end_of_round() -> the output stage. docs/adr/0001 says why in this order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "executor/executor.hpp"
#include "executor/io_pool.hpp"
#include "executor/prng.hpp"

namespace boost::asio {
class io_context;
}

namespace orbit::kernel {

class Poller;

struct AsioExecutorOptions {
  uint32_t workers = 1;
  bool pin_workers = false;      // worker i on the i-th processor that the process may use
  uint32_t spin_us = 0;          // how long a worker without work looks on before it sleeps, while that pays
  uint32_t io_threads = 4;
  size_t io_queue_max = 4096;
  uint64_t seed = 0;             // 0: taken from the system
};

class AsioExecutor final : public Executor {
 public:
  // Throws std::invalid_argument or std::system_error.
  explicit AsioExecutor(const AsioExecutorOptions& options);
  ~AsioExecutor() override;

  uint32_t workers() const noexcept override;
  uint32_t current() const noexcept override;
  void attach(uint32_t worker, Resident* resident) override;
  // Attaches what sends the worker's output: its end_of_round comes after everybody else's. Before start only.
  void attach_output(uint32_t worker, Resident* resident);

  void post(uint32_t worker, Job* first, Job* last) noexcept override;
  orbit_timer after(uint64_t delay_ns, orbit_function function, void* ctx) override;
  bool cancel(orbit_timer timer) noexcept override;
  bool blocking(orbit_function function, void* ctx) noexcept override;

  bool arrivals() noexcept override;
  uint64_t progress(uint32_t worker) const noexcept override;
  bool interrupt(uint32_t worker, orbit_function function, void* ctx, uint64_t timeout_ns) noexcept override;

  uint64_t monotonic_ns() const noexcept override;
  uint64_t coarse_monotonic_ns() const noexcept override;
  uint64_t unix_ms() const noexcept override;
  uint64_t random() noexcept override;

  void start() override;
  // Once; residents must live until it has returned, whoever has attached some calls it before they go.
  void stop() noexcept override;

  // The worker's epoll set. [that worker, or before start]
  Poller& poller(uint32_t worker) noexcept;
  // The worker's Asio context, for anything that wants Asio objects. It is used from its own worker only (its locks are
  // off), also for starting operations: come by post(). [that worker, or before start]
  boost::asio::io_context& context(uint32_t worker) noexcept;

 private:
  class Worker;

  Worker& here(const char* function) const noexcept;
  // Runs what was posted after a worker had left its loop. Returns whether there was anything.
  bool run_leftovers() noexcept;

  std::vector<std::unique_ptr<Worker>> workers_;
  IoPool io_pool_;
  std::mutex random_mutex_;
  Prng random_;  // for threads that are no workers; guarded by random_mutex_
  bool started_ = false;
  bool stopped_ = false;
};

}  // namespace orbit::kernel
