// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What random tests start from: always the same, so that a run can be repeated, unless ORBIT_TEST_SEED in the
// environment is a number, or "random".
#pragma once

#include <cstdint>
#include <cstdlib>
#include <random>
#include <string_view>

namespace orbit::testing {

inline uint64_t seed_of_this_run() {
  constexpr uint64_t kSeed = 20'000;
  const char* given = std::getenv("ORBIT_TEST_SEED");
  if (given == nullptr) return kSeed;
  static const uint64_t drawn = std::random_device{}();
  return std::string_view(given) == "random" ? drawn : std::strtoull(given, nullptr, 10);
}

}  // namespace orbit::testing
