// SPDX-License-Identifier: MIT OR BSD-3-Clause
// When calls are made again, and when leases are renewed; time is a number here.
#include <doctest/doctest.h>

#include "backoff.hpp"
#include "keeper.hpp"
#include "retry_budget.hpp"

using namespace std::chrono_literals;
using orbit::client::detail::backoff;
using orbit::client::detail::RetryBudget;

namespace {

RetryBudget::Time at(std::chrono::milliseconds time) { return RetryBudget::Time(time); }

int taken(RetryBudget& budget, RetryBudget::Time now) {
  int count = 0;
  while (count < 100'000 && budget.take(now)) ++count;
  return count;
}

}  // namespace

TEST_CASE("a budget begins with what a second gives, and no more") {
  RetryBudget budget(0.2, 10, 100, at(0ms));
  CHECK(taken(budget, at(0ms)) == 10);
  CHECK_FALSE(budget.take(at(50ms)));
}

TEST_CASE("of calls that come, a fifth may be made again") {
  RetryBudget budget(0.2, 0, 1000, at(0ms));
  CHECK(taken(budget, at(0ms)) == 0);
  for (int i = 0; i < 1000; ++i) budget.called(at(0ms));
  // A fifth is no binary number: the sum of a thousand of them may be a little less than 200.
  const int count = taken(budget, at(0ms));
  CHECK(count >= 199);
  CHECK(count <= 200);
}

TEST_CASE("a quiet client keeps a few retries a second, and saves no more than its bound") {
  RetryBudget budget(0.2, 10, 25, at(0ms));
  CHECK(taken(budget, at(0ms)) == 10);
  CHECK(taken(budget, at(1000ms)) == 10);
  CHECK(taken(budget, at(1500ms)) == 5);
  CHECK(taken(budget, at(3'600'000ms)) == 25);
}

TEST_CASE("a clock that stands still or is read late gives nothing") {
  RetryBudget budget(0, 10, 100, at(1000ms));
  CHECK(taken(budget, at(1000ms)) == 10);
  CHECK(taken(budget, at(500ms)) == 0);
  CHECK(taken(budget, at(1000ms)) == 0);
}

TEST_CASE("back-off doubles up to its bound, and is spread by a fifth either way") {
  for (const auto& [failures, middle] : {std::pair{1u, 50}, {2u, 100}, {3u, 200}, {5u, 800}, {6u, 1000}, {40u, 1000}}) {
    CAPTURE(failures);
    CHECK(backoff(50ms, 1000ms, failures, 0.5).count() == middle);
    CHECK(backoff(50ms, 1000ms, failures, 0).count() == middle * 8 / 10);
    CHECK(backoff(50ms, 1000ms, failures, 0.999999).count() <= middle * 12 / 10);
    CHECK(backoff(50ms, 1000ms, failures, 0.999999).count() >= middle * 12 / 10 - 1);
  }
}

TEST_CASE("a lease is renewed after a third of it, and soon again when that failed") {
  using namespace orbit::client::detail;
  CHECK(renewal_after(at(1000ms), 60s) == at(21'000ms));
  CHECK(renewal_after_failure(at(0ms), 6s) == at(1000ms));
  CHECK(renewal_after_failure(at(0ms), 60ms) == at(200ms));
  CHECK(renewal_after_failure(at(0ms), 600s) == at(5000ms));
}
