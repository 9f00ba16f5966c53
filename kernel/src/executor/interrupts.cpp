// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "executor/interrupts.hpp"

#include <cerrno>
#include <csignal>
#include <ctime>

#include "executor/clock.hpp"

namespace orbit::kernel {

namespace {

constexpr int kSignal = SIGURG;
constexpr long kLookEveryNs = 50'000;

constinit thread_local std::atomic<Interrupts*> interrupts_of_thread{nullptr};

}  // namespace

void Interrupts::interrupted() noexcept {
  State expected = State::asked;
  if (!state_.compare_exchange_strong(expected, State::running, std::memory_order_acquire)) return;
  function_(ctx_);
  state_.store(State::idle, std::memory_order_release);
}

bool Interrupts::run(orbit_function function, void* ctx, uint64_t timeout_ns) noexcept {
  const std::lock_guard lock(mutex_);
  if (!there_) return false;
  function_ = function;
  ctx_ = ctx;
  state_.store(State::asked, std::memory_order_release);
  if (::pthread_kill(thread_, kSignal) != 0) {
    state_.store(State::idle, std::memory_order_relaxed);
    return false;
  }
  const uint64_t until_ns = system_monotonic_ns() + timeout_ns;
  for (;;) {
    if (state_.load(std::memory_order_acquire) == State::idle) return true;
    State expected = State::asked;
    if (system_monotonic_ns() > until_ns && state_.compare_exchange_strong(expected, State::idle, std::memory_order_acquire))
      return false;
    const timespec pause{.tv_sec = 0, .tv_nsec = kLookEveryNs};
    ::nanosleep(&pause, nullptr);
  }
}

InterruptedThread::InterruptedThread(Interrupts& interrupts) noexcept : interrupts_(interrupts) {
  static const bool installed = [] {
    struct sigaction action {};
    action.sa_flags = SA_RESTART;
    ::sigemptyset(&action.sa_mask);
    action.sa_handler = [](int) {
      const int saved = errno;
      if (Interrupts* mine = interrupts_of_thread.load(std::memory_order_relaxed)) mine->interrupted();
      errno = saved;
    };
    return ::sigaction(kSignal, &action, nullptr) == 0;
  }();
  if (!installed) return;
  interrupts_of_thread.store(&interrupts, std::memory_order_relaxed);
  const std::lock_guard lock(interrupts_.mutex_);
  interrupts_.thread_ = ::pthread_self();
  interrupts_.there_ = true;
}

InterruptedThread::~InterruptedThread() {
  // Whoever asks at this moment is waited for, and is answered by the handler.
  const std::lock_guard lock(interrupts_.mutex_);
  interrupts_.there_ = false;
  interrupts_of_thread.store(nullptr, std::memory_order_relaxed);
}

}  // namespace orbit::kernel
