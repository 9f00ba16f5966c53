// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Actors that note their ticks, on a simulated node.
#pragma once

#include <stdexcept>

#include "../actor/sim_node.hpp"
#include "clock.orbit.hpp"

namespace sdk_time {

using std::chrono::milliseconds;

inline int failures_left = 0;  // so many ticks of reminders fail, after having changed the state

inline orbit::ReminderTimes times_of(const Times& times) {
  return {milliseconds(times.due_ms()), milliseconds(times.period_ms()), static_cast<orbit::MissedTicks>(times.missed()),
          times.catch_up_max() == 0 ? 100 : times.catch_up_max()};
}

inline void note(ClockState& state, const orbit::ReminderTick& tick) {
  state.add_ticks(tick.due_ms);
  state.add_missed(tick.missed);
  state.set_last(tick.name);
}

class ClockActor final : public ClockBase<ClockActor> {
 public:
  Nothing start(const Times& times) {
    const auto count = [this] { mutable_state().set_timer_ticks(state().timer_ticks() + 1); };
    const milliseconds due(times.due_ms());
    const milliseconds period(times.period_ms());
    if (times.name() == "fails") {
      start_timer(times.name(), due, period, [count]() -> orbit::Result<> {
        count();
        return orbit::fail(orbit::Code::aborted, "as asked");
      });
    } else if (times.name() == "task") {
      start_timer(times.name(), due, period, [this, name = std::string("other")]() -> orbit::Task<> {
        const Clock other(name);
        ClockState seen = co_await other.look(Nothing());
        mutable_state().set_timer_ticks(state().timer_ticks() + 1);
        mutable_state().set_last(name);  // of the closure, which lives as long as the turn
        cancel_timer("task");
      });
    } else {
      start_timer(times.name(), due, period, count);
    }
    return {};
  }
  Found stop(const Times& times) {
    Found found;
    found.set_found(cancel_timer(times.name()));
    return found;
  }
  Nothing remind(const Times& times) {
    set_reminder(times.name(), times_of(times));
    if (times.fail()) throw std::runtime_error("as asked");
    return {};
  }
  Found forget(const Times& times) {
    Found found;
    found.set_found(cancel_reminder(times.name()));
    if (times.fail()) throw std::runtime_error("as asked");
    return found;
  }
  Nothing erase(const Nothing&) {
    erase_state();
    return {};
  }
  ClockState look(const Nothing&) const { return state(); }

  orbit::Task<orbit::Result<>> on_reminder(const orbit::ReminderTick& tick) {
    note(mutable_state(), tick);
    if (tick.name == "calls") {
      const Clock other("other");
      ClockState seen = co_await other.look(Nothing());
    }
    if (failures_left > 0) {
      --failures_left;
      co_return orbit::fail(orbit::Code::aborted, "as asked");
    }
    co_return orbit::Result<>{};
  }
};

class LazyClockActor final : public LazyClockBase<LazyClockActor> {
 public:
  Nothing remind(const Times& times) {
    set_reminder(times.name(), times_of(times));
    return {};
  }
  ClockState look(const Nothing&) const { return state(); }
  void on_reminder(const orbit::ReminderTick& tick) { note(mutable_state(), tick); }
};

// A simulated node that SDK actors know as theirs. One at a time.
class ClockNode : public test::SimNode {
 public:
  explicit ClockNode(test::Disk& disk, uint64_t seed, uint32_t workers = 1, std::vector<const orbit_actor_type*> more = {});
  // Runs a client's coroutine on worker 0 to its end.
  template <class T>
  orbit::Result<T> run(orbit::Task<T> task) {
    orbit::Result<T> out = orbit::fail(orbit::Code::deadline_exceeded, "the client waits for something that does not come");
    bool done = false;
    const auto client = [](orbit::Task<T> inner, orbit::Result<T>* to, bool* ended) -> orbit::Task<> {
      try {
        *to = co_await std::move(inner);
      } catch (const orbit::CallError& error) {
        *to = tl::unexpected<orbit::Error>(error.error());
      }
      *ended = true;
    };
    orbit::Task<> outer = client(std::move(task), &out, &done);
    const auto frame = outer.release();
    on_worker(0, [frame] { frame.resume(); });
    if (run_until([&done] { return done; })) frame.destroy();
    return out;
  }
  uint64_t now_ms() const { return executor.unix_ms(); }
};

}  // namespace sdk_time
