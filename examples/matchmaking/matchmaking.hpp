// SPDX-License-Identifier: MIT OR BSD-3-Clause
#pragma once

#include <string>

#include "matchmaking.orbit.hpp"

namespace matchmaking {

inline constexpr int kPlayersOfAMatch = 4;
inline constexpr std::chrono::milliseconds kWidenAfter = std::chrono::seconds(10);

// The bucket where a player of that skill begins, and the wider one that takes over after kWidenAfter, or nothing.
std::string first_bucket(uint32_t skill);
std::string wider_bucket(const std::string& bucket);

class TicketActor final : public TicketBase<TicketActor> {
 public:
  orbit::Task<orbit::Result<TicketState>> search(const SearchRequest& request);
  orbit::Result<TicketState> cancel(const Question& question);
  TicketState get(const Question& question) const;
  void on_reminder(const orbit::ReminderTick& tick);
  void on_event(const orbit::Event<Outcome>& event);

 private:
  void withdraw(bool out_of_time);
};

class BucketActor final : public BucketBase<BucketActor> {
 public:
  Nothing open(const Nothing& nothing);
  BucketState get(const Question& question) const;
  void on_event(const orbit::Event<Entry>& event);
  orbit::Task<> on_reminder(const orbit::ReminderTick& tick);

 private:
  void add(const Entry& entry, uint64_t now_ms);
  void take_out(const Entry& entry);
  void tell(const std::string& player, const Outcome& outcome);
};

}  // namespace matchmaking
