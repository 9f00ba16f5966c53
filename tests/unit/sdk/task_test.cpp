// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>
#include <orbit/task.hpp>

#include <cstring>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

namespace {

// Resumed by the test.
struct Gate {
  std::coroutine_handle<> waiting;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) noexcept { waiting = handle; }
  void await_resume() const noexcept {}
};

orbit::Task<int> value(int v) { co_return v; }
orbit::Task<int> thrown() {
  throw std::runtime_error("inside");
  co_return 0;
}
orbit::Task<int> after(Gate& gate, int v) {
  co_await gate;
  co_return v;
}
orbit::Task<int> sum_of(int depth) {
  if (depth == 0) co_return 0;
  int below = co_await sum_of(depth - 1);
  co_return below + 1;
}

template <class T>
T finish(orbit::Task<T> task) {
  const auto frame = task.release();
  const orbit::Task<T> owner(frame);
  frame.resume();
  REQUIRE(frame.done());
  return frame.promise().take();
}

}  // namespace

TEST_CASE("a task does nothing until it is awaited") {
  bool ran = false;
  {
    auto task = [](bool* flag) -> orbit::Task<> {
      *flag = true;
      co_return;
    }(&ran);
    static_cast<void>(task);
  }
  CHECK(!ran);
}

TEST_CASE("a task's value and a task's exception reach who awaits it") {
  CHECK(finish([]() -> orbit::Task<int> {
          int a = co_await value(3);
          int b = co_await value(4);
          co_return a * b;
        }()) == 12);
  CHECK(finish([]() -> orbit::Task<int> {
          try {
            co_await thrown();
          } catch (const std::runtime_error& error) {
            co_return std::strcmp(error.what(), "inside") == 0 ? 1 : 2;
          }
          co_return 3;
        }()) == 1);
}

TEST_CASE("a value that only moves passes through a task") {
  auto made = finish([]() -> orbit::Task<std::unique_ptr<int>> { co_return std::make_unique<int>(5); }());
  CHECK(*made == 5);
}

TEST_CASE("a task that waits continues where it stopped") {
  Gate gate;
  auto task = [](Gate& g) -> orbit::Task<int> {
    int a = co_await after(g, 20);
    co_return a + 1;
  }(gate);
  const auto frame = task.release();
  frame.resume();
  REQUIRE(!frame.done());
  gate.waiting.resume();
  REQUIRE(frame.done());
  CHECK(frame.promise().take() == 21);
  frame.destroy();
}

#ifndef ORBIT_FRAME_POOL_OFF  // unoptimised sanitizer code does not keep symmetric transfer off the stack
TEST_CASE("a loop of a million awaits does not grow the stack") {
  CHECK(finish([]() -> orbit::Task<int> {
          int sum = 0;
          for (int i = 0; i < 1'000'000; ++i) sum += co_await value(1);
          co_return sum;
        }()) == 1'000'000);
}
#endif

TEST_CASE("nested tasks all finish") { CHECK(finish(sum_of(1000)) == 1000); }

TEST_CASE("a dropped task destroys what it held") {
  auto held = std::make_shared<int>(1);
  Gate gate;
  {
    auto task = [](std::shared_ptr<int> mine, Gate& g) -> orbit::Task<> {
      co_await g;
      CHECK(*mine == 1);
    }(held, gate);
    const auto frame = task.release();
    const orbit::Task<> owner(frame);
    frame.resume();
    CHECK(held.use_count() == 2);
  }
  CHECK(held.use_count() == 1);
}

TEST_CASE("the frame pool reuses memory, keeps no more than its bound, and frames may end on another thread") {
  orbit::detail::FramePool pool;
  void* first = pool.allocate(100);
  pool.release(first, 100);
  CHECK(pool.allocate(120) == first);  // the same class of 128 bytes
  pool.release(first, 120);

  std::vector<void*> many;
  for (size_t i = 0; i < orbit::detail::FramePool::kKeptBytesMax / 1024 + 100; ++i) many.push_back(pool.allocate(1024));
  for (void* memory : many) pool.release(memory, 1024);
  CHECK(pool.kept_bytes() <= orbit::detail::FramePool::kKeptBytesMax);
  CHECK(pool.kept_bytes() > orbit::detail::FramePool::kKeptBytesMax / 2);

  void* huge = pool.allocate(100'000);
  const size_t kept = pool.kept_bytes();
  pool.release(huge, 100'000);
  CHECK(pool.kept_bytes() == kept);
  pool.close();
  CHECK(pool.kept_bytes() == 0);
  pool.release(pool.allocate(64), 64);
  CHECK(pool.kept_bytes() == 0);

  void* here = orbit::detail::allocate_frame(200);
  std::thread([&] { orbit::detail::release_frame(here, 200); }).join();
}
