// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "executor/sim_executor.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <vector>

#include "function_job.hpp"

namespace orbit::kernel {

namespace {

// Passes jobs between workers, timers and the I/O pool at random, and returns the hash of what happened.
uint64_t history(uint64_t seed) {
  SimExecutorOptions options;
  options.seed = seed;
  options.workers = 4;
  SimExecutor executor(options);
  executor.start();
  int left = 500;
  struct Ctx {
    SimExecutor* executor;
    std::function<void()>* spread;
  };
  std::function<void()> spread;
  Ctx ctx{&executor, &spread};
  spread = [&] {
    if (left-- <= 0) return;
    executor.trace(executor.random() ^ executor.monotonic_ns());
    const auto resume = [](void* raw) {
      auto* const self = static_cast<Ctx*>(raw);
      post(*self->executor, static_cast<uint32_t>(self->executor->random() % 4), *self->spread);
    };
    switch (executor.random() % 3) {
      case 0: executor.after(1'000 * (executor.random() % 100), resume, &ctx); break;
      case 1: REQUIRE(executor.blocking(resume, &ctx)); break;
      default: post(executor, static_cast<uint32_t>(executor.random() % 4), spread);
    }
  };
  for (uint32_t worker = 0; worker < 4; ++worker) post(executor, worker, spread);
  REQUIRE(executor.run_until([&] { return left <= 0; }, 100'000));
  const uint64_t hash = executor.trace_hash();
  executor.stop();  // what is queued still refers to this function's variables
  return hash;
}

}  // namespace

TEST_CASE("the same seed gives the same history and another seed another one") {
  const uint64_t first = history(1);
  CHECK(history(1) == first);
  CHECK(history(2) != first);
  CHECK(history(2) == history(2));
}

TEST_CASE("virtual time moves to the next timer when nothing can run") {
  SimExecutor executor(SimExecutorOptions{});
  executor.start();
  std::vector<uint64_t> ran_ms;
  struct Ctx {
    SimExecutor* executor;
    std::vector<uint64_t>* ran_ms;
  } ctx{&executor, &ran_ms};
  const uint64_t start_ms = executor.unix_ms();
  post(executor, 0, [&] {
    const auto note = [](void* raw) {
      auto* const self = static_cast<Ctx*>(raw);
      self->ran_ms->push_back(self->executor->unix_ms());
    };
    executor.after(3'600'000'000'000, note, &ctx);
    executor.after(1'000'000'000, note, &ctx);
    CHECK(executor.cancel(executor.after(2'000'000'000, note, &ctx)));
  });
  CHECK(executor.run_until([&] { return ran_ms.size() == 2; }, 100));
  REQUIRE(ran_ms.size() == 2);
  CHECK(ran_ms[0] - start_ms == 1'000);
  CHECK(ran_ms[1] - start_ms == 3'600'000);
  CHECK_FALSE(executor.step());
}

TEST_CASE("time goes no further than it is let, timers and slow I/O keep to the grain, and a stop waits for neither") {
  SimExecutorOptions options;
  options.step_ns = 0;
  options.grain_ns = 1'000'000;
  SimExecutor executor(options);
  executor.start();
  const uint64_t start_ns = executor.monotonic_ns();
  struct Ctx {
    SimExecutor* executor;
    std::vector<uint64_t> ran_ns;
  } ctx{&executor, {}};
  const auto note = [](void* raw) {
    auto* const self = static_cast<Ctx*>(raw);
    self->ran_ns.push_back(self->executor->monotonic_ns());
  };
  post(executor, 0, [&] {
    executor.after(4'000'001, note, &ctx);
    executor.after(3'000'000, note, &ctx);
  });
  executor.set_io_delay(7'000'000);
  REQUIRE(executor.blocking(note, &ctx));
  executor.set_io_delay(0);
  REQUIRE(executor.blocking(note, &ctx));
  while (executor.step_until(start_ns + 2'999'999)) {
  }
  CHECK(ctx.ran_ns == std::vector<uint64_t>{start_ns});
  CHECK(executor.monotonic_ns() == start_ns);
  while (executor.step_until(start_ns + 7'000'000)) {
  }
  CHECK(ctx.ran_ns == std::vector<uint64_t>{start_ns, start_ns + 3'000'000, start_ns + 5'000'000, start_ns + 7'000'000});
  executor.set_io_delay(3'600'000'000'000);
  REQUIRE(executor.blocking(note, &ctx));
  executor.stop();
  CHECK(ctx.ran_ns.size() == 5);
  CHECK(ctx.ran_ns.back() == start_ns + 7'000'000);
}

TEST_CASE("jobs of one worker stay in order while workers interleave, and know their worker") {
  SimExecutorOptions options;
  options.workers = 3;
  options.seed = 9;
  SimExecutor executor(options);
  std::vector<std::vector<int>> ran(3);
  CHECK(executor.current() == kNoWorker);
  for (int i = 0; i < 50; ++i)
    for (uint32_t worker = 0; worker < 3; ++worker)
      post(executor, worker, [&, worker, i] {
        CHECK(executor.current() == worker);
        ran[worker].push_back(i);
      });
  executor.stop();
  CHECK(executor.current() == kNoWorker);
  for (const std::vector<int>& numbers : ran) {
    REQUIRE(numbers.size() == 50);
    for (int i = 0; i < 50; ++i) CHECK(numbers[static_cast<size_t>(i)] == i);
  }
}

TEST_CASE("a resident steps while it has more and again after a job on its worker") {
  struct Counting : Resident {
    bool step() noexcept override {
      ++steps;
      return left > 0 && --left > 0;
    }
    void end_of_round() noexcept override { ++ends; }
    int left = 5;
    int steps = 0;
    int ends = 0;
  } counting;
  SimExecutor executor(SimExecutorOptions{});
  executor.attach(0, &counting);
  CHECK_FALSE(executor.step());
  executor.start();
  while (executor.step()) {
  }
  CHECK(counting.steps == 5);
  post(executor, 0, [] {});
  while (executor.step()) {
  }
  CHECK(counting.steps == 6);
  CHECK(counting.ends == 6);
}

TEST_CASE("the simulated I/O pool is bounded and outside the workers") {
  SimExecutorOptions options;
  options.io_queue_max = 1;
  SimExecutor executor(options);
  struct Ctx {
    SimExecutor* executor;
    uint32_t worker;
  } ctx{&executor, 0};
  const auto note = [](void* raw) {
    auto* const self = static_cast<Ctx*>(raw);
    self->worker = self->executor->current();
  };
  CHECK(executor.blocking(note, &ctx));
  CHECK_FALSE(executor.blocking(note, &ctx));
  executor.stop();
  CHECK(ctx.worker == kNoWorker);
}

}  // namespace orbit::kernel
