// SPDX-License-Identifier: MIT OR BSD-3-Clause
// How long to wait before trying again: twice as long each time, up to a bound, spread by a fifth either way so that
// clients that failed together do not come back together (gRPC proposal A6).
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace orbit::client::detail {

// failures: so far, at least 1. random: uniform in [0, 1).
inline std::chrono::milliseconds backoff(std::chrono::milliseconds first, std::chrono::milliseconds most,
                                         uint32_t failures, double random) {
  auto delay = static_cast<double>(first.count());
  for (uint32_t i = 1; i < failures && delay < static_cast<double>(most.count()); ++i) delay *= 2;
  delay = std::min(delay, static_cast<double>(most.count())) * (0.8 + 0.4 * random);
  return std::chrono::milliseconds(static_cast<int64_t>(delay));
}

}  // namespace orbit::client::detail
