// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "matchmaking.hpp"

#include <algorithm>

namespace matchmaking {

namespace {

constexpr int kWaitingMax = 10'000;
constexpr int kMovedMax = 100;                    // to the wider bucket, in one turn
constexpr uint32_t kWidths[] = {100, 400, 5001};  // of skill, by level

}  // namespace

std::string first_bucket(uint32_t skill) { return "0/" + std::to_string(skill / kWidths[0]); }

std::string wider_bucket(const std::string& bucket) {
  const size_t slash = bucket.find('/');
  const size_t level = std::stoul(bucket.substr(0, slash));
  if (level + 1 >= std::size(kWidths)) return {};
  const uint64_t skill = std::stoull(bucket.substr(slash + 1)) * kWidths[level];
  return std::to_string(level + 1) + "/" + std::to_string(skill / kWidths[level + 1]);
}

Nothing BucketActor::open(const Nothing&) {
  if (!state().open()) {
    mutable_state().set_open(true);
    subscribe(orbit::Stream<Entry>(key()), orbit::from_start());
  }
  return {};
}

BucketState BucketActor::get(const Question&) const { return state(); }

void BucketActor::on_event(const orbit::Event<Entry>& event) {
  if (event.message.withdraw())
    take_out(event.message);
  else
    add(event.message, event.time_ms);
}

// Who is in a match and who is told of it change in one batch: nobody is in two matches, and nobody in one unheard of.
void BucketActor::add(const Entry& entry, uint64_t now_ms) {
  if (state().waiting_size() >= kWaitingMax) {
    Outcome refused;
    refused.set_attempt(entry.attempt());
    refused.set_status(STATUS_REFUSED);
    tell(entry.player(), refused);
    return;
  }
  BucketState& bucket = mutable_state();
  if (bucket.waiting_size() == 0 && !wider_bucket(key()).empty()) set_reminder("widen", {.due = kWidenAfter});
  Waiting& waiting = *bucket.add_waiting();
  waiting.set_player(entry.player());
  waiting.set_attempt(entry.attempt());
  waiting.set_since_ms(now_ms);
  if (bucket.waiting_size() < kPlayersOfAMatch) return;
  bucket.set_matches(bucket.matches() + 1);
  Outcome match;
  match.set_status(STATUS_MATCHED);
  match.set_match(key() + "#" + std::to_string(bucket.matches()));
  for (const Waiting& one : bucket.waiting()) match.add_players(one.player());
  std::sort(match.mutable_players()->begin(), match.mutable_players()->end());
  for (const Waiting& one : bucket.waiting()) {
    match.set_attempt(one.attempt());
    tell(one.player(), match);
  }
  bucket.clear_waiting();
  cancel_reminder("widen");
}

void BucketActor::take_out(const Entry& entry) {
  const auto found = std::find_if(state().waiting().begin(), state().waiting().end(), [&](const Waiting& one) {
    return one.player() == entry.player() && one.attempt() == entry.attempt();
  });
  if (found == state().waiting().end()) {
    // It is in a match, or went on to the wider bucket: then this goes the same way, behind it.
    if (const std::string wider = wider_bucket(key()); !wider.empty()) publish(orbit::Stream<Entry>(wider), entry);
    return;
  }
  const int at = static_cast<int>(found - state().waiting().begin());
  mutable_state().mutable_waiting()->DeleteSubrange(at, 1);
  Outcome outcome;
  outcome.set_attempt(entry.attempt());
  outcome.set_status(STATUS_CANCELLED);
  tell(entry.player(), outcome);
}

// Who has waited for long looks among more players.
orbit::Task<> BucketActor::on_reminder(const orbit::ReminderTick& tick) {
  const std::string wider = wider_bucket(key());
  const Bucket there(wider);
  co_await there.open(Nothing());
  BucketState& bucket = mutable_state();
  const uint64_t limit_ms = tick.now_ms - static_cast<uint64_t>(kWidenAfter.count());
  int moved = 0;
  for (; moved < std::min(bucket.waiting_size(), kMovedMax) && bucket.waiting(moved).since_ms() <= limit_ms; ++moved) {
    Entry entry;
    entry.set_player(bucket.waiting(moved).player());
    entry.set_attempt(bucket.waiting(moved).attempt());
    publish(orbit::Stream<Entry>(wider), entry);
  }
  bucket.mutable_waiting()->DeleteSubrange(0, moved);
  if (bucket.waiting_size() == 0) co_return;
  const uint64_t next_ms = bucket.waiting(0).since_ms() + static_cast<uint64_t>(kWidenAfter.count());
  set_reminder("widen", {.due = std::chrono::milliseconds(next_ms > tick.now_ms ? next_ms - tick.now_ms : 0)});
}

void BucketActor::tell(const std::string& player, const Outcome& outcome) {
  publish(orbit::Stream<Outcome>(player), outcome);
}

}  // namespace matchmaking
