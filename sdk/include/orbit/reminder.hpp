// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Durable reminders: what an actor asks for (ReminderTimes), what it gets (ReminderTick), and which tick comes next. Times are
// Unix time in milliseconds.
//
// A type with `reminders: true` in its (orbit.v1.actor) has, in its turns,
//   set_reminder("bill", {.due = 24h, .period = 24h, .missed = orbit::MissedTicks::catch_up});
//   cancel_reminder("bill");
// and gets its ticks, in memory or not, as turns of
//   void on_reminder(const orbit::ReminderTick& tick);   // or Result<>, Task<>, Task<Result<>>
// Setting, cancelling and the step to the next tick are stored in the batch of the turn that makes them: a turn that fails
// changes none, and its tick comes again (after 250 ms, doubled up to a minute). So a tick's changes of the state happen once,
// whatever crashes in between.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>

namespace orbit {

// What becomes of ticks whose time passed while the node was down or the actor could not run.
enum class MissedTicks : uint8_t {
  fire_once = 0,  // one turn stands for all of them
  skip = 1,       // they are left out; a tick is missed when it is late by more than kReminderGraceMs and half the period
  catch_up = 2,   // each has its turn, one after the other, the latest catch_up_max of them
};

inline constexpr uint64_t kReminderGraceMs = 5'000;
inline constexpr uint64_t kReminderPeriodMsMin = 100;
inline constexpr size_t kRemindersMax = 64;       // of one actor
inline constexpr size_t kReminderNameMax = 100;   // bytes

struct ReminderTimes {
  std::chrono::milliseconds due{0};     // from now
  std::chrono::milliseconds period{0};  // 0: once; at least kReminderPeriodMsMin
  MissedTicks missed = MissedTicks::fire_once;
  uint32_t catch_up_max = 100;          // for catch_up; at least 1
};

struct ReminderTick {
  std::string name;
  uint64_t due_ms = 0;   // the tick's own time
  uint64_t now_ms = 0;
  uint64_t missed = 0;   // ticks left out before this one
};

namespace detail {

struct Reminder {
  std::string name;
  uint64_t due_ms = 0;
  uint64_t period_ms = 0;
  MissedTicks missed = MissedTicks::fire_once;
  uint32_t catch_up_max = 1;
  bool operator==(const Reminder&) const = default;
};

struct ReminderStep {
  bool run = false;
  uint64_t tick_ms = 0;  // whose turn it is
  uint64_t missed = 0;   // left out before it
  uint64_t next_ms = 0;  // 0: none
};

// What to do at now_ms about a reminder that is due.
inline ReminderStep step_of(const Reminder& reminder, uint64_t now_ms) noexcept {
  const uint64_t late_ms = now_ms > reminder.due_ms ? now_ms - reminder.due_ms : 0;
  if (reminder.period_ms == 0)
    return {reminder.missed != MissedTicks::skip || late_ms <= kReminderGraceMs, reminder.due_ms, 0, 0};
  const uint64_t behind = late_ms / reminder.period_ms;
  ReminderStep step{true, reminder.due_ms + behind * reminder.period_ms, behind, 0};
  if (reminder.missed == MissedTicks::skip) {
    step.run = now_ms <= step.tick_ms || now_ms - step.tick_ms <= std::min(kReminderGraceMs, reminder.period_ms / 2);
  } else if (reminder.missed == MissedTicks::catch_up) {
    step.missed = behind < reminder.catch_up_max ? 0 : behind + 1 - reminder.catch_up_max;
    step.tick_ms = reminder.due_ms + step.missed * reminder.period_ms;
  }
  step.next_ms = step.tick_ms + reminder.period_ms;
  return step;
}

}  // namespace detail
}  // namespace orbit
