// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A worker's mailbox for jobs of other threads: many producers, one consumer, no lock and no allocation. A stack that the
// consumer takes whole and turns round, so that a batch costs its producer one atomic operation.
#pragma once

#include <atomic>

#include "executor/executor.hpp"

namespace orbit::kernel {

class Inbox {
 public:
  Inbox() = default;
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;

  // Adds a chain, `first` to run first. Returns true when the inbox was empty: then this producer, and only this one, has
  // to see to it that the consumer is awake. [any thread]
  bool push(Job* first, Job* last) noexcept {
    if (first != last) reverse(first, last);
    // `first` is now the bottom of the pushed part and `last` its top.
    Job* top = top_.load(std::memory_order_relaxed);
    do {
      first->next = top;
    } while (!top_.compare_exchange_weak(top, last, std::memory_order_seq_cst, std::memory_order_relaxed));
    return top == nullptr;
  }

  // All jobs so far, in the order of posting, or null. [consumer]
  Job* take() noexcept {
    Job* job = top_.load(std::memory_order_relaxed);
    if (job == nullptr) return nullptr;
    // It comes from another core's cache, and so does what lies behind it: while this one gets the inbox for itself.
    const auto* lines = reinterpret_cast<const char*>(job);
    __builtin_prefetch(lines, 1);
    __builtin_prefetch(lines + 64, 1);
    __builtin_prefetch(lines + 128, 1);
    job = top_.exchange(nullptr, std::memory_order_acquire);
    Job* ordered = nullptr;
    while (job != nullptr) {
      Job* const below = job->next;
      job->next = ordered;
      ordered = job;
      job = below;
    }
    return ordered;
  }

  // A glance, for one who looks again and again. [any thread]
  bool looks_empty() const noexcept { return top_.load(std::memory_order_relaxed) == nullptr; }
  // Sequentially consistent, because the decision to sleep hangs on it. [any thread]
  bool empty() const noexcept { return top_.load(std::memory_order_seq_cst) == nullptr; }

 private:
  static void reverse(Job* first, Job* last) noexcept {
    Job* previous = nullptr;
    for (Job* job = first;;) {
      Job* const next = job->next;
      job->next = previous;
      if (job == last) return;
      previous = job;
      job = next;
    }
  }

  alignas(64) std::atomic<Job*> top_{nullptr};
};

// Runs a chain that take() returned. The job frees itself, so its successor is read first.
inline void run_jobs(Job* job) noexcept {
  while (job != nullptr) {
    Job* const next = job->next;
    job->run(job);
    job = next;
  }
}

}  // namespace orbit::kernel
