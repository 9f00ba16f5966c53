// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "executor/workers_api.hpp"

#include <doctest/doctest.h>

#include <cstring>

#include "executor/sim_executor.hpp"

namespace orbit::kernel {

namespace {
struct TestHost : orbit_host {
  explicit TestHost(Executor* node_executor)
      : orbit_host{sizeof(orbit_host), ORBIT_ABI_MAJOR, ORBIT_ABI_MINOR,
                   [](const orbit_host* host, const char* id) -> const void* {
                     return std::strcmp(id, kExecutorExtension) == 0 ? static_cast<const TestHost*>(host)->executor
                                                                     : nullptr;
                   }},
        executor(node_executor) {}
  Executor* executor;
};
}  // namespace

TEST_CASE("the workers table runs functions, timers and blocking work of the calling node") {
  SimExecutorOptions options;
  options.workers = 2;
  options.io_queue_max = 1;
  SimExecutor executor(options);
  SimExecutor other(SimExecutorOptions{});
  const TestHost host(&executor);
  const TestHost other_host(&other);
  const orbit_workers_v1* const workers = workers_table();
  CHECK(workers->struct_size == sizeof(orbit_workers_v1));
  CHECK(workers->count(&host) == 2);
  CHECK(workers->count(&other_host) == 1);
  CHECK(workers->current(&host) == ORBIT_NO_WORKER);
  CHECK(workers->monotonic_ns(&host) == executor.monotonic_ns());
  CHECK(workers->unix_ms(&host) == executor.unix_ms());

  struct Ctx {
    const orbit_host* host;
    uint32_t ran_on = ORBIT_NO_WORKER;
    uint64_t fired_ns = 0;
    int cancelled = 0;
  } ctx{&host};
  workers->post(
      &host, 1,
      [](void* raw) {
        auto* const self = static_cast<Ctx*>(raw);
        const orbit_workers_v1* const table = workers_table();
        self->ran_on = table->current(self->host);
        table->after(self->host, 5, [](void* inner) {
          auto* const again = static_cast<Ctx*>(inner);
          again->fired_ns = workers_table()->monotonic_ns(again->host);
        }, self);
        const orbit_timer timer = table->after(self->host, 1, [](void*) { FAIL("was cancelled"); }, nullptr);
        self->cancelled = table->cancel(self->host, timer);
      },
      &ctx);
  const uint64_t start_ns = executor.monotonic_ns();
  while (executor.step()) {
  }
  CHECK(ctx.ran_on == 1);
  CHECK(ctx.cancelled == 1);
  CHECK(ctx.fired_ns >= start_ns + 5'000'000);
  CHECK(workers->blocking(&host, [](void*) {}, nullptr) == ORBIT_OK);
  CHECK(workers->blocking(&host, [](void*) {}, nullptr) == ORBIT_RESOURCE_EXHAUSTED);
}

}  // namespace orbit::kernel
