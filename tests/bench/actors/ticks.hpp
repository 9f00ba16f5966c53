// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A clock that is cheap beside a message between actors.
#pragma once

#include <chrono>
#include <cstdint>

namespace bench {

inline uint64_t ticks() noexcept {
#if defined(__x86_64__)
  return __builtin_ia32_rdtsc();
#else
  return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
#endif
}

// Takes some 50 ms.
inline double ticks_per_ns() {
  using Clock = std::chrono::steady_clock;
  const auto begin = Clock::now();
  const uint64_t first = ticks();
  while (Clock::now() - begin < std::chrono::milliseconds(50)) {
  }
  const uint64_t last = ticks();
  return static_cast<double>(last - first) /
         static_cast<double>(std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - begin).count());
}

}  // namespace bench
