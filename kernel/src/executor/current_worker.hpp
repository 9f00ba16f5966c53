// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Which worker of which executor this thread is. Set by executors only.
#pragma once

#include <cstdint>

#include "executor/executor.hpp"

namespace orbit::kernel {

struct CurrentWorker {
  const Executor* executor = nullptr;
  uint32_t worker = kNoWorker;
};

inline constinit thread_local CurrentWorker current_worker{};

// Makes this thread a worker for a scope, and what it was before at its end.
class CurrentWorkerScope {
 public:
  CurrentWorkerScope(const Executor* executor, uint32_t worker) noexcept : before_(current_worker) {
    current_worker = {executor, worker};
  }
  ~CurrentWorkerScope() { current_worker = before_; }
  CurrentWorkerScope(const CurrentWorkerScope&) = delete;
  CurrentWorkerScope& operator=(const CurrentWorkerScope&) = delete;

 private:
  CurrentWorker before_;
};

}  // namespace orbit::kernel
