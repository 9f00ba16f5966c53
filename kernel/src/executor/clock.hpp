// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The system's clocks, for executors only; everybody else asks the executor.
#pragma once

#include <cstdint>
#include <ctime>

namespace orbit::kernel {

inline uint64_t system_monotonic_ns() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

inline uint64_t system_unix_ms() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000 + static_cast<uint64_t>(now.tv_nsec) / 1'000'000;
}

}  // namespace orbit::kernel
