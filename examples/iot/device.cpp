// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "device.hpp"

#include <orbit/actor_module.hpp>

namespace iot {

using namespace std::chrono_literals;

// A timer belongs to the actor in memory, so it is started whenever the actor comes into memory.
void DeviceActor::on_activate() {
  start_timer("store", 1s, 1s, [this] { store_gathered(); });
}

Accepted DeviceActor::report(const Reading& reading) {
  ++waiting_;
  waiting_sum_ += reading.value();
  if (!state().online()) mutable_state().set_online(true);
  // Time to live: every reading moves the moment at which the device counts as silent.
  const auto silent_after = reading.silent_after_ms() > 0 ? std::chrono::milliseconds(reading.silent_after_ms()) : 60s;
  set_reminder("silent", {.due = silent_after});
  Accepted accepted;
  accepted.set_waiting(waiting_);
  return accepted;
}

Started DeviceActor::sample(const Sampling& sampling) {
  Started started;
  cancel_reminder("sample");
  DeviceState& device = mutable_state();
  device.set_samples(0);
  device.set_last_sample_ms(0);
  device.set_sample_gaps(0);
  device.set_sample_period_ms(static_cast<uint64_t>(sampling.period_ms()));
  if (sampling.period_ms() == 0) return started;
  const std::chrono::milliseconds period(sampling.period_ms());
  // No sample may be left out, also not one whose time passed while the node was down.
  set_reminder("sample", {.due = period, .period = period, .missed = orbit::MissedTicks::catch_up, .catch_up_max = 1'000'000});
  started.set_next_ms(static_cast<int64_t>(reminder_due_ms("sample")));
  return started;
}

DeviceState DeviceActor::status(const Question&) const { return state(); }

void DeviceActor::on_reminder(const orbit::ReminderTick& tick) {
  DeviceState& device = mutable_state();
  if (tick.name == "silent") {
    device.set_online(false);
    device.set_went_silent(device.went_silent() + 1);
    return;
  }
  if (device.last_sample_ms() == 0)
    device.set_first_sample_ms(tick.due_ms);
  else if (tick.due_ms != device.last_sample_ms() + device.sample_period_ms())
    device.set_sample_gaps(device.sample_gaps() + 1);
  device.set_last_sample_ms(tick.due_ms);
  device.set_samples(device.samples() + 1);
}

void DeviceActor::store_gathered() {
  if (waiting_ == 0) return;
  DeviceState& device = mutable_state();
  device.set_readings(device.readings() + waiting_);
  device.set_sum(device.sum() + waiting_sum_);
  waiting_ = 0;
  waiting_sum_ = 0;
}

}  // namespace iot

ORBIT_ACTOR_MODULE("iot", "1.0.0", iot::DeviceActor)
