// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "executor/workers_api.hpp"

#include <cstdio>
#include <cstdlib>

namespace orbit::kernel {

namespace {

struct FunctionJob : Job {
  orbit_function function;
  void* ctx;
};

void run_function(Job* job) noexcept {
  auto* const mine = static_cast<FunctionJob*>(job);
  const orbit_function function = mine->function;
  void* const ctx = mine->ctx;
  delete mine;
  function(ctx);
}

void post(const orbit_host* host, uint32_t worker, orbit_function function, void* ctx) {
  Executor& executor = executor_of(host);
  if (worker >= executor.workers()) {
    std::fprintf(stderr, "orbit: post to worker %u, but the node has %u\n", worker, executor.workers());
    std::abort();
  }
  auto* const job = new FunctionJob{{nullptr, &run_function}, function, ctx};
  executor.post(worker, job, job);
}

orbit_timer after(const orbit_host* host, uint64_t delay_ms, orbit_function function, void* ctx) {
  constexpr uint64_t kDelayMaxMs = UINT64_MAX / 2'000'000;
  return executor_of(host).after((delay_ms < kDelayMaxMs ? delay_ms : kDelayMaxMs) * 1'000'000, function, ctx);
}

constexpr orbit_workers_v1 kWorkersTable = {
    sizeof(orbit_workers_v1),
    0,
    [](const orbit_host* host) { return executor_of(host).workers(); },
    [](const orbit_host* host) { return executor_of(host).current(); },
    &post,
    &after,
    [](const orbit_host* host, orbit_timer timer) { return executor_of(host).cancel(timer) ? 1 : 0; },
    [](const orbit_host* host, orbit_function function, void* ctx) -> orbit_code {
      return executor_of(host).blocking(function, ctx) ? ORBIT_OK : ORBIT_RESOURCE_EXHAUSTED;
    },
    [](const orbit_host* host) { return executor_of(host).monotonic_ns(); },
    [](const orbit_host* host) { return executor_of(host).unix_ms(); },
    [](const orbit_host* host) { return executor_of(host).random(); },
};

}  // namespace

const orbit_workers_v1* workers_table() noexcept { return &kWorkersTable; }

Executor& executor_of(const orbit_host* host) noexcept {
  // Hosts live until the process ends and never change their executor, so the last answer stays right.
  struct Last {
    const orbit_host* host;
    Executor* executor;
  };
  static constinit thread_local Last last{nullptr, nullptr};
  if (last.host != host) {
    auto* executor = static_cast<Executor*>(const_cast<void*>(host->get_extension(host, kExecutorExtension)));
    if (executor == nullptr) {
      std::fprintf(stderr, "orbit: the host has no %s\n", kExecutorExtension);
      std::abort();
    }
    last = {host, executor};
  }
  return *last.executor;
}

}  // namespace orbit::kernel
