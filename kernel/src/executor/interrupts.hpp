// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Looking at what a thread does while it does it. The thread itself looks, in a signal handler: nothing that it works with needs
// an atomic or a lock for that, and a thread that nobody looks at pays nothing.
#pragma once

#include <pthread.h>

#include <atomic>
#include <mutex>

#include "orbit/ext/workers.h"

namespace orbit::kernel {

// Of one thread. The signal is SIGURG, which the system ignores when nobody handles it and which libraries must expect anyway;
// a blocking system call of the thread may return early with EINTR.
class Interrupts {
 public:
  // Runs function(ctx) on the thread that is in an InterruptedThread's scope, and waits for that. False: there is no such thread
  // now, or it did not come to it within timeout_ns; then it will not run any more. [another thread]
  bool run(orbit_function function, void* ctx, uint64_t timeout_ns) noexcept;

 private:
  friend class InterruptedThread;
  enum class State : uint32_t { idle, asked, running };

  void interrupted() noexcept;  // in the signal handler

  std::mutex mutex_;  // one asker at a time; guards the next two
  pthread_t thread_{};
  bool there_ = false;
  std::atomic<State> state_{State::idle};
  orbit_function function_ = nullptr;
  void* ctx_ = nullptr;
};

// This thread may be interrupted through `interrupts` in this scope.
class InterruptedThread {
 public:
  explicit InterruptedThread(Interrupts& interrupts) noexcept;
  ~InterruptedThread();
  InterruptedThread(const InterruptedThread&) = delete;
  InterruptedThread& operator=(const InterruptedThread&) = delete;

 private:
  Interrupts& interrupts_;
};

}  // namespace orbit::kernel
