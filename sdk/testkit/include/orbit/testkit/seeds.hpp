// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Seeds of tests. A test that was given no seed takes the environment's ORBIT_SEED, or one at random; one that fails
// prints it (orbit/testkit/doctest.hpp), and ORBIT_SEED=... runs the same again.
#pragma once

#include <cstdint>
#include <vector>

#include "api.hpp"

namespace orbit::testkit {

// What a Node without a seed of its own takes: the seed of the innermost for_seeds, else one for the whole process.
ORBIT_TESTKIT_API uint64_t default_seed();
// Whether ORBIT_SEED is set: for_seeds then runs that one only, and what needs many seeds to show does not.
ORBIT_TESTKIT_API bool seed_is_given();

namespace detail {

// Makes `seed` the default for a scope.
class ORBIT_TESTKIT_API SeedScope {
 public:
  explicit SeedScope(uint64_t seed) noexcept;
  ~SeedScope();
  SeedScope(const SeedScope&) = delete;
  SeedScope& operator=(const SeedScope&) = delete;

 private:
  uint64_t before_;
  bool had_before_;
};

// Told by the test framework: a check failed; how often so far.
ORBIT_TESTKIT_API void note_failure() noexcept;
ORBIT_TESTKIT_API uint64_t failures() noexcept;
// The seeds of the nodes made since clear_seeds_used, without repetition, the latest last; at most the last ten.
ORBIT_TESTKIT_API std::vector<uint64_t> seeds_used();
ORBIT_TESTKIT_API void clear_seeds_used() noexcept;
// The framework prints seeds_used itself when a test fails.
ORBIT_TESTKIT_API void framework_prints_seeds() noexcept;

}  // namespace detail

// Runs body(seed) with the seeds 1 to count, each the default of the nodes made inside; stops after the first that
// fails. With ORBIT_SEED set, with that one only.
template <class Body>
void for_seeds(uint64_t count, Body&& body) {
  const uint64_t before = detail::failures();
  const bool given = seed_is_given();
  for (uint64_t i = 1; i <= (given ? 1 : count) && detail::failures() == before; ++i) {
    const uint64_t seed = given ? default_seed() : i;
    const detail::SeedScope scope(seed);
    detail::clear_seeds_used();  // of those that did not fail
    body(seed);
  }
}

}  // namespace orbit::testkit
