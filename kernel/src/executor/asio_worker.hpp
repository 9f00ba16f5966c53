// SPDX-License-Identifier: MIT OR BSD-3-Clause
// One worker of AsioExecutor. Included by asio_executor.cpp and asio_worker.cpp only: it brings Asio with it.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <thread>
#include <vector>

#include "executor/asio_executor.hpp"
#include "executor/inbox.hpp"
#include "executor/interrupts.hpp"
#include "executor/poller.hpp"
#include "executor/timers.hpp"

namespace orbit::kernel {

class AsioExecutor::Worker {
 public:
  Worker(const Executor* executor, uint32_t index, const AsioExecutorOptions& options, uint64_t seed);
  ~Worker();

  void start();
  void request_stop() noexcept;
  void join() noexcept;
  // One round of jobs and residents without I/O, on the caller's thread; for stop. Returns whether there was any work.
  bool run_leftovers() noexcept;

  void post(Job* first, Job* last) noexcept;
  bool interrupt(orbit_function function, void* ctx, uint64_t timeout_ns) noexcept;

  // Only used on the worker's own thread, or before start.
  std::vector<Resident*> residents;
  std::vector<Resident*> outputs;
  Poller poller;
  boost::asio::io_context context;
  Timers timers;
  Prng random;
  uint64_t now_ns = 0;
  uint64_t now_unix_ms = 0;
  bool arrivals = false;  // see Executor::arrivals; stays as it was in rounds that do not look at the sockets

 private:
  void run() noexcept;
  void read_clocks() noexcept;
  bool step_residents() noexcept;  // one step and one end of round; true while there is more
  // How long this round may wait for I/O: 0 while there is work or while the worker spins.
  int64_t wait_ns() noexcept;
  bool gathers() const noexcept;
  void watch_inbox() noexcept;
  void end_pause() noexcept;  // there was work in this round
  bool poll(int64_t timeout_ns) noexcept;
  bool asio_has_work() noexcept;
  void sleep_in_asio(int64_t timeout_ns) noexcept;
  void leave_asio() noexcept;
  void pin() const noexcept;

  const Executor* const executor_;
  const uint32_t index_;
  const bool pinned_;
  const uint64_t spin_ns_;
  Inbox inbox_;
  alignas(64) std::atomic<bool> sleeping_{false};
  std::atomic<bool> stop_{false};
  alignas(64) boost::asio::posix::stream_descriptor poller_in_asio_;
  bool more_ = true;  // residents may have been handed work before start
  bool jobs_lead_ = false;  // the last work came through the inbox, not from a socket
  uint64_t last_work_ns_ = 0;
  uint32_t spins_left_ = 0;  // in vain, until it sleeps without
  uint64_t last_poll_ns_ = 0;
  uint64_t unix_read_ns_ = 0;
  Interrupts interrupts_;
  std::thread thread_;
};

}  // namespace orbit::kernel
