// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>

#include <array>
#include <vector>

#include "pick.hpp"

using orbit::client::detail::Candidate;
using orbit::client::detail::pick_least_loaded;

TEST_CASE("a call goes to the ready connection with the least to do") {
  const std::vector<Candidate> candidates = {{true, 3}, {false, 0}, {true, 1}, {true, 2}};
  for (size_t start = 0; start < 4; ++start) CHECK(pick_least_loaded(candidates, start) == 2);
}

TEST_CASE("connections with equally much to do take turns") {
  const std::vector<Candidate> candidates = {{true, 1}, {true, 1}, {true, 1}};
  for (size_t start = 0; start < 6; ++start) CHECK(pick_least_loaded(candidates, start) == start % 3);
}

TEST_CASE("without a ready connection there is none to take") {
  CHECK_FALSE(pick_least_loaded(std::vector<Candidate>{{false, 0}, {false, 0}}, 1));
  CHECK_FALSE(pick_least_loaded({}, 0));
}

TEST_CASE("calls that come at once spread evenly") {
  std::array<Candidate, 5> candidates;
  for (Candidate& candidate : candidates) candidate.ready = true;
  for (size_t i = 0; i < 1000; ++i) ++candidates[*pick_least_loaded(candidates, i * 7)].load;
  for (const Candidate& candidate : candidates) CHECK(candidate.load == 200);
}
