// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The client's own thread: timers, and what becomes of connections that somebody waits for.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/completion_queue.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>

namespace orbit::client::detail {

class Loop {
 public:
  using Clock = std::chrono::steady_clock;
  using Function = std::function<void()>;

  Loop();
  // stop().
  ~Loop();

  // Runs it on the loop at that time; 0 when the loop has stopped, and it never runs. [any thread]
  uint64_t at(Clock::time_point when, Function function);
  // It will not run any more, unless it runs now. [any thread]
  void cancel(uint64_t timer);
  // Runs it on the loop when the channel's state is no longer that one, or a quarter of a second later: a watch cannot
  // be taken back, and a stop waits for it. False: the loop has stopped. [any thread]
  bool watch(grpc::Channel& channel, grpc_connectivity_state state, Function function);
  // Nothing runs any more when it returns; what waits is dropped. [any thread but the loop's]
  void stop();

 private:
  struct Event;
  void run();
  void wake();

  grpc::CompletionQueue queue_;
  std::mutex mutex_;
  std::multimap<Clock::time_point, uint64_t> due_;
  std::unordered_map<uint64_t, std::pair<std::multimap<Clock::time_point, uint64_t>::iterator, Function>> timers_;
  uint64_t last_timer_ = 0;
  bool waking_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace orbit::client::detail
