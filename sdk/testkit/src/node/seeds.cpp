// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "orbit/testkit/seeds.hpp"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <random>
#include <string>

#include "seeds_used.hpp"

namespace orbit::testkit {

namespace {

constexpr size_t kSeedsShown = 10;

std::optional<uint64_t> scoped_seed;
uint64_t failure_count = 0;
bool framework_prints = false;
std::vector<uint64_t>& used() {
  static std::vector<uint64_t> seeds;
  return seeds;
}

}  // namespace

bool seed_is_given() {
  const char* given = std::getenv("ORBIT_SEED");
  return given != nullptr && *given != '\0';
}

uint64_t default_seed() {
  if (scoped_seed) return *scoped_seed;
  static const uint64_t of_process = [] {
    if (seed_is_given()) return std::stoull(std::getenv("ORBIT_SEED"));
    std::random_device device;
    return static_cast<unsigned long long>(device());
  }();
  return of_process;
}

namespace detail {

SeedScope::SeedScope(uint64_t seed) noexcept : before_(scoped_seed.value_or(0)), had_before_(scoped_seed.has_value()) {
  scoped_seed = seed;
}
SeedScope::~SeedScope() {
  scoped_seed.reset();
  if (had_before_) scoped_seed = before_;
}

void note_failure() noexcept { ++failure_count; }
uint64_t failures() noexcept { return failure_count; }

void note_seed(uint64_t seed) {
  std::erase(used(), seed);
  if (used().size() == kSeedsShown) used().erase(used().begin());
  used().push_back(seed);
}
std::vector<uint64_t> seeds_used() { return used(); }
void clear_seeds_used() noexcept { used().clear(); }
void framework_prints_seeds() noexcept { framework_prints = true; }
bool seeds_are_printed() noexcept { return framework_prints; }

}  // namespace detail
}  // namespace orbit::testkit
