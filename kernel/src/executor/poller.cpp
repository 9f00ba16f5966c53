// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "executor/poller.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <ctime>
#include <system_error>

namespace orbit::kernel {

Poller::Poller() : epoll_fd_(::epoll_create1(EPOLL_CLOEXEC)), wake_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  // Edge-triggered: every write is an event, and the counter is read back by nobody but wait_for_wake.
  epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.ptr = nullptr}};
  if (epoll_fd_ < 0 || wake_fd_ < 0 || ::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, wake_fd_, &event) != 0) {
    const int error = errno;
    if (epoll_fd_ >= 0) ::close(epoll_fd_);
    if (wake_fd_ >= 0) ::close(wake_fd_);
    throw std::system_error(error, std::generic_category(), "cannot make a worker's epoll set");
  }
}

Poller::~Poller() {
  ::close(wake_fd_);
  ::close(epoll_fd_);
}

int Poller::add(int fd, uint32_t events, Pollable* pollable) noexcept {
  epoll_event event{.events = events, .data = {.ptr = pollable}};
  if (::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) != 0) return errno;
  ++watched_;
  return 0;
}

void Poller::modify(int fd, uint32_t events, Pollable* pollable) noexcept {
  epoll_event event{.events = events, .data = {.ptr = pollable}};
  ::epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, fd, &event);
}

void Poller::remove(int fd, Pollable* pollable) noexcept {
  if (::epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr) == 0) --watched_;
  for (int i = cursor_; i < count_; ++i)
    if (events_[i].data.ptr == pollable) events_[i].data.ptr = nullptr;
}

int Poller::fetch(int64_t timeout_ns) noexcept {
  if (timeout_ns > 0 && nanoseconds_) {
    const timespec timeout{.tv_sec = timeout_ns / 1'000'000'000, .tv_nsec = timeout_ns % 1'000'000'000};
    const int count = ::epoll_pwait2(epoll_fd_, events_.data(), kEventsMax, &timeout, nullptr);
    if (count >= 0 || (errno != ENOSYS && errno != EPERM)) return count;
    nanoseconds_ = false;  // an old kernel or a container's filter
  }
  const int64_t timeout_ms = timeout_ns <= 0 ? (timeout_ns < 0 ? -1 : 0) : (timeout_ns + 999'999) / 1'000'000;
  return ::epoll_wait(epoll_fd_, events_.data(), kEventsMax, static_cast<int>(std::min<int64_t>(timeout_ms, INT_MAX)));
}

size_t Poller::wait(int64_t timeout_ns) noexcept {
  begin_wait();
  count_ = std::max(fetch(timeout_ns), 0);
  end_wait();
  for (cursor_ = 0; cursor_ < count_;) {
    const epoll_event event = events_[cursor_++];
    if (event.data.ptr != nullptr) static_cast<Pollable*>(event.data.ptr)->ready(event.events);
  }
  const auto handled = static_cast<size_t>(count_);
  count_ = cursor_ = 0;
  return handled;
}

void Poller::forget_wakes() noexcept {
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = ::read(wake_fd_, &count, sizeof count);
}

void Poller::sleep_until_wake(int64_t timeout_ns) noexcept {
  pollfd woken{.fd = wake_fd_, .events = POLLIN, .revents = 0};
  const timespec timeout{.tv_sec = timeout_ns / 1'000'000'000, .tv_nsec = timeout_ns % 1'000'000'000};
  begin_wait();
  ::ppoll(&woken, 1, &timeout, nullptr);
  end_wait();
}

void Poller::wake() noexcept {
  const uint64_t one = 1;
  // Fails only when the counter is at its maximum, and then the event is there.
  [[maybe_unused]] const ssize_t written = ::write(wake_fd_, &one, sizeof one);
}

}  // namespace orbit::kernel
