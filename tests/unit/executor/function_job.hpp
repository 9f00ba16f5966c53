// SPDX-License-Identifier: MIT OR BSD-3-Clause
#pragma once

#include <functional>
#include <utility>

#include "executor/executor.hpp"

namespace orbit::kernel {

// A job that runs a function object and frees itself.
struct TestJob : Job {
  explicit TestJob(std::function<void()> body) : function(std::move(body)) {
    run = [](Job* job) noexcept {
      auto* const mine = static_cast<TestJob*>(job);
      mine->function();
      delete mine;
    };
  }
  std::function<void()> function;
};

inline void post(Executor& executor, uint32_t worker, std::function<void()> body) {
  auto* const job = new TestJob(std::move(body));
  executor.post(worker, job, job);
}

}  // namespace orbit::kernel
