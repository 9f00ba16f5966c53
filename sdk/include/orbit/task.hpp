// SPDX-License-Identifier: MIT OR BSD-3-Clause
// orbit::Task<T>: what a method that waits for others returns.
//
//   orbit::Task<TransferReply> transfer(const TransferRequest& request) {
//     Account to(request.to());
//     DepositReply reply = co_await to.deposit(...);      // other actors run meanwhile; this one takes no other turn
//     co_return ...;
//   }
//
// Lazy: nothing runs until it is awaited (or until the node runs it as a turn). Belongs to one worker; resumes where it
// waited for, by symmetric transfer, so chains of tasks do not grow the stack. Exceptions pass to who awaits. A task that is
// dropped before its end destroys what it held; drop none that waits for a call.
#pragma once

#include <coroutine>
#include <exception>
#include <utility>
#include <variant>

#include "detail/frame_pool.hpp"
#include "result.hpp"

namespace orbit {

template <class T>
class Task;

namespace detail {

class PromiseBase {
 public:
  // Called instead of a continuation when the task was run as a turn and did not end at once.
  using TurnEnd = void (*)(void* actor, void* envelope, std::coroutine_handle<> frame) noexcept;

  static void* operator new(size_t size) { return allocate_frame(size); }
  static void operator delete(void* memory, size_t size) noexcept { release_frame(memory, size); }

  std::suspend_always initial_suspend() const noexcept { return {}; }

  struct FinalAwaiter {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> frame) const noexcept {
      PromiseBase& promise = frame.promise();
      if (promise.turn_end_ != nullptr) {
        promise.turn_end_(promise.actor_, promise.envelope_, frame);  // destroys the frame
        return std::noop_coroutine();
      }
      return promise.continuation_;
    }
    void await_resume() const noexcept {}
  };
  FinalAwaiter final_suspend() const noexcept { return {}; }

  void continue_with(std::coroutine_handle<> continuation) noexcept { continuation_ = continuation; }
  void end_turn_with(TurnEnd turn_end, void* actor, void* envelope) noexcept {
    turn_end_ = turn_end;
    actor_ = actor;
    envelope_ = envelope;
  }

  // The open turns of one actor, as a list.
  const void* turn() const noexcept { return envelope_; }
  void link(PromiseBase** head, std::coroutine_handle<> frame) noexcept {
    frame_ = frame;
    next_ = *head;
    *head = this;
  }
  void unlink(PromiseBase** head) noexcept {
    while (*head != this) head = &(*head)->next_;
    *head = next_;
  }
  static void destroy_all(PromiseBase* head) noexcept {
    while (head != nullptr) {
      PromiseBase* const next = head->next_;
      head->frame_.destroy();
      head = next;
    }
  }

 private:
  std::coroutine_handle<> continuation_ = std::noop_coroutine();
  PromiseBase* next_ = nullptr;
  std::coroutine_handle<> frame_;
  TurnEnd turn_end_ = nullptr;
  void* actor_ = nullptr;
  void* envelope_ = nullptr;
};

template <class T>
class Promise final : public PromiseBase {
 public:
  Task<T> get_return_object() noexcept;
  void unhandled_exception() noexcept { result_.template emplace<2>(std::current_exception()); }
  template <class U>
    requires std::convertible_to<U&&, T>
  void return_value(U&& value) {
    result_.template emplace<1>(std::forward<U>(value));
  }
  T take() {
    if (result_.index() == 2) std::rethrow_exception(std::get<2>(result_));
    return std::move(std::get<1>(result_));
  }

 private:
  std::variant<std::monostate, T, std::exception_ptr> result_;
};

template <>
class Promise<void> final : public PromiseBase {
 public:
  Task<void> get_return_object() noexcept;
  void unhandled_exception() noexcept { exception_ = std::current_exception(); }
  void return_void() const noexcept {}
  void take() const {
    if (exception_) std::rethrow_exception(exception_);
  }

 private:
  std::exception_ptr exception_;
};

}  // namespace detail

template <class T = void>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  explicit Task(Handle frame) noexcept : frame_(frame) {}
  Task(Task&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(frame_, other.frame_);
    return *this;
  }
  ~Task() {
    if (frame_) frame_.destroy();
  }

  // Hands the frame over; the caller starts and destroys it.
  Handle release() noexcept { return std::exchange(frame_, nullptr); }

  auto operator co_await() && noexcept { return Awaiter{frame_}; }

 private:
  struct Awaiter {
    Handle frame;
    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiting) const noexcept {
      frame.promise().continue_with(waiting);
      return frame;
    }
    T await_resume() const { return frame.promise().take(); }
  };
  Handle frame_;
};

namespace detail {

template <class T>
Task<T> Promise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<Promise>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<Promise>::from_promise(*this));
}

}  // namespace detail
}  // namespace orbit
