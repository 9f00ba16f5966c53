// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>

#include <future>
#include <memory>
#include <thread>

#include "plugin/bounded_call.hpp"

using orbit::kernel::BoundedCaller;

TEST_CASE("calls run one after another on one helper thread") {
  BoundedCaller caller;
  std::thread::id first;
  std::thread::id second;
  CHECK(caller.call(std::chrono::minutes(1), [&first] { first = std::this_thread::get_id(); }));
  CHECK(caller.call(std::chrono::minutes(1), [&second] { second = std::this_thread::get_id(); }));
  CHECK(first == second);
  CHECK(first != std::this_thread::get_id());
}

TEST_CASE("a call that does not return is abandoned, and the next one gets a new thread") {
  BoundedCaller caller;
  auto release = std::make_shared<std::promise<void>>();
  auto released = std::make_shared<std::promise<void>>();
  CHECK_FALSE(caller.call(std::chrono::milliseconds(1), [release, released] {
    release->get_future().wait();
    released->set_value();
  }));
  CHECK(caller.abandoned() == 1);
  bool ran = false;
  CHECK(caller.call(std::chrono::minutes(1), [&ran] { ran = true; }));
  CHECK(ran);
  release->set_value();
  released->get_future().wait();
  CHECK(caller.abandoned() == 1);
}
