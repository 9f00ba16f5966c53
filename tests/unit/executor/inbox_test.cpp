// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "executor/inbox.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <thread>
#include <vector>

namespace orbit::kernel {

namespace {
struct Numbered : Job {
  uint32_t producer = 0;
  uint32_t number = 0;
};
}  // namespace

TEST_CASE("an inbox gives chains and single jobs back in the order of posting") {
  Inbox inbox;
  std::vector<Numbered> jobs(6);
  for (uint32_t i = 0; i < jobs.size(); ++i) jobs[i].number = i;
  CHECK(inbox.push(&jobs[0], &jobs[0]));
  jobs[1].next = &jobs[2];
  jobs[2].next = &jobs[3];
  CHECK_FALSE(inbox.push(&jobs[1], &jobs[3]));
  CHECK_FALSE(inbox.push(&jobs[4], &jobs[4]));
  CHECK_FALSE(inbox.empty());
  uint32_t expected = 0;
  for (Job* job = inbox.take(); job != nullptr; job = job->next)
    CHECK(static_cast<Numbered*>(job)->number == expected++);
  CHECK(expected == 5);
  CHECK(inbox.empty());
  CHECK(inbox.take() == nullptr);
  CHECK(inbox.push(&jobs[5], &jobs[5]));
}

TEST_CASE("an inbox keeps the order of every producer when many post at once") {
  constexpr uint32_t kProducers = 4;
  constexpr uint32_t kJobs = 30'000;
  Inbox inbox;
  std::vector<std::vector<Numbered>> jobs(kProducers, std::vector<Numbered>(kJobs));
  std::vector<std::thread> producers;
  for (uint32_t p = 0; p < kProducers; ++p) {
    producers.emplace_back([&inbox, &mine = jobs[p], p] {
      for (uint32_t i = 0; i < kJobs;) {
        const uint32_t batch = std::min(kJobs - i, 1 + (i + p) % 5);
        for (uint32_t k = 0; k < batch; ++k) {
          mine[i + k].producer = p;
          mine[i + k].number = i + k;
          mine[i + k].next = k + 1 < batch ? &mine[i + k + 1] : nullptr;
        }
        inbox.push(&mine[i], &mine[i + batch - 1]);
        i += batch;
      }
    });
  }
  std::vector<uint32_t> next(kProducers, 0);
  uint32_t taken = 0;
  bool ordered = true;
  while (taken < kProducers * kJobs) {
    Job* job = inbox.take();
    if (job == nullptr) std::this_thread::yield();
    for (; job != nullptr; job = job->next, ++taken) {
      const auto* const numbered = static_cast<Numbered*>(job);
      ordered &= numbered->number == next[numbered->producer]++;
    }
  }
  for (std::thread& producer : producers) producer.join();
  CHECK(ordered);
  CHECK(inbox.empty());
}

}  // namespace orbit::kernel
