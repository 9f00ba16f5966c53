// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "matchmaking.hpp"

namespace matchmaking {

namespace {

constexpr uint32_t kSkillMax = 5000;
constexpr uint64_t kGiveUpAfterMs = 60'000;
constexpr uint64_t kGiveUpAfterMsMax = 3'600'000;

}  // namespace

// What the ticket says to its bucket travels on a stream, in the batch of its turn: whatever crashes when, a ticket
// that waits is known to a bucket, exactly once.
orbit::Task<orbit::Result<TicketState>> TicketActor::search(const SearchRequest& request) {
  if (state().status() == STATUS_WAITING)
    co_return orbit::fail(orbit::Code::failed_precondition, key() + " waits already");
  if (request.skill() > kSkillMax || request.give_up_after_ms() > kGiveUpAfterMsMax)
    co_return orbit::fail(orbit::Code::invalid_argument, "skill is 0 to " + std::to_string(kSkillMax) +
                                                             ", give_up_after_ms at most " +
                                                             std::to_string(kGiveUpAfterMsMax));
  const std::string bucket = first_bucket(request.skill());
  const Bucket there(bucket);
  co_await there.open(Nothing());

  if (state().attempt() == 0) subscribe(orbit::Stream<Outcome>(key()), orbit::from_start());
  TicketState& ticket = mutable_state();
  const uint64_t attempt = ticket.attempt() + 1;
  ticket.Clear();
  ticket.set_status(STATUS_WAITING);
  ticket.set_attempt(attempt);
  ticket.set_skill(request.skill());
  const uint64_t give_up_ms = request.give_up_after_ms() == 0 ? kGiveUpAfterMs : request.give_up_after_ms();
  set_reminder("give up", {.due = std::chrono::milliseconds(give_up_ms)});
  Entry entry;
  entry.set_player(key());
  entry.set_attempt(attempt);
  publish(orbit::Stream<Entry>(bucket), entry);
  co_return state();
}

orbit::Result<TicketState> TicketActor::cancel(const Question&) {
  if (state().status() != STATUS_WAITING)
    return orbit::fail(orbit::Code::failed_precondition, key() + " does not wait");
  withdraw(false);
  return state();
}

TicketState TicketActor::get(const Question&) const { return state(); }

void TicketActor::on_reminder(const orbit::ReminderTick&) {
  if (state().status() == STATUS_WAITING) withdraw(true);
}

// The bucket has the last word: it may have made a match in the meantime.
void TicketActor::withdraw(bool out_of_time) {
  mutable_state().set_out_of_time(out_of_time);
  Entry entry;
  entry.set_player(key());
  entry.set_attempt(state().attempt());
  entry.set_withdraw(true);
  publish(orbit::Stream<Entry>(first_bucket(state().skill())), entry);
}

void TicketActor::on_event(const orbit::Event<Outcome>& event) {
  const Outcome& outcome = event.message;
  if (outcome.attempt() != state().attempt() || state().status() != STATUS_WAITING) return;
  TicketState& ticket = mutable_state();
  ticket.set_status(outcome.status() == STATUS_CANCELLED && ticket.out_of_time() ? STATUS_TIMED_OUT : outcome.status());
  ticket.set_match(outcome.match());
  *ticket.mutable_players() = outcome.players();
  cancel_reminder("give up");
}

}  // namespace matchmaking
