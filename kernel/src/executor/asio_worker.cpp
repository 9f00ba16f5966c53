// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "executor/asio_worker.hpp"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string>

#include "executor/clock.hpp"
#include "executor/current_worker.hpp"

namespace orbit::kernel {

namespace {
// A worker that is busy with messages between actors looks at its sockets this often: often enough for their latency,
// seldom enough that the system call does not show.
constexpr uint64_t kBusyPollIntervalNs = 10'000;
// A worker that spins for another one's next message watches nothing but its inbox for so many rounds at a time, some 2 us,
// because a look at the sockets takes longer than a message does.
constexpr int kInboxLooks = 64;
constexpr uint64_t kUnixIntervalNs = 250'000;
// A worker gives up spinning after this many times that brought nothing.
constexpr uint32_t kSpinsInVain = 8;
constexpr uint64_t kSleepMaxNs = 3'600'000'000'000;
// Residents that hand each other work for ever must not keep a node from ending.
constexpr uint64_t kStopMaxNs = 5'000'000'000;
}  // namespace

AsioExecutor::Worker::Worker(const Executor* executor, uint32_t index, const AsioExecutorOptions& options, uint64_t seed)
    : context(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE),
      random(seed),
      executor_(executor),
      index_(index),
      pinned_(options.pin_workers),
      spin_ns_(uint64_t{options.spin_us} * 1'000),
      poller_in_asio_(context) {
  read_clocks();
}

AsioExecutor::Worker::~Worker() { leave_asio(); }

void AsioExecutor::Worker::start() {
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), ("orbit-w-" + std::to_string(index_)).c_str());
}

void AsioExecutor::Worker::request_stop() noexcept {
  stop_.store(true);
  poller.wake();
}

void AsioExecutor::Worker::join() noexcept {
  if (thread_.joinable()) thread_.join();
}

bool AsioExecutor::Worker::interrupt(orbit_function function, void* ctx, uint64_t timeout_ns) noexcept {
  return interrupts_.run(function, ctx, timeout_ns);
}

void AsioExecutor::Worker::post(Job* first, Job* last) noexcept {
  // Whoever finds the inbox empty wakes. Inbox and flag are sequentially consistent: either this load sees the worker
  // asleep, or the worker's look into the inbox after raising the flag sees the job.
  if (inbox_.push(first, last) && sleeping_.load() && sleeping_.exchange(false)) poller.wake();
}

void AsioExecutor::Worker::read_clocks() noexcept {
  now_ns = system_monotonic_ns();
  // Milliseconds, and as dear to read as the other clock: looked at less often.
  if (now_ns - unix_read_ns_ < kUnixIntervalNs) return;
  unix_read_ns_ = now_ns;
  now_unix_ms = system_unix_ms();
}

bool AsioExecutor::Worker::step_residents() noexcept {
  bool more = false;
  for (Resident* resident : residents) more |= resident->step();
  for (Resident* resident : outputs) more |= resident->step();
  for (Resident* resident : residents) resident->end_of_round();
  for (Resident* resident : outputs) resident->end_of_round();
  for (Resident* resident : residents) more |= resident->pending();
  for (Resident* resident : outputs) more |= resident->pending();
  return more;
}

void AsioExecutor::Worker::watch_inbox() noexcept {
  for (int look = 0; look < kInboxLooks && inbox_.looks_empty(); ++look) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
}

bool AsioExecutor::Worker::gathers() const noexcept {
  return std::any_of(residents.begin(), residents.end(), [](const Resident* resident) { return resident->gathers(); });
}

int64_t AsioExecutor::Worker::wait_ns() noexcept {
  if (more_ || stop_.load(std::memory_order_relaxed)) return 0;
  const uint64_t deadline_ns = timers.next_deadline_ns();
  if (deadline_ns <= now_ns) return 0;
  if (spins_left_ != 0 && !gathers()) {
    if (now_ns - last_work_ns_ < spin_ns_) {
      if (jobs_lead_) watch_inbox();
      // Whoever shares this core, perhaps the very one that is waited for, comes first.
      if (inbox_.looks_empty()) ::sched_yield();
      return 0;
    }
    --spins_left_;
  }
  sleeping_.store(true);
  if (!inbox_.empty() || stop_.load()) {
    sleeping_.store(false, std::memory_order_relaxed);
    return 0;
  }
  return deadline_ns == Timers::kNever ? -1 : static_cast<int64_t>(std::min(deadline_ns - now_ns, kSleepMaxNs));
}

