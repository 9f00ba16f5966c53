// SPDX-License-Identifier: MIT OR BSD-3-Clause
// How many calls may be made again: a token bucket that all calls of a client share, so that retries stay a fraction of
// the calls when a node is in trouble. The rule is that of Finagle's RetryBudget (a share of the calls, and a few each
// second whatever happens); gRPC's retry throttling (proposal A6) has the same purpose.
#pragma once

#include <algorithm>
#include <chrono>
#include <mutex>

namespace orbit::client::detail {

class RetryBudget {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // Begins with what a second gives.
  RetryBudget(double per_call, double per_second, double saved_max, Time now)
      : per_call_(per_call),
        per_second_(per_second),
        saved_max_(saved_max),
        saved_(std::min(per_second, saved_max)),
        at_(now) {}

  // A call begins. [any thread]
  void called(Time now) {
    const std::lock_guard lock(mutex_);
    pass(now);
    saved_ = std::min(saved_ + per_call_, saved_max_);
  }
  // Whether one call may be made again. [any thread]
  bool take(Time now) {
    const std::lock_guard lock(mutex_);
    pass(now);
    if (saved_ < 1) return false;
    saved_ -= 1;
    return true;
  }

 private:
  void pass(Time now) {
    if (now <= at_) return;
    saved_ = std::min(saved_ + std::chrono::duration<double>(now - at_).count() * per_second_, saved_max_);
    at_ = now;
  }

  const double per_call_;
  const double per_second_;
  const double saved_max_;
  std::mutex mutex_;
  double saved_;
  Time at_;
};

}  // namespace orbit::client::detail
