// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "loop.hpp"

#include <grpcpp/alarm.h>

namespace orbit::client::detail {

namespace {
constexpr std::chrono::milliseconds kWatchSlice{250};
constexpr std::chrono::hours kNothingDue{1};
}  // namespace

// What the completion queue gives back. Deletes itself.
struct Loop::Event {
  Function function;
  std::unique_ptr<grpc::Alarm> alarm = {};
};

Loop::Loop() : thread_([this] { run(); }) {}

Loop::~Loop() { stop(); }

uint64_t Loop::at(Clock::time_point when, Function function) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return 0;
  const uint64_t id = ++last_timer_;
  const auto place = due_.emplace(when, id);
  timers_.emplace(id, std::pair(place, std::move(function)));
  if (place == due_.begin()) wake();
  return id;
}

void Loop::cancel(uint64_t timer) {
  Function dropped;  // its destructor may come back here
  const std::lock_guard lock(mutex_);
  const auto found = timers_.find(timer);
  if (found == timers_.end()) return;
  dropped = std::move(found->second.second);
  due_.erase(found->second.first);
  timers_.erase(found);
}

bool Loop::watch(grpc::Channel& channel, grpc_connectivity_state state, Function function) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return false;
  channel.NotifyOnStateChange(state, std::chrono::system_clock::now() + kWatchSlice, &queue_,
                              new Event{std::move(function)});
  return true;
}

// Under mutex_.
void Loop::wake() {
  if (waking_) return;
  waking_ = true;
  auto* event = new Event{[this] {
                            const std::lock_guard lock(mutex_);
                            waking_ = false;
                          },
                          std::make_unique<grpc::Alarm>()};
  event->alarm->Set(&queue_, std::chrono::system_clock::now(), event);
}

void Loop::stop() {
  {
    const std::lock_guard lock(mutex_);
    if (!stopping_) {
      stopping_ = true;
      wake();
    }
  }
  if (thread_.joinable()) thread_.join();
  const std::lock_guard lock(mutex_);
  due_.clear();
}

void Loop::run() {
  for (;;) {
    Clock::duration left = kNothingDue;
    Function function;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) break;
      if (!due_.empty()) {
        left = due_.begin()->first - Clock::now();
        if (left <= Clock::duration::zero()) {
          const auto found = timers_.find(due_.begin()->second);
          function = std::move(found->second.second);
          timers_.erase(found);
          due_.erase(due_.begin());
        }
      }
    }
    if (function) {
      function();
      continue;
    }
    void* tag = nullptr;
    bool ok = false;
    const auto until =
        std::chrono::system_clock::now() + std::chrono::duration_cast<std::chrono::system_clock::duration>(left);
    if (queue_.AsyncNext(&tag, &ok, until) != grpc::CompletionQueue::GOT_EVENT) continue;
    const std::unique_ptr<Event> event(static_cast<Event*>(tag));
    event->function();
  }
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) delete static_cast<Event*>(tag);
  decltype(timers_) dropped;  // their destructors may come back here
  const std::lock_guard lock(mutex_);
  dropped.swap(timers_);
}

}  // namespace orbit::client::detail
