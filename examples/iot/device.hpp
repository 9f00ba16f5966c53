// SPDX-License-Identifier: MIT OR BSD-3-Clause
#pragma once

#include "iot.orbit.hpp"

namespace iot {

class DeviceActor final : public DeviceBase<DeviceActor> {
 public:
  void on_activate();
  void on_reminder(const orbit::ReminderTick& tick);

  Accepted report(const Reading& reading);
  Started sample(const Sampling& sampling);
  DeviceState status(const Question& question) const;

 private:
  void store_gathered();

  // Readings since the timer stored them last. Lost when the node is killed: that is what gathering costs.
  uint64_t waiting_ = 0;
  double waiting_sum_ = 0;
};

}  // namespace iot
