// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A worker's own level-triggered epoll set: connections, listeners and the wake-up call of other threads. It lies beside
// Asio's reactor because that one costs a socket an additional system call per read (docs/adr/0001).
#pragma once

#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace orbit::kernel {

// What owns a watched descriptor.
class Pollable {
 public:
  // `events` are epoll's. May add, modify and remove any descriptor of the same poller. [worker]
  virtual void ready(uint32_t events) noexcept = 0;

 protected:
  ~Pollable() = default;
};

class Poller {
 public:
  // Throws std::system_error when the system refuses the descriptors.
  Poller();
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  // Returns 0 or errno. The pollable must stay until remove. [worker]
  int add(int fd, uint32_t events, Pollable* pollable) noexcept;
  void modify(int fd, uint32_t events, Pollable* pollable) noexcept;
  // Before the descriptor is closed. Events of it that were fetched already are dropped. [worker]
  void remove(int fd, Pollable* pollable) noexcept;

  // Waits at most timeout_ns (0: not at all, negative: without bound) and hands events to their owners. Returns how many.
  // [worker]
  size_t wait(int64_t timeout_ns) noexcept;
  // Waits for wake() alone, at most timeout_ns, if `still` says so after calls of wake() from before were forgotten. [worker]
  template <class Still>
  void wait_for_wake(int64_t timeout_ns, Still&& still) noexcept {
    forget_wakes();
    if (!still()) return;
    ++pauses_;
    sleep_until_wake(timeout_ns);
  }
  // Ends the wait that goes on, or the next one. [any thread]
  void wake() noexcept;

  // Odd between two waits, even in one and before the first; see Executor::progress. [any thread]
  uint64_t progress() const noexcept { return progress_.load(std::memory_order_relaxed); }
  // Around a wait in another reactor; wait() does the same. [worker]
  void begin_wait() noexcept { progress_.store((progress() + 1) & ~uint64_t{1}, std::memory_order_relaxed); }
  void end_wait() noexcept { progress_.store(progress() | 1, std::memory_order_relaxed); }

  // Readable when wait would not block; for sleeping in another reactor.
  int fd() const noexcept { return epoll_fd_; }
  size_t watched() const noexcept { return watched_; }
  // How many waits were for wake() alone. [worker]
  uint64_t pauses() const noexcept { return pauses_; }

 private:
  int fetch(int64_t timeout_ns) noexcept;
  void forget_wakes() noexcept;
  void sleep_until_wake(int64_t timeout_ns) noexcept;

  static constexpr int kEventsMax = 256;
  int epoll_fd_ = -1;
  int wake_fd_ = -1;
  size_t watched_ = 0;
  uint64_t pauses_ = 0;
  std::atomic<uint64_t> progress_{0};
  int cursor_ = 0;
  int count_ = 0;
  bool nanoseconds_ = true;
  std::array<epoll_event, kEventsMax> events_;
};

}  // namespace orbit::kernel
