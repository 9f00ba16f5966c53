// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The timers of an actor: names and handlers for what the kernel ticks. Actor authors do not need this header.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../call.hpp"
#include "turn.hpp"

namespace orbit::detail {

// What a handler did: it has ended, or goes on as a task.
struct HandlerOutcome {
  Result<> result;
  std::optional<Task<Result<>>> task;
};

// Waits for a task whose closure `keep` owns.
template <class T>
Task<Result<>> keep_until_done([[maybe_unused]] std::shared_ptr<const void> keep, Task<T> task) {
  if constexpr (std::is_void_v<T>) {
    co_await std::move(task);
    co_return Result<>{};
  } else {
    Result<> result = co_await std::move(task);
    co_return result;
  }
}

template <class F, class... Args>
HandlerOutcome call_handler(std::shared_ptr<const void> keep, F&& function, Args&&... args) {
  using Return = std::invoke_result_t<F, Args...>;
  static_assert(std::is_void_v<typename MethodReturn<Return>::Value>,
                "a handler returns void, orbit::Result<>, orbit::Task<> or orbit::Task<orbit::Result<>>");
  if constexpr (MethodReturn<Return>::kTask) {
    return {{}, keep_until_done(std::move(keep), std::forward<F>(function)(std::forward<Args>(args)...))};
  } else if constexpr (std::is_void_v<Return>) {
    std::forward<F>(function)(std::forward<Args>(args)...);
    return {};
  } else {
    return {std::forward<F>(function)(std::forward<Args>(args)...), {}};
  }
}

struct NamedTimer {
  std::string name;
  uint64_t id = 0;
  bool once = false;
  std::function<HandlerOutcome(std::shared_ptr<const void> keep)> run;
};

// What an actor whose type has timers keeps.
class TimerPart {
 public:
  template <class F>
  void start(orbit_activation* activation, std::string_view name, std::chrono::milliseconds due,
             std::chrono::milliseconds period, uint32_t flags, F&& handler) {
    if (due.count() < 0 || period.count() < 0) throw CallError(Code::invalid_argument, "a timer's times are not negative");
    auto timer = std::make_shared<NamedTimer>();
    timer->name = name;
    timer->once = period.count() == 0;
    timer->run = [handler = std::forward<F>(handler)](std::shared_ptr<const void> keep) mutable {
      return call_handler(std::move(keep), handler);
    };
    timers_.reserve(timers_.size() + 1);
    cancel(activation, name);
    ErrorOut error;
    const orbit_code code = host_actors.start_timer(activation, static_cast<uint64_t>(due.count()),
                                                    static_cast<uint64_t>(period.count()), 0, flags, &timer->id, &error);
    if (code != ORBIT_OK) throw CallError(error.take(code));
    timers_.push_back(std::move(timer));
  }
  bool cancel(orbit_activation* activation, std::string_view name) noexcept {
    for (auto at = timers_.begin(); at != timers_.end(); ++at) {
      if ((*at)->name != name) continue;
      host_actors.cancel_timer(activation, (*at)->id);
      timers_.erase(at);
      return true;
    }
    return false;
  }
  // The timer that ticks; null when it was cancelled while the tick waited.
  std::shared_ptr<NamedTimer> take(uint64_t id) noexcept {
    for (auto at = timers_.begin(); at != timers_.end(); ++at) {
      if ((*at)->id != id) continue;
      std::shared_ptr<NamedTimer> timer = *at;
      if (timer->once) timers_.erase(at);
      return timer;
    }
    return nullptr;
  }

 private:
  std::vector<std::shared_ptr<NamedTimer>> timers_;
};

}  // namespace orbit::detail
