// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "actor/actor_timers.hpp"

#include <algorithm>

#include "actor/names.hpp"
#include "actor/runtime.hpp"
#include "observe/assert.hpp"

namespace orbit::kernel {

namespace {

constexpr uint64_t kMsNs = 1'000'000;
constexpr uint64_t kDelayMsMax = UINT64_MAX / kMsNs / 4;  // centuries; keeps sums of times in range
constexpr uint64_t kAgainNs = 10 * kMsNs;                 // a tick that cannot be delivered now

constexpr char kTickToken = 0;
constexpr orbit_payload_ops kTickOps = {sizeof(orbit_payload_ops), 0, &kTickToken, nullptr, nullptr, nullptr};

}  // namespace

Result<uint64_t> ActorTimers::start(orbit_activation* a, uint64_t due_ms, uint64_t period_ms, uint64_t cookie,
                                    uint32_t flags) {
  uint32_t count = 0;
  const auto found = first_.find(a);
  if (found != first_.end())
    for (uint32_t i = found->second; i != kNone; i = timers_[i].next) ++count;
  if (count >= ORBIT_TIMERS_MAX) {
    return fail(Code::resource_exhausted, "timers_max: " + actor_name(a->type->name, a->key()) + " has " +
                                              std::to_string(count) + " timers, the limit of an activation");
  }
  if (free_.empty()) {
    timers_.emplace_back();
    timers_.back().owner = this;
    timers_.back().index = static_cast<uint32_t>(timers_.size() - 1);
    free_.reserve(timers_.size());  // so that release never allocates
    free_.push_back(timers_.back().index);
  }
  Timer& timer = timers_[free_.back()];
  const uint64_t now_ns = scheduler_.runtime().executor().coarse_monotonic_ns();
  timer.a = a;
  timer.cookie = cookie;
  timer.due_ns = now_ns + std::min(due_ms, kDelayMsMax) * kMsNs;
  timer.period_ns = std::min(period_ms, kDelayMsMax) * kMsNs;
  timer.skipped = 0;
  timer.flags = flags;
  timer.next = found != first_.end() ? found->second : kNone;
  first_[a] = timer.index;
  free_.pop_back();
  a->has_timers = true;
  arm(timer, timer.due_ns - now_ns);
  return id_of(timer);
}

bool ActorTimers::cancel(orbit_activation* a, uint64_t id) noexcept {
  Timer* timer = find(id);
  if (timer == nullptr || timer->a != a) return false;
  unlink(*timer);
  release(*timer);
  return true;
}

void ActorTimers::drop(orbit_activation* a) noexcept {
  a->has_timers = false;
  const auto found = first_.find(a);
  if (found == first_.end()) return;
  for (uint32_t i = found->second; i != kNone;) {
    Timer& timer = timers_[i];
    i = timer.next;
    release(timer);
  }
  first_.erase(found);
}

ActorTimers::Timer* ActorTimers::find(uint64_t id) noexcept {
  const auto index = static_cast<uint32_t>(id) - 1;
  if (index >= timers_.size()) return nullptr;
  Timer& timer = timers_[index];
  return timer.a != nullptr && timer.generation == static_cast<uint32_t>(id >> 32) ? &timer : nullptr;
}

void ActorTimers::arm(Timer& timer, uint64_t delay_ns) {
  timer.armed = scheduler_.runtime().executor().after(
      delay_ns,
      [](void* raw) {
        auto* due = static_cast<Timer*>(raw);
        due->owner->fire(*due);
      },
      &timer);
}

void ActorTimers::fire(Timer& timer) noexcept {
  timer.armed = 0;
  if (stopped_) return;
  switch (scheduler_.deliver_tick(timer.a, (timer.flags & ORBIT_TIMER_KEEPS_ACTIVE) != 0, [&](orbit_envelope* envelope) {
    envelope->method = ORBIT_METHOD_TIMER;
    envelope->ops = &kTickOps;
    envelope->payload =
        new (envelope->room) orbit_timer_tick{sizeof(orbit_timer_tick), timer.skipped, id_of(timer), timer.cookie};
    envelope->reply_ctx = reinterpret_cast<void*>(id_of(timer));
    envelope->on_reply = [](void* ctx, orbit_envelope* reply) {
      Scheduler* scheduler = this_scheduler();
      scheduler->tallies().timer_ticks.add();
      scheduler->free_envelope(reply);
      scheduler->timers().ticked(reinterpret_cast<uint64_t>(ctx));
    };
  })) {
    case Scheduler::Tick::sent:
      return;  // the timer may be gone by now
    case Scheduler::Tick::no_room:
      if (timer.period_ns != 0) {
        ++timer.skipped;
        go_on(timer);
        return;
      }
      [[fallthrough]];
    case Scheduler::Tick::not_now:
      arm(timer, kAgainNs);
      return;
  }
}

void ActorTimers::ticked(uint64_t id) noexcept {
  Timer* timer = find(id);
  if (timer == nullptr || timer->armed != 0) return;
  timer->skipped = 0;
  go_on(*timer);
}

void ActorTimers::go_on(Timer& timer) noexcept {
  if (timer.period_ns == 0) {
    unlink(timer);
    release(timer);
    return;
  }
  const uint64_t now_ns = scheduler_.runtime().executor().coarse_monotonic_ns();
  timer.due_ns += timer.period_ns;
  if (timer.due_ns <= now_ns) {
    const uint64_t late = (now_ns - timer.due_ns) / timer.period_ns + 1;
    timer.due_ns += late * timer.period_ns;
    timer.skipped += static_cast<uint32_t>(std::min<uint64_t>(late, UINT32_MAX - timer.skipped));
  }
  arm(timer, timer.due_ns - now_ns);
}

void ActorTimers::unlink(Timer& timer) noexcept {
  const auto found = first_.find(timer.a);
  invariant(found != first_.end(), "a timer is in its activation's list");
  if (found->second == timer.index) {
    if (timer.next == kNone) {
      timer.a->has_timers = false;
      first_.erase(found);
    } else {
      found->second = timer.next;
    }
    return;
  }
  uint32_t i = found->second;
  while (timers_[i].next != timer.index) i = timers_[i].next;
  timers_[i].next = timer.next;
}

void ActorTimers::release(Timer& timer) noexcept {
  if (timer.armed != 0) scheduler_.runtime().executor().cancel(timer.armed);
  timer.armed = 0;
  timer.a = nullptr;
  timer.next = kNone;
  ++timer.generation;
  free_.push_back(timer.index);
}

}  // namespace orbit::kernel