void AsioExecutor::Worker::end_pause() noexcept {
  // A pause that spinning covers, or would have covered, earns the next ones; a worker that is asked now and then sleeps.
  if (now_ns - last_work_ns_ < spin_ns_) spins_left_ = kSpinsInVain;
  last_work_ns_ = now_ns;
}

bool AsioExecutor::Worker::asio_has_work() noexcept {
  // A context that has nothing outstanding declares itself stopped when polled.
  context.restart();
  context.poll();
  return !context.stopped();
}

void AsioExecutor::Worker::leave_asio() noexcept {
  if (poller_in_asio_.is_open()) poller_in_asio_.release();
}

void AsioExecutor::Worker::sleep_in_asio(int64_t timeout_ns) noexcept {
  // Only while somebody uses Asio here: an epoll set inside another one costs every packet that arrives.
  if (!poller_in_asio_.is_open()) poller_in_asio_.assign(poller.fd());
  poller_in_asio_.async_wait(boost::asio::posix::stream_descriptor::wait_read, [](const boost::system::error_code&) {});
  poller.begin_wait();
  context.run_one_for(std::chrono::nanoseconds(timeout_ns < 0 ? static_cast<int64_t>(kSleepMaxNs) : timeout_ns));
  poller.end_wait();
  poller_in_asio_.cancel();
}

bool AsioExecutor::Worker::poll(int64_t timeout_ns) noexcept {
  if (timeout_ns == 0 && (more_ || !inbox_.looks_empty()) && now_ns - last_poll_ns_ < kBusyPollIntervalNs) return false;
  last_poll_ns_ = now_ns;
  const bool sleeps = timeout_ns != 0;
  if (!asio_has_work()) {
    leave_asio();
  } else if (sleeps) {
    sleep_in_asio(timeout_ns);
    timeout_ns = 0;
  }
  if (timeout_ns != 0 && gathers()) {
    const auto pause_ns = static_cast<int64_t>(kGatherNs);
    if (timeout_ns < 0 || timeout_ns > pause_ns) {
      poller.wait_for_wake(pause_ns, [this] { return sleeping_.load() && !stop_.load(); });
      if (!sleeping_.load() || stop_.load()) timeout_ns = 0;
    }
  }
  arrivals = poller.wait(timeout_ns) != 0;
  if (sleeps) sleeping_.store(false, std::memory_order_relaxed);
  return arrivals;
}

void AsioExecutor::Worker::run() noexcept {
  const CurrentWorkerScope scope(executor_, index_);
  const InterruptedThread interruptible(interrupts_);
  if (pinned_) pin();
  read_clocks();
  last_work_ns_ = now_ns;
  uint64_t stop_deadline_ns = 0;
  for (;;) {
    const bool stopping = stop_.load(std::memory_order_acquire);
    if (stopping && stop_deadline_ns == 0) stop_deadline_ns = now_ns + kStopMaxNs;
    bool worked = poll(wait_ns());
    if (worked) jobs_lead_ = false;
    read_clocks();
    if (Job* jobs = inbox_.take()) {
      if (!worked) jobs_lead_ = true;
      worked = arrivals = true;
      run_jobs(jobs);
    }
    worked |= timers.run_due(now_ns) != 0;
    more_ = step_residents();
    if (worked || more_) end_pause();
    if (stopping && ((!more_ && inbox_.empty()) || now_ns > stop_deadline_ns)) return;
  }
}

bool AsioExecutor::Worker::run_leftovers() noexcept {
  const CurrentWorkerScope scope(executor_, index_);
  read_clocks();
  Job* const jobs = inbox_.take();
  run_jobs(jobs);
  return step_residents() || jobs != nullptr;
}

void AsioExecutor::Worker::pin() const noexcept {
  cpu_set_t allowed;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) == 0) return;
  uint32_t skip = index_ % static_cast<uint32_t>(CPU_COUNT(&allowed));
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed) || skip-- != 0) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    ::pthread_setaffinity_np(::pthread_self(), sizeof one, &one);
    return;
  }
}

}  // namespace orbit::kernel
