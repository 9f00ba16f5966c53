// SPDX-License-Identifier: MIT OR BSD-3-Clause
// From gRPC's threads to the workers: what arrives while a worker has not yet looked is handed over with one wake-up.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "orbit/ext/workers.h"

namespace orbit::grpc_wire {

// A piece of work for a worker. In one queue at a time.
class Job {
 public:
  virtual void run() noexcept = 0;  // [worker] may delete the job

 protected:
  Job() = default;
  ~Job() = default;

 private:
  friend class Handover;
  Job* next_ = nullptr;
};

class Handover {
 public:
  Handover(const orbit_workers_v1& workers, const orbit_host* host)
      : workers_(workers), host_(host), count_(workers.count(host)), inboxes_(std::make_unique<Inbox[]>(count_)) {
    for (uint32_t i = 0; i < count_; ++i) inboxes_[i].self = this, inboxes_[i].worker = i;
  }

  uint32_t count() const noexcept { return count_; }
  // Runs the job on that worker soon, in order of pushing per thread. [any thread]
  void push(uint32_t worker, Job* job) noexcept {
    Inbox& inbox = inboxes_[worker];
    Job* head = inbox.head.load(std::memory_order_relaxed);
    do job->next_ = head;
    while (!inbox.head.compare_exchange_weak(head, job, std::memory_order_release, std::memory_order_relaxed));
    // Whoever finds it empty wakes the worker; the others ride along.
    if (head == nullptr) workers_.post(host_, worker, &drain, &inbox);
  }

 private:
  struct alignas(64) Inbox {
    std::atomic<Job*> head{nullptr};
    Handover* self = nullptr;
    uint32_t worker = 0;
  };

  static void drain(void* ctx) {
    auto* inbox = static_cast<Inbox*>(ctx);
    Job* newest = inbox->head.exchange(nullptr, std::memory_order_acquire);
    Job* oldest = nullptr;
    while (newest != nullptr) {
      Job* next = newest->next_;
      newest->next_ = oldest;
      oldest = newest;
      newest = next;
    }
    while (oldest != nullptr) {
      Job* next = oldest->next_;  // run may delete it, or push it again
      oldest->run();
      oldest = next;
    }
  }

  const orbit_workers_v1& workers_;
  const orbit_host* host_;
  uint32_t count_;
  std::unique_ptr<Inbox[]> inboxes_;
};

}  // namespace orbit::grpc_wire
