// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "executor/asio_executor.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <future>
#include <latch>
#include <thread>
#include <vector>

#include "executor/poller.hpp"
#include "function_job.hpp"

namespace orbit::kernel {

namespace {
AsioExecutorOptions two_workers() {
  AsioExecutorOptions options;
  options.workers = 2;
  options.io_threads = 2;
  options.seed = 42;
  return options;
}
}  // namespace

TEST_CASE("jobs of several threads arrive in order on a worker that keeps falling asleep") {
  AsioExecutor executor(two_workers());
  executor.start();
  constexpr uint32_t kProducers = 3;
  constexpr uint32_t kJobs = 5'000;
  std::vector<uint32_t> next(kProducers, 0);
  std::atomic<bool> ordered{true};
  std::latch done(kProducers);
  std::vector<std::thread> producers;
  for (uint32_t p = 0; p < kProducers; ++p) {
    producers.emplace_back([&, p] {
      for (uint32_t i = 0; i < kJobs; ++i) {
        post(executor, 1, [&, p, i] {
          if (next[p]++ != i || executor.current() != 1) ordered = false;
          if (i + 1 == kJobs) done.count_down();
        });
        if (i % 64 == 0) std::this_thread::yield();
      }
    });
  }
  done.wait();
  for (std::thread& producer : producers) producer.join();
  executor.stop();
  CHECK(ordered);
}

TEST_CASE("no wakeup is lost when two workers and a thread pass one token around") {
  AsioExecutor executor(two_workers());
  executor.start();
  constexpr int kRounds = 20'000;
  std::promise<void> finished;
  std::function<void(int)> pass = [&](int left) {
    if (left == 0) return finished.set_value();
    post(executor, (executor.current() + 1) % 2, [&pass, left] { pass(left - 1); });
  };
  post(executor, 0, [&] { pass(kRounds); });
  finished.get_future().wait();
  for (int i = 0; i < 2'000; ++i) {
    std::promise<uint32_t> answer;
    post(executor, static_cast<uint32_t>(i) % 2, [&] { answer.set_value(executor.current()); });
    CHECK(answer.get_future().get() == static_cast<uint32_t>(i) % 2);
  }
  executor.stop();
}

TEST_CASE("a timer runs on its worker, not before its time, and not when it was cancelled") {
  AsioExecutor executor(two_workers());
  executor.start();
  struct State {
    AsioExecutor* executor;
    std::promise<void> ran;
    uint64_t armed_ns = 0;
    uint64_t ran_ns = 0;
    bool cancelled_ran = false;
    bool cancelled = false;
  } state{&executor, {}, 0, 0, false, false};
  post(executor, 1, [&] {
    state.armed_ns = executor.monotonic_ns();
    const orbit_timer never = executor.after(1'000'000, [](void* ctx) { static_cast<State*>(ctx)->cancelled_ran = true; }, &state);
    executor.after(
        3'000'000,
        [](void* ctx) {
          auto* const self = static_cast<State*>(ctx);
          self->ran_ns = self->executor->monotonic_ns();
          CHECK(self->executor->current() == 1);
          self->ran.set_value();
        },
        &state);
    state.cancelled = executor.cancel(never);
  });
  state.ran.get_future().wait();
  executor.stop();
  CHECK(state.cancelled);
  CHECK_FALSE(state.cancelled_ran);
  CHECK(state.ran_ns - state.armed_ns >= 3'000'000);
}

TEST_CASE("residents step while they have more, and their rounds end") {
  struct Counting : Resident {
    bool step() noexcept override {
      if (left == 0) return false;
      --left;
      stepped_since_end = true;
      return left != 0;
    }
    void end_of_round() noexcept override {
      if (stepped_since_end) ++rounds;
      stepped_since_end = false;
      if (left == 0 && refills > 0) {
        --refills;
        left = 10;
      }
      if (left == 0 && refills == 0 && !told) {
        told = true;
        done.set_value();
      }
    }
    bool pending() const noexcept override { return left != 0; }
    int left = 10;
    int refills = 3;
    int rounds = 0;
    bool stepped_since_end = false;
    bool told = false;
    std::promise<void> done;
  } counting;
  AsioExecutor executor(two_workers());
  executor.attach(0, &counting);
  executor.start();
  counting.done.get_future().wait();
  executor.stop();
  CHECK(counting.rounds == 40);
}

TEST_CASE("the I/O pool refuses what its bounded queue cannot hold, and runs the rest") {
  AsioExecutorOptions options = two_workers();
  options.io_threads = 1;
  options.io_queue_max = 2;
  AsioExecutor executor(options);
  executor.start();
  struct Gate {
    std::promise<void> entered;
    std::promise<void> open;
    std::atomic<int> ran{0};
  } gate;
  const auto count = [](void* ctx) { ++static_cast<Gate*>(ctx)->ran; };
  CHECK(executor.blocking(
      [](void* ctx) {
        auto* const self = static_cast<Gate*>(ctx);
        self->entered.set_value();
        self->open.get_future().wait();
      },
      &gate));
  gate.entered.get_future().wait();
  CHECK(executor.blocking(count, &gate));
  CHECK(executor.blocking(count, &gate));
  CHECK_FALSE(executor.blocking(count, &gate));
  gate.open.set_value();
  executor.stop();
  CHECK(gate.ran == 2);
  CHECK_FALSE(executor.blocking(count, &gate));
}

TEST_CASE("stop runs what was queued, also what queued jobs post to workers that have left") {
  AsioExecutor executor(two_workers());
  executor.start();
  std::atomic<int> ran{0};
  std::function<void(int)> chain = [&](int left) {
    ++ran;
    if (left > 0) post(executor, static_cast<uint32_t>(left) % 2, [&chain, left] { chain(left - 1); });
  };
  for (int i = 0; i < 100; ++i) post(executor, 0, [&] { chain(20); });
  executor.stop();
  CHECK(ran == 2'100);
}

TEST_CASE("Asio objects work on a worker's context while the worker sleeps, beside posted jobs") {
  AsioExecutor executor(two_workers());
  executor.start();
  std::promise<uint32_t> fired;
  std::unique_ptr<boost::asio::steady_timer> timer;
  post(executor, 0, [&] {
    timer = std::make_unique<boost::asio::steady_timer>(executor.context(0), std::chrono::milliseconds(2));
    timer->async_wait([&](const boost::system::error_code&) { fired.set_value(executor.current()); });
  });
  CHECK(fired.get_future().get() == 0);
  std::promise<void> cancelled;
  post(executor, 0, [&] {
    timer->expires_after(std::chrono::hours(1));
    timer->async_wait([&](const boost::system::error_code& error) {
      CHECK(error == boost::asio::error::operation_aborted);
      cancelled.set_value();
    });
  });
  for (int i = 0; i < 500; ++i) {
    std::promise<void> answer;
    post(executor, 0, [&] { answer.set_value(); });
    answer.get_future().wait();
  }
  post(executor, 0, [&] { timer->cancel(); });
  cancelled.get_future().wait();
  post(executor, 0, [&] { timer.reset(); });
  executor.stop();
}

TEST_CASE("options out of bounds are refused with their value") {
  AsioExecutorOptions options;
  options.workers = 0;
  CHECK_THROWS_WITH(AsioExecutor{options}, "workers = 0: expected 1 to 1024");
}

TEST_CASE("a spinning worker gets its jobs and sleeps afterwards") {
  AsioExecutorOptions options = two_workers();
  options.spin_us = 50;
  options.pin_workers = true;
  AsioExecutor executor(options);
  executor.start();
  for (int i = 0; i < 1'000; ++i) {
    std::promise<void> answer;
    post(executor, 1, [&] { answer.set_value(); });
    answer.get_future().wait();
  }
  executor.stop();
}

TEST_CASE("a worker that lets requests gather is woken by a job at once, and looks at its sockets after a pause at the latest") {
  struct Gathering : Resident {
    bool step() noexcept override { return false; }
    void end_of_round() noexcept override {}
    bool gathers() const noexcept override { return true; }
  } gathering;
  struct Readable final : Pollable {
    void ready(uint32_t) noexcept override {
      char byte = 0;
      if (::read(fd, &byte, 1) == 1) seen->set_value();
    }
    int fd = -1;
    std::promise<void>* seen = nullptr;
  } readable;
  AsioExecutorOptions options = two_workers();
  options.spin_us = 50;
  AsioExecutor executor(options);
  executor.attach(1, &gathering);
  executor.start();
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
  readable.fd = ends[0];
  post(executor, 1, [&] { CHECK(executor.poller(1).add(ends[0], EPOLLIN, &readable) == 0); });
  for (int i = 0; i < 2'000; ++i) {
    std::promise<void> answer;
    std::promise<void> arrived;
    post(executor, 1, [&] { readable.seen = &arrived, answer.set_value(); });
    answer.get_future().wait();
    if (i % 4 != 0) continue;
    CHECK(::write(ends[1], "x", 1) == 1);
    arrived.get_future().wait();
  }
  post(executor, 1, [&] { executor.poller(1).remove(ends[0], &readable); });
  executor.stop();
  CHECK(executor.poller(0).pauses() == 0);
  CHECK(executor.poller(1).pauses() > 0);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("a worker that does not come back is interrupted, and runs the function on its own thread") {
  AsioExecutor executor(two_workers());
  struct Seen {
    AsioExecutor* executor;
    uint32_t worker = kNoWorker;
    static void look(void* ctx) {
      auto* seen = static_cast<Seen*>(ctx);
      seen->worker = seen->executor->current();
    }
  } seen{&executor};
  CHECK_FALSE(executor.interrupt(1, &Seen::look, &seen, 1'000'000'000));  // it has not started
  CHECK(executor.progress(1) % 2 == 0);
  executor.start();
  std::promise<void> burning;
  std::atomic<bool> enough{false};
  post(executor, 1, [&] {
    burning.set_value();
    while (!enough.load()) static_cast<void>(executor.monotonic_ns());
  });
  burning.get_future().wait();
  const uint64_t progress = executor.progress(1);
  CHECK(progress % 2 == 1);
  for (int i = 0; i < 100; ++i) {
    seen.worker = kNoWorker;
    REQUIRE(executor.interrupt(1, &Seen::look, &seen, 30'000'000'000));
    CHECK(seen.worker == 1);
  }
  CHECK(executor.progress(1) == progress);
  enough = true;
  while (executor.progress(1) == progress) std::this_thread::yield();
  // One that sleeps is woken for it, and sleeps on.
  REQUIRE(executor.interrupt(0, &Seen::look, &seen, 30'000'000'000));
  CHECK(seen.worker == 0);
  executor.stop();
  CHECK_FALSE(executor.interrupt(1, &Seen::look, &seen, 1'000'000'000));
}

}  // namespace orbit::kernel
