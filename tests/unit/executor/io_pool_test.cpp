// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "executor/io_pool.hpp"

#include <doctest/doctest.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <latch>

namespace orbit::kernel {

namespace {

// As Linux defines sched_attr; see io_pool.cpp.
struct Attributes {
  uint32_t size;
  uint32_t policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime_ns;
  uint64_t deadline_ns;
  uint64_t period_ns;
};

Attributes attributes_of_this_thread() {
  Attributes attributes{};
  REQUIRE(::syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) == 0);
  return attributes;
}

// Asked of a thread that has not asked for anything: 0 from a Linux that does not know slices of one thread.
bool linux_knows_slices() { return attributes_of_this_thread().runtime_ns != 0; }

}  // namespace

TEST_CASE("what may block runs on threads that ask for short slices of time and are otherwise as those that started them") {
  struct Seen {
    Attributes attributes{};
    std::latch done{1};
  } seen;
  IoPool pool(1, 8);
  pool.start();
  REQUIRE(pool.submit(
      [](void* ctx) {
        auto& mine = *static_cast<Seen*>(ctx);
        mine.attributes = attributes_of_this_thread();
        mine.done.count_down();
      },
      &seen));
  seen.done.wait();
  pool.stop();
  const Attributes here = attributes_of_this_thread();
  CHECK(seen.attributes.policy == here.policy);
  CHECK(seen.attributes.nice == here.nice);
  if (here.policy != SCHED_OTHER || !linux_knows_slices()) {
    MESSAGE("this Linux has no slices of one thread (6.12 has): only policy and nice were looked at");
    return;
  }
  CHECK(seen.attributes.runtime_ns == 100'000);
  CHECK(here.runtime_ns > 100'000);
}

}  // namespace orbit::kernel
