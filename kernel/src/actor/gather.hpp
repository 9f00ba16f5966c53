// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Asks all workers for something that takes them a while, in parts, and does not wait for one that does not come to it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "actor/waits.hpp"
#include "executor/executor.hpp"

namespace orbit::kernel {

class Runtime;
class Scheduler;

class Gather {
 public:
  // Does a part of its worker's share; true: that was all. What it fills in belongs to its worker until `then` says that it
  // answered. [each worker]
  using Part = std::function<bool(Scheduler&)>;
  // Who did not come to its next part within kPatienceNs; those may still be at it, when they wake up. [the asking worker]
  using Then = std::function<void(const std::vector<uint32_t>& silent)>;
  static constexpr uint64_t kPatienceNs = 250'000'000;

  static void start(Runtime& runtime, Part part, Then then);  // [worker]

  Gather(Runtime& runtime, uint32_t home, Part part, Then then);

 private:
  using Ptr = std::shared_ptr<Gather>;
  static void go_on(const Ptr& self, uint32_t worker);
  static void arrived(const Ptr& self, uint32_t worker);
  static void arm(const Ptr& self);
  static void look(const Ptr& self);
  void finish();

  Runtime& runtime_;
  const uint32_t home_;
  const Part part_;
  Then then_;
  std::atomic<bool> over_{false};
  std::vector<std::atomic<uint32_t>> parts_;  // done, by worker
  std::vector<uint32_t> seen_;
  std::vector<bool> answered_;
  uint32_t left_;
  orbit_timer timer_ = 0;
  std::unique_ptr<Ptr> timers_ptr_;
};

// What each of these workers runs, one that cannot be looked at as one that runs nothing of an actor. Not for the caller's own.
// [worker]
void look_inside(Runtime& runtime, std::vector<uint32_t> workers, std::function<void(std::vector<Running>)> then);

}  // namespace orbit::kernel
