// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>

#include <cstring>

#include "clock.hpp"
#include "stream/stream_actor.hpp"

namespace sdk_time {
namespace {

orbit::kernel::Executor* the_executor = nullptr;

const orbit_workers_v1 kWorkers = {
    .struct_size = sizeof(orbit_workers_v1),
    .reserved = 0,
    .count = [](const orbit_host*) { return the_executor->workers(); },
    .current = [](const orbit_host*) { return the_executor->current(); },
    .post = nullptr,
    .after = nullptr,
    .cancel = nullptr,
    .blocking = nullptr,
    .monotonic_ns = [](const orbit_host*) { return the_executor->monotonic_ns(); },
    .unix_ms = [](const orbit_host*) { return the_executor->unix_ms(); },
    .random = [](const orbit_host*) { return the_executor->random(); },
};

const void* get_extension(const orbit_host*, const char* id) {
  if (std::strcmp(id, ORBIT_ACTORS_V1) == 0) return orbit::kernel::Runtime::api();
  if (std::strcmp(id, ORBIT_WORKERS_V1) == 0) return &kWorkers;
  if (std::strcmp(id, ORBIT_STREAMS_V1) == 0) return orbit::kernel::streams_table();
  return nullptr;
}

const orbit_host kHost = {sizeof(orbit_host), ORBIT_ABI_MAJOR, ORBIT_ABI_MINOR, &get_extension};

}  // namespace

ClockNode::ClockNode(test::Disk& disk, uint64_t seed, uint32_t workers, std::vector<const orbit_actor_type*> more)
    : SimNode(disk, seed, workers) {
  the_executor = &executor;
  REQUIRE(orbit::connect_module(&kHost));
  more.push_back(orbit::detail::actor_type<ClockActor>());
  more.push_back(orbit::detail::actor_type<LazyClockActor>());
  REQUIRE(runtime.publish_module("sdk", "1", "sdk.so", more));
  runtime.start();
}

}  // namespace sdk_time
