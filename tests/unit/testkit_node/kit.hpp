// SPDX-License-Identifier: MIT OR BSD-3-Clause
#pragma once

#include "kit.orbit.hpp"

namespace kit {

inline int goodbyes = 0;  // how often an Alarm was told that it leaves memory
inline orbit::Deactivation last_goodbye = orbit::Deactivation::erased;

class TallyActor final : public TallyBase<TallyActor> {
 public:
  Count add(const Count& by) {
    mutable_state().set_value(state().value() + by.value());
    return state();
  }
  Count get(const Nothing&) const { return state(); }
};

class SloppyActor final : public SloppyBase<SloppyActor> {
 public:
  Count add(const Count& by) {
    mutable_state().set_value(state().value() + by.value());
    return state();
  }
  Count get(const Nothing&) const { return state(); }
};

class RoughActor final : public RoughBase<RoughActor> {
 public:
  Count add(const Count& by) {
    mutable_state().set_value(state().value() + by.value());
    return state();
  }
  Count get(const Nothing&) const { return state(); }
};

class PaperActor final : public PaperBase<PaperActor> {
 public:
  Nothing write(const Text& text) {
    mutable_state().mutable_text()->append(text.text());
    return {};
  }
  Text read(const Nothing&) const { return state(); }
};

class WriterActor final : public WriterBase<WriterActor> {
 public:
  orbit::Task<Nothing> work(const Round& round) {
    const Paper paper(round.paper());
    Text text;
    text.set_text(round.letter());
    for (uint32_t i = 0; i < round.count(); ++i) co_await paper.write(text);
    co_return Nothing();
  }
};

class AlarmActor final : public AlarmBase<AlarmActor> {
 public:
  Nothing tick(const Times& times) {
    start_timer("tick", std::chrono::milliseconds(times.due_ms()), std::chrono::milliseconds(times.period_ms()),
                [this] { mutable_state().set_ticks(state().ticks() + 1); });
    return {};
  }
  Nothing remind(const Times& times) {
    set_reminder("ring", {.due = std::chrono::milliseconds(times.due_ms()),
                          .period = std::chrono::milliseconds(times.period_ms()),
                          .missed = static_cast<orbit::MissedTicks>(times.missed()),
                          .catch_up_max = times.catch_up_max() == 0 ? 100 : times.catch_up_max()});
    return {};
  }
  AlarmState look(const Nothing&) const { return state(); }
  orbit::Task<Nothing> hang(const Nothing&) {
    co_await std::suspend_always();
    co_return Nothing();
  }
  void on_reminder(const orbit::ReminderTick& tick) {
    mutable_state().add_rang_ms(tick.due_ms);
    mutable_state().add_missed(tick.missed);
  }
  void on_deactivate(orbit::Deactivation reason) {
    ++goodbyes;
    last_goodbye = reason;
    mutable_state().set_asleep(state().asleep() + 1);
  }
};

}  // namespace kit
