// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Messages and turns.
#include "actor/scheduler.hpp"

#include <algorithm>

#include "actor/names.hpp"
#include "actor/runtime.hpp"
#include "observe/assert.hpp"
#include "state/record_format.hpp"

namespace orbit::kernel {

namespace {

constexpr uint32_t kTurnsPerStep = 2048;
constexpr uint32_t kTurnsPerMailbox = 1024;  // in a row, before others get their share
constexpr uint32_t kNearby = 16;             // actors whose lines stay in the nearest cache until their turn; more sends are many
constexpr uint64_t kTurnsNs = 1'000'000;     // in a row, before sockets, timers and other workers get their share
constexpr uint64_t kLookOftenNs = 25'000;    // looks at the clock that are closer than this are too many,
constexpr uint64_t kLookSeldomNs = 100'000;  // and farther apart than this too few
constexpr uint64_t kLookEveryMax = 256;
constexpr uint32_t kFullParcels = 4;          // go to another worker before the round is over
constexpr int64_t kOwedMax = 256;             // envelopes of another worker, before they are given back
constexpr uint32_t kDepthMax = 24;           // nested inline turns and replies on one stack

// By way of its version, which many share: the activation's own second line stays untouched.
bool superseded(const orbit_activation* a) noexcept {
  return a->version != a->version->type->current.load(std::memory_order_acquire);
}

// The lines of the actor object that its turn will touch; the activation's own must be here.
void prefetch_actor(const orbit_activation* a) noexcept {
  const auto* object = static_cast<const char*>(a->actor);
  if (object == nullptr) return;
  __builtin_prefetch(object + a->version->hot_from, 1);
  __builtin_prefetch(object + a->version->hot_last, 1);
}

std::string name_of(const orbit_activation* a) { return actor_name(a->type->name, a->key()); }

}  // namespace

Scheduler::Scheduler(Runtime& runtime, uint32_t worker, SchedulerLimits limits)
    : runtime_(runtime),
      executor_(runtime.executor()),
      worker_(worker),
      limits_(limits),
      pool_(runtime.envelope_memory()),
      table_(worker),
      timers_(*this),
      dead_letters_(runtime.options().logger),
      hot_(worker),
      depth_max_(kDepthMax),
      now_ns_(executor_.monotonic_ns()),
      outbox_(runtime.executor().workers()),
      owed_(runtime.executor().workers()),
      failures_seen_(runtime.stores().size()) {}

Scheduler::~Scheduler() {
  table_.for_each([this](orbit_activation* a) {
    while (!a->mailbox.empty()) free_envelope(a->mailbox.pop());
    if (a->actor != nullptr) a->version->def->destroy(a->actor);
    a->actor = nullptr;
  });
  while (!hinted_.empty()) free_envelope(hinted_.pop().envelope);
  while (!refused_.empty()) free_envelope(refused_.pop());
  // What the engine refused to the end: nobody is left to hear of it.
  for (FlushClass& cls : classes_) {
    if (cls.open != nullptr) in_flight_.push_back(cls.open);
    if (cls.closing != nullptr) in_flight_.push_back(cls.closing);
  }
  for (Pending* pending : in_flight_) {
    while (!pending->parked.empty()) free_envelope(pending->parked.pop());
    delete pending;
  }
  for (Pending* pending : spare_pending_) delete pending;
  delete_holds();
}

bool Scheduler::step() noexcept {
  now_ns_ = executor_.coarse_monotonic_ns();
  now_tick_ = static_cast<uint32_t>(now_ns_ >> 24);
  uint32_t budget = kTurnsPerStep;
  begin_time(now_ns_);
  for (EnvelopeQueue now = std::exchange(refused_, EnvelopeQueue()); !now.empty();) reply(now.pop());
  uint32_t turns = 0;
  while (budget != 0 && depth_max_ != 0) {
    // What was sent with a hint runs soon after it went to its mailbox, while its lines are here. But it goes there at least as
    // fast as turns run.
    for (uint32_t most = std::max(turns, kNearby - std::min(run_length_, kNearby)); most != 0 && !hinted_.empty(); --most)
      deliver_first_hinted();
    orbit_activation* a = run_head_;
    if (a == nullptr) {
      invariant(run_length_ == 0, "the run queue is as long as it says");
      if (hinted_.empty()) break;
      continue;
    }
    run_head_ = a->run_next;
    --run_length_;
    if (run_head_ == nullptr) {
      run_tail_ = nullptr;
    } else {
      // The next one's line is here by now, asked for one turn ago; what it points to comes while this turn runs.
      prefetch_actor(run_head_);
      prefetch_envelope(run_head_->mailbox.head);
      if (run_head_->run_next != nullptr) __builtin_prefetch(run_head_->run_next);
    }
    a->scheduled = false;
    const uint32_t left = budget;
    if (a->stage == Stage::loading) [[unlikely]] {
      --budget;
      start_load(a);  // it was dropped while it was in the queue
    } else {
      run_mailbox(a, budget);
    }
    turns = left - budget;
  }
  deliver_hinted();
  time_began_ns_ = 0;
  depth_max_ = kDepthMax;
  return pending();
}

bool Scheduler::pending() const noexcept {
  // A closing cut goes on in the next round.
  return run_head_ != nullptr || outbox_used_ || !hinted_.empty() || !refused_.empty() || joining_ ||
         std::any_of(classes_.begin(), classes_.end(), [](const FlushClass& cls) { return cls.closing != nullptr; });
}

void Scheduler::end_of_round() noexcept {
  commit_round();
  if (!leaving_.empty() || !when_empty_.empty()) try_leave_all();
  if (owes_) [[unlikely]] give_back();
  if (outbox_used_) flush_outboxes();
  for (const auto& store : runtime_.stores()) store->committer.nudge();
  if (tick_timer_ == 0) arm_tick();
}

// What most turns end like comes first: nothing changed, nobody waits, nothing is left to free.
[[gnu::always_inline]] inline void Scheduler::end_turn_here(orbit_activation* a, orbit_envelope* envelope) noexcept {
  const bool plain = envelope->on_reply == nullptr && envelope->ops == nullptr && envelope->message == nullptr &&
                     (envelope->flags & (kHasContext | kOwnsKey | ORBIT_ENVELOPE_DIRTY)) == 0 && envelope->code == ORBIT_OK &&
                     children_of(envelope) == 0;
  if (!plain || a->several || a->doomed || filters_ != nullptr) return end_turn(a, envelope);
  a->current = nullptr;
  pool_.recycle(envelope);
}

[[gnu::always_inline]] inline void Scheduler::run_turn(orbit_activation* a, orbit_envelope* envelope) noexcept {
  if (envelope->deadline_ns != 0 && envelope->deadline_ns <= now_ns_) [[unlikely]] return expire(a, envelope);
  if (filters_ != nullptr && !filter_incoming(a, envelope)) [[unlikely]] return;
  if ((envelope->flags & ORBIT_ENVELOPE_CONDITIONAL) != 0 && !meets_condition(a, envelope)) [[unlikely]] return;
  if (a->dirty != 0) before_change(a);
  if (envelope->method != ORBIT_METHOD_TIMER) a->last_used = now_tick_;
  if (a->current != nullptr) [[unlikely]] open_another(a, envelope);
  a->current = envelope;
  envelope->target = nullptr;
  envelope->hash = now_ns_;
  orbit_activation* const outer = current_;
  orbit_envelope* const outer_turn = turn_;
  current_ = a;
  turn_ = envelope;
  const int outcome = tallies_.turns.next() < attend_at_.get() ? a->version->def->invoke(a->actor, envelope) : attend(a, envelope);
  current_ = outer;
  turn_ = outer_turn;
  if (outcome == ORBIT_TURN_DONE) {
    end_turn_here(a, envelope);
    if (runnable(a)) schedule(a);
  } else if (a->current == envelope && (envelope->flags & kOwnsKey) == 0) {
    // One that ran inside send still borrows the sender's.
    envelope->key = to_c(a->key());
  }
}

void Scheduler::run_mailbox(orbit_activation* a, uint32_t& budget) noexcept {
  uint32_t turns = std::min(budget, kTurnsPerMailbox);
  while (turns != 0 && depth_max_ != 0 && runnable(a)) {
    if (a->current == nullptr && superseded(a)) {
      leave(a, ORBIT_DEACTIVATION_UPGRADE);
      return;
    }
    --turns;
    --budget;
    orbit_envelope* envelope = a->mailbox.pop();
    --a->queued;
    prefetch_envelope(a->mailbox.head);
    if (envelope->method == kMethodHold) {
      hold_arrived(a, envelope);
      return;
    }
    run_turn(a, envelope);
  }
  if (runnable(a)) schedule(a);
}

void Scheduler::schedule(orbit_activation* a) noexcept {
  if (a->scheduled) return;
  a->scheduled = true;
  ++run_length_;
  a->run_next = nullptr;
  if (run_tail_ != nullptr)
    run_tail_->run_next = a;
  else
    run_head_ = a;
  run_tail_ = a;
}

void Scheduler::free_envelope(orbit_envelope* envelope) noexcept {
  drop_payload(envelope);
  if ((envelope->flags & kOwnsKey) != 0) drop_key(pool_, envelope);
  if (envelope->message != nullptr) {
    Context::drop(envelope);
    std::free(envelope->message);
  }
  pool_.recycle(envelope);
}

void Scheduler::refuse(orbit_envelope* envelope, orbit_code code, std::string_view message) noexcept {
  tallies_.rejected.add();
  if (envelope->on_reply == nullptr) dead_letters_.add(envelope, code, message, executor_.unix_ms());
  set_error(envelope, code, message);
  if (delivers_hinted_ && envelope->on_reply != nullptr) {
    own_key(envelope);
    refused_.push(envelope);
    return;
  }
  reply(envelope);
}

void Scheduler::refuse_cancelled(orbit_envelope* envelope) noexcept {
  refuse(envelope, ORBIT_CANCELLED, "the call was cancelled by the caller of " + name_of(current_));
}

// What most messages meet, which calls nothing: an activation that is ready for one more.
[[gnu::always_inline]] inline bool Scheduler::put_into_mailbox(orbit_activation* a, orbit_envelope* envelope) noexcept {
  if ((envelope->flags & (ORBIT_ENVELOPE_INLINE | kOwnsKey)) != 0 || envelope->method == kMethodHold || a->stage != Stage::active ||
      a->leaving || a->current != nullptr || a->queued >= a->version->mailbox_max || is_borrowed(envelope)) [[unlikely]]
    return false;
  tallies_.messages.add();
  envelope->key = to_c(a->key());
  a->mailbox.push(envelope);
  ++a->queued;
  schedule(a);
  return true;
}

// What most messages are comes first and calls nothing: one-way, within a turn, to an activation that the sender remembers.
int Scheduler::send_known(orbit_envelope* envelope, uint64_t* hint) noexcept {
  if (envelope->on_reply == nullptr && turn_ != nullptr && (turn_->flags & kHasContext) == 0 &&
      (envelope->flags & ORBIT_ENVELOPE_INLINE) == 0 && filters_ == nullptr && !is_borrowed(envelope)) [[likely]] {
    if (orbit_activation* const a = table_.recall_soon(hint); a != nullptr) [[likely]] {
      envelope->caller = current_;
      envelope->reply_worker = static_cast<uint16_t>(worker_);
      if (a == hinted_last_ && hinted_.empty()) {
        if (!put_into_mailbox(a, envelope)) deliver_any(a, envelope);
        return 1;
      }
      if ((a != hinted_last_ || hinted_.size() >= kNearby) && hinted_.has_room()) [[likely]] {
        hinted_last_ = a;
        hinted_.push_into_room(envelope, a);
        return 1;
      }
    }
  }
  return send_any_known(envelope, hint);
}

int Scheduler::send_any_known(orbit_envelope* envelope, uint64_t* hint) noexcept {
  const orbit_activation* const a = filters_ == nullptr ? table_.recall(hint) : nullptr;
  if (a == nullptr) return 0;
  envelope->key = to_c(a->key());
  send(envelope, hint);
  return 1;
}

void Scheduler::send(orbit_envelope* envelope, uint64_t* hint) noexcept {
  envelope->caller = current_;
  envelope->reply_worker = static_cast<uint16_t>(worker_);
  if (turn_ == nullptr) {
    now_ns_ = executor_.coarse_monotonic_ns();  // this worker may have slept since its last round
  } else if (envelope->on_reply != nullptr) {
    if (turn_->deadline_ns != 0 && turn_->deadline_ns - 1 < envelope->deadline_ns - 1)
      envelope->deadline_ns = turn_->deadline_ns;
    if ((envelope->flags & ORBIT_ENVELOPE_AWAITED) != 0) {
      if ((turn_->flags & kCancelled) != 0 && (envelope->flags & ORBIT_ENVELOPE_SHIELDED) == 0) [[unlikely]]
        return refuse_cancelled(envelope);
      join_chain(envelope);
    }
  }
  if (turn_ != nullptr && (turn_->flags & kHasContext) != 0 && (envelope->flags & kHasContext) == 0) [[unlikely]]
    Context::share(Context::of(turn_), envelope);
  if (filters_ != nullptr && !filter_outgoing(envelope)) [[unlikely]] return;
  if (orbit_activation* const a = hint != nullptr ? table_.recall(hint) : nullptr; a != nullptr) {
    // A call goes before few messages, but behind many: delivering those here would be all at once.
    const bool goes_first = (envelope->flags & ORBIT_ENVELOPE_INLINE) != 0 || a == hinted_last_;
    if (current_ != nullptr && (!goes_first || hinted_.size() >= kNearby) && hinted_.push(envelope, a)) {
      hinted_last_ = a;
      envelope->flags = static_cast<uint16_t>(envelope->flags & ~ORBIT_ENVELOPE_INLINE);
      retain_payload(envelope);
      return;
    }
    deliver_hinted();
    deliver_any(a, envelope);
    return;
  }
  look_up(envelope, hint);
}

// Delivers what was sent with a hint, in order. Called before anything that could overtake it or free its activations. No turn
// runs meanwhile, also none whose call is refused.
void Scheduler::deliver_all_hinted() noexcept {
  while (!hinted_.empty()) deliver_first_hinted();
}

[[gnu::always_inline]] inline void Scheduler::deliver_first_hinted() noexcept {
  constexpr size_t kActivationsAhead = 24;
  constexpr size_t kEnvelopesAhead = 12;
  if (hinted_.size() > kActivationsAhead) __builtin_prefetch(hinted_[kActivationsAhead].to, 1);
  if (hinted_.size() > kEnvelopesAhead) prefetch_envelope(hinted_[kEnvelopesAhead].envelope);
  const auto [envelope, a] = hinted_.pop();
  prefetch_actor(a);
  if (put_into_mailbox(a, envelope)) [[likely]] return;
  delivers_hinted_ = true;
  deliver_any(a, envelope);
  delivers_hinted_ = false;
}

orbit_code Scheduler::set_context(orbit_envelope* call, std::string_view name, std::string_view value,
                                  orbit_error* error) noexcept {
  orbit_envelope* const envelope = call != nullptr ? call : turn_;
  if (envelope == nullptr) return to_c(Code::failed_precondition, "there is no turn whose context could be set", error);
  const Context* own = Context::of(envelope);
  if (auto set = Context::set(own != nullptr ? own : Context::of(turn_), envelope, name, value); !set)
    return to_c(set.error(), error);
  return ORBIT_OK;
}

// Finds the activation by type and key, on this worker or another one.
void Scheduler::look_up(orbit_envelope* envelope, uint64_t* hint) noexcept {
  // What it found out about an actor of another worker: the key's hash, and worker + 1 above eight zero bits.
  if (hint != nullptr && hint[1] != 0 && (hint[1] & 0xff) == 0) {
    const TypeVersion* version = envelope->type->current.load(std::memory_order_acquire);
    if (version == nullptr || version->stateless_copies == 0) [[likely]] {
      envelope->hash = hint[0];
      send_away(static_cast<uint32_t>(hint[1] >> 8) - 1, envelope);
      return;
    }
  }
  if (envelope->type == nullptr) {
    refuse(envelope, ORBIT_INVALID_ARGUMENT, "the call names no actor type");
    return;
  }
  if (envelope->key.size > ORBIT_ACTOR_KEY_MAX) {
    refuse(envelope, ORBIT_INVALID_ARGUMENT, "the actor key has " + std::to_string(envelope->key.size) +
                                                 " bytes, at most " + std::to_string(ORBIT_ACTOR_KEY_MAX) + " are allowed");
    return;
  }
  const std::string_view key = from_c(envelope->key);
  envelope->hash = key_hash(key);
  const TypeVersion* version = envelope->type->current.load(std::memory_order_acquire);
  if (version != nullptr && version->stateless_copies != 0) [[unlikely]] {
    deliver_hinted();
    to_copy(envelope, version->stateless_copies);
    return;
  }
  const uint64_t mixed = ActivationTable::mix(envelope->type, envelope->hash);
  const uint32_t owner = runtime_.worker_of(mixed);
  if (owner != worker_) {
    if (hint != nullptr) {
      hint[0] = envelope->hash;
      hint[1] = (uint64_t{owner} + 1) << 8;
    }
    send_away(owner, envelope);
    return;
  }
  deliver_hinted();
  orbit_activation* a = table_.find(envelope->type, mixed, key);
  if (a == nullptr) {
    Error error;
    a = activation(const_cast<orbit_type*>(envelope->type), envelope->hash, key, error);
    if (a == nullptr) {
      refuse(envelope, static_cast<orbit_code>(error.code), error.message);
      return;
    }
  }
  if (hint != nullptr) table_.remember(a, hint);
  deliver(a, envelope);
}

// An idle copy on this worker, else a new one, else the one with the least to do.
void Scheduler::to_copy(orbit_envelope* envelope, uint32_t copies) noexcept {
  const uint64_t hash = envelope->hash;
  const std::string_view key = from_c(envelope->key);
  orbit_activation* chosen = nullptr;
  for (uint32_t copy = 0; copy < copies; ++copy) {
    const uint64_t its_hash = copy_hash(hash, copy);
    orbit_activation* a = table_.find(envelope->type, ActivationTable::mix(envelope->type, its_hash), key);
    if (a == nullptr) {
      Error error;
      a = activation(const_cast<orbit_type*>(envelope->type), its_hash, key, error);
      if (a == nullptr && chosen == nullptr) return refuse(envelope, static_cast<orbit_code>(error.code), error.message);
      if (a != nullptr) chosen = a;
      break;
    }
    if (a->idle()) {
      chosen = a;
      break;
    }
    if (chosen == nullptr || a->queued < chosen->queued) chosen = a;
  }
  deliver(chosen, envelope);
}

void Scheduler::deliver(orbit_activation* a, orbit_envelope* envelope) noexcept {
  if (!put_into_mailbox(a, envelope)) deliver_any(a, envelope);
}

void Scheduler::deliver_any(orbit_activation* a, orbit_envelope* envelope) noexcept {
  tallies_.messages.add();
  if ((envelope->flags & ORBIT_ENVELOPE_INLINE) != 0 && a->idle() && depth_ < depth_max_ && !superseded(a)) {
    ++depth_;
    run_turn(a, envelope);
    --depth_;
    return;
  }
  if (envelope->method == kMethodHold && (a->no_holds || frozen(a->type))) {
    refuse_hold(envelope);
    return;
  }
  if ((envelope->flags & kOwnsKey) == 0) envelope->key = to_c(a->key());  // it may have none, or its sender's, which may be gone
  if (a->queued >= (a->stage == Stage::active ? a->version->mailbox_max : runtime_.mailbox_max()) && !make_room(a, envelope))
    return;
  if (a->current != nullptr && envelope->chain != 0 && come_back(a, envelope)) return;
  retain_payload(envelope);
  a->mailbox.push(envelope);
  ++a->queued;
  if (runnable(a)) schedule(a);
}

// Of a full mailbox; false: the envelope was refused.
bool Scheduler::make_room(orbit_activation* a, orbit_envelope* envelope) noexcept {
  if (a->stage == Stage::active) {
    if (drop_oldest(a)) return true;
    refuse(envelope, ORBIT_RESOURCE_EXHAUSTED, "mailbox_max: the mailbox of " + name_of(a) + " holds " +
                                                   std::to_string(a->queued) + " messages, its limit; try again later");
  } else {
    refuse(envelope, ORBIT_RESOURCE_EXHAUSTED, "mailbox_max: " + name_of(a) + " is being activated and " +
                                                   std::to_string(a->queued) + " messages wait for it, the limit");
  }
  return false;
}

// Makes room in a full mailbox if the type's policy and what waits there allow.
bool Scheduler::drop_oldest(orbit_activation* a) noexcept {
  if (a->version->overload != ORBIT_OVERLOAD_DROP_OLDEST) return false;
  orbit_envelope* before = nullptr;
  for (orbit_envelope* each = a->mailbox.head; each != nullptr; before = each, each = each->next) {
    if (each->on_reply != nullptr || each->method >= ORBIT_METHOD_SYSTEM) continue;
    (before != nullptr ? before->next : a->mailbox.head) = each->next;
    if (a->mailbox.tail == each) a->mailbox.tail = before;
    --a->queued;
    dead_letters_.add(each, ORBIT_RESOURCE_EXHAUSTED, "mailbox_max: dropped, being the oldest of a full mailbox", executor_.unix_ms());
    free_envelope(each);
    return true;
  }
  return false;
}

void Scheduler::expire(const orbit_activation* a, orbit_envelope* envelope) noexcept {
  tallies_.expired.add();
  if (envelope->on_reply == nullptr)
    dead_letters_.add(envelope, ORBIT_DEADLINE_EXCEEDED, "the deadline passed before the turn began", executor_.unix_ms());
  set_error(envelope, ORBIT_DEADLINE_EXCEEDED, "the deadline passed before the turn of " + name_of(a) + " began");
  reply(envelope);
}

// A state that was erased in this round still counts as one.
bool Scheduler::meets_condition(const orbit_activation* a, orbit_envelope* envelope) noexcept {
  const uint64_t version = a->has_main || a->dirty != 0 ? a->record_version : 0;
  if (envelope->ops->condition(envelope->payload, version) != 0) return true;
  set_error(envelope, ORBIT_FAILED_PRECONDITION,
            "the state of " + name_of(a) + " has version " + std::to_string(version) + ", which the call does not want");
  reply(envelope);
  return false;
}

// A turn that is sampled, or after which the clock is looked at.
int Scheduler::attend(orbit_activation* a, orbit_envelope* envelope) noexcept {
  const bool sampled = tallies_.turns.get() > hot_.next();
  uint64_t ended_ns = 0;
  int outcome = 0;
  if (sampled) {
    outcome = sample_turn(a, envelope, ended_ns);
  } else {
    attend_nth(look_every_);  // others run inside this one
    outcome = a->version->def->invoke(a->actor, envelope);
    ended_ns = executor_.monotonic_ns();
  }
  look_at_clock(ended_ns);
  return outcome;
}

// The worker comes from its other work.
void Scheduler::begin_time(uint64_t now_ns) noexcept {
  // Whatever took so long, it may have been turns.
  if (now_ns - looked_ns_ > kTurnsNs) {
    look_every_ = 1;
    attend_nth(1);
  }
  time_began_ns_ = looked_ns_ = now_ns;
  depth_max_ = kDepthMax;
}

void Scheduler::look_at_clock(uint64_t now_ns) noexcept {
  const uint64_t apart_ns = now_ns - looked_ns_;
  if (apart_ns > kLookSeldomNs)
    look_every_ = 1;
  else if (apart_ns < kLookOftenNs)
    look_every_ = std::min(look_every_ * 2, kLookEveryMax);
  looked_ns_ = now_ns;
  if (time_began_ns_ == 0) time_began_ns_ = now_ns;
  if (now_ns - time_began_ns_ >= kTurnsNs) depth_max_ = 0;
  attend_nth(look_every_);
}

int Scheduler::sample_turn(orbit_activation* a, orbit_envelope* envelope, uint64_t& ended_ns) noexcept {
  const HotActors::Actor actor(a);
  const uint64_t began_ns = executor_.monotonic_ns();
  const uint64_t stands_for = hot_.begins(tallies_.turns.get(), began_ns);
  attend_nth(look_every_);
  const int outcome = a->version->def->invoke(a->actor, envelope);
  ended_ns = executor_.monotonic_ns();
  hot_.ended(actor, stands_for, began_ns, ended_ns);
  turn_times_.observe(ended_ns - began_ns);
  return outcome;
}

// A reply that a turn waited for.
void Scheduler::sample_reply(orbit_envelope* envelope) noexcept {
  const HotActors::Actor actor(current_);
  const uint64_t began_ns = executor_.monotonic_ns();
  const uint64_t stands_for = hot_.runs_on(answers_, began_ns);
  envelope->on_reply(envelope->reply_ctx, envelope);
  hot_.ran_on(actor, stands_for, began_ns, executor_.monotonic_ns());
}

void Scheduler::finish(orbit_activation* a, orbit_envelope* envelope) noexcept {
  end_turn(a, envelope);
  if (runnable(a)) schedule(a);
}

void Scheduler::end_doomed(orbit_activation* a, orbit_envelope* envelope) noexcept {
  set_error(envelope, ORBIT_ABORTED, "an earlier change of " + name_of(a) + " could not be stored; nothing was changed");
  if (a->current != nullptr) return reply(envelope);
  // Its caller may call again at once, and must not find what is ahead of storage. A load that fails at once frees the slot.
  own_key(envelope);
  drop_actor(a);
  start_load(a);
  reply(envelope);
}

void Scheduler::end_turn(orbit_activation* a, orbit_envelope* envelope) noexcept {
  if (a->several) [[unlikely]]
    close_one(a, envelope);
  else
    a->current = nullptr;
  invariant(children_of(envelope) == 0, "a turn ends after the calls that it awaits (ORBIT_ENVELOPE_AWAITED)");
  if (filters_ != nullptr) [[unlikely]] filter_ended(a, envelope);
  if ((envelope->flags & kHasContext) != 0) [[unlikely]] Context::drop(envelope);
  if (a->doomed) [[unlikely]] return end_doomed(a, envelope);
  if (envelope->code != ORBIT_OK) tallies_.failed_turns.add();
  if ((envelope->flags & ORBIT_ENVELOPE_DIRTY) != 0 && a->version->stateless_copies == 0) mark_dirty(a);
  if (envelope->on_reply == nullptr) {
    free_envelope(envelope);
    return;
  }
  envelope->hash = a->record_version;
  if (a->version->def->durability == ORBIT_DURABILITY_SYNC && !stored(a)) {
    // What this turn saw or did must survive before anybody hears of it.
    Pending* pending = nullptr;
    if (a->dirty != 0) {
      FlushClass& cls = flush_class(a->version->flush_class);
      pending = open_sync(cls);
      ++cls.waiting;
    } else {
      pending = find_pending(a->gate);
    }
    if ((envelope->flags & kOwnsKey) == 0) envelope->key = to_c(a->key());  // one that ran inside send has its sender's
    pending->parked.push(envelope);
    return;
  }
  reply(envelope);
}

void Scheduler::reply(orbit_envelope* envelope) noexcept {
  if (envelope->on_reply == nullptr) {
    free_envelope(envelope);
    return;
  }
  if (envelope->reply_worker != worker_) {
    envelope->flags |= ORBIT_ENVELOPE_REPLIED;
    if ((envelope->flags & kOwnsKey) == 0) envelope->key = {nullptr, 0};  // the activation's, of this worker
    put_into_outbox(envelope->reply_worker, envelope);
    return;
  }
  orbit_activation* const outer = current_;
  orbit_envelope* const outer_turn = turn_;
  turn_ = awaiting_turn(envelope);
  current_ = nullptr;
  if (turn_ != nullptr) {
    current_ = envelope->caller;
    leave_chain(envelope);
  }
  ++depth_;
  if (turn_ == nullptr || answers_++ < hot_.next_answer()) [[likely]]
    envelope->on_reply(envelope->reply_ctx, envelope);
  else
    sample_reply(envelope);
  --depth_;
  current_ = outer;
  turn_ = outer_turn;
}

void Scheduler::send_away(uint32_t worker, orbit_envelope* envelope) noexcept {
  tallies_.remote_messages.add();
  carry_key(pool_, envelope);
  owed_[worker] -= stays_away(envelope);
  retain_payload(envelope);
  put_into_outbox(worker, envelope);
}

// What travels to another worker at once: an array and no chain, so that the receiver can ask for the lines of all envelopes
// ahead instead of walking from one miss to the next. Lies in the memory of an envelope.
struct Scheduler::Parcel : Job {
  static constexpr uint32_t kMost = 27;
  Scheduler* to = nullptr;
  uint32_t count = 0;
  uint16_t from = 0;
  orbit_envelope* envelopes[kMost];
};

void Scheduler::put_into_outbox(uint32_t worker, orbit_envelope* envelope) noexcept {
  Outbox& outbox = outbox_[worker];
  outbox_used_ = true;
  if (outbox.last == nullptr) {
    if (outbox.only == nullptr) {
      outbox.only = envelope;
      return;
    }
    put_into_parcel(worker, std::exchange(outbox.only, nullptr));
  }
  put_into_parcel(worker, envelope);
}

void Scheduler::put_into_parcel(uint32_t worker, orbit_envelope* envelope) noexcept {
  static_assert(sizeof(Parcel) <= sizeof(orbit_envelope));
  Outbox& outbox = outbox_[worker];
  if (outbox.last == nullptr || outbox.last->count == Parcel::kMost) {
    auto* parcel = new (static_cast<void*>(pool_.allocate_raw())) Parcel;
    parcel->to = &runtime_.scheduler(worker);
    parcel->from = static_cast<uint16_t>(worker_);
    --owed_[worker];
    parcel->run = [](Job* job) noexcept {
      auto* arrived = static_cast<Parcel*>(job);
      Scheduler* to = arrived->to;
      to->receive(*arrived);
      to->pool_.recycle_raw(arrived);
    };
    (outbox.last == nullptr ? outbox.first : static_cast<Job*&>(outbox.last->next)) = parcel;
    outbox.last = parcel;
  }
  outbox.last->envelopes[outbox.last->count++] = envelope;
  // A long round lets the other worker begin meanwhile.
  if (outbox.last->count == Parcel::kMost && ++outbox.full == kFullParcels) {
    executor_.post(worker, outbox.first, outbox.last);
    outbox = Outbox();
  }
}

void Scheduler::owe(uint32_t worker, uint32_t envelopes) noexcept {
  owed_[worker] += envelopes;
  if (owed_[worker] >= kOwedMax) owes_ = true;
}

void Scheduler::give_back() noexcept {
  owes_ = false;
  for (uint32_t worker = 0; worker < owed_.size(); ++worker) {
    if (owed_[worker] < kOwedMax) continue;
    Job* first = nullptr;
    Parcel* last = nullptr;
    // Those that wait in mailboxes come later.
    while (owed_[worker] > 1 && pool_.spare() > 1) {
      auto* parcel = new (static_cast<void*>(pool_.allocate_raw())) Parcel;
      parcel->to = &runtime_.scheduler(worker);
      parcel->from = static_cast<uint16_t>(worker_);
      while (parcel->count < Parcel::kMost && parcel->count + 1 < owed_[worker] && pool_.spare() != 0)
        parcel->envelopes[parcel->count++] = static_cast<orbit_envelope*>(pool_.allocate_raw());
      owed_[worker] -= parcel->count + 1;
      parcel->run = [](Job* job) noexcept {
        auto* arrived = static_cast<Parcel*>(job);
        arrived->to->take_back(*arrived);
      };
      (last == nullptr ? first : static_cast<Job*&>(last->next)) = parcel;
      last = parcel;
    }
    if (last != nullptr) executor_.post(worker, first, last);
  }
}

void Scheduler::take_back(const Parcel& parcel) noexcept {
  owed_[parcel.from] += parcel.count + 1;
  for (uint32_t i = 0; i < parcel.count; ++i) __builtin_prefetch(parcel.envelopes[i], 1);
  for (uint32_t i = 0; i < parcel.count; ++i) pool_.recycle_raw(parcel.envelopes[i]);
  pool_.recycle_raw(const_cast<Parcel*>(&parcel));
}

bool Scheduler::take_out_of_outbox(uint32_t worker, const orbit_envelope* envelope) noexcept {
  if (outbox_[worker].only == envelope) {
    outbox_[worker].only = nullptr;
    return true;
  }
  for (Job* job = outbox_[worker].first; job != nullptr; job = job->next) {
    auto* parcel = static_cast<Parcel*>(job);
    orbit_envelope** const end = parcel->envelopes + parcel->count;
    orbit_envelope** const kept = std::remove(parcel->envelopes, end, envelope);
    if (kept == end) continue;
    --parcel->count;
    return true;
  }
  return false;
}

// One that travels alone is its own job, in place of fields that nobody reads on the way: its lines come at once, not after a
// parcel's.
static Job* as_job(orbit_envelope* envelope) noexcept {
  static_assert(offsetof(orbit_envelope, next) == 0 && sizeof(Job) <= offsetof(orbit_envelope, type));
  auto* job = new (static_cast<void*>(envelope)) Job;
  job->run = [](Job* arrived) noexcept {
    auto* itself = reinterpret_cast<orbit_envelope*>(arrived);
    prefetch_envelope(itself);
    this_scheduler()->receive(itself);
  };
  return job;
}

void Scheduler::flush_outboxes() noexcept {
  outbox_used_ = false;
  for (uint32_t worker = 0; worker < outbox_.size(); ++worker) {
    const Outbox outbox = std::exchange(outbox_[worker], Outbox());
    if (outbox.only != nullptr) {
      Job* const job = as_job(outbox.only);
      executor_.post(worker, job, job);
    } else if (outbox.last != nullptr) {
      executor_.post(worker, outbox.first, outbox.last);
    }
  }
}

void Scheduler::receive(orbit_envelope* envelope) noexcept {
  now_ns_ = time_began_ns_ = executor_.coarse_monotonic_ns();
  if (const uint32_t stays = stays_away(envelope); stays != 0) owe(envelope->reply_worker, stays);
  arrived(envelope);
}

void Scheduler::receive(const Parcel& parcel) noexcept {
  now_ns_ = time_began_ns_ = executor_.coarse_monotonic_ns();
  // Each comes from another core's cache, and leads to an entry, which leads to an activation.
  constexpr uint32_t kEnvelopesAhead = 8;
  constexpr uint32_t kEntriesAhead = 4;
  constexpr uint32_t kActivationsAhead = 2;
  const auto mixed_of = [](const orbit_envelope* envelope) { return ActivationTable::mix(envelope->type, envelope->hash); };
  const uint32_t count = parcel.count;
  const auto calls = [&](uint32_t at) {
    return at < count && (parcel.envelopes[at]->flags & ORBIT_ENVELOPE_REPLIED) == 0 &&
           parcel.envelopes[at]->type != nullptr;
  };
  uint32_t stay = 1;  // the parcel
  for (uint32_t i = 0; i < std::min(count, kEnvelopesAhead); ++i) prefetch_envelope(parcel.envelopes[i]);
  for (uint32_t i = 0; i < count; ++i) {
    if (i + kEnvelopesAhead < count) prefetch_envelope(parcel.envelopes[i + kEnvelopesAhead]);
    if (calls(i + kEntriesAhead)) table_.prefetch_entry(mixed_of(parcel.envelopes[i + kEntriesAhead]));
    if (calls(i + kActivationsAhead)) table_.prefetch_activation(mixed_of(parcel.envelopes[i + kActivationsAhead]));
    stay += stays_away(parcel.envelopes[i]);
    arrived(parcel.envelopes[i]);
  }
  owe(parcel.from, stay);
}

void Scheduler::arrived(orbit_envelope* envelope) noexcept {
  envelope->next = nullptr;
  if ((envelope->flags & ORBIT_ENVELOPE_REPLIED) != 0) {
    envelope->flags = static_cast<uint16_t>(envelope->flags & ~ORBIT_ENVELOPE_REPLIED);
    reply(envelope);
    return;
  }
  if (envelope->method == kMethodCancel) [[unlikely]] {
    cancel_arrived(envelope);
    return;
  }
  const uint64_t mixed = ActivationTable::mix(envelope->type, envelope->hash);
  orbit_activation* a = table_.find(envelope->type, mixed, from_c(envelope->key));
  if (a == nullptr) {
    Error error;
    a = activation(const_cast<orbit_type*>(envelope->type), envelope->hash, from_c(envelope->key), error);
    if (a == nullptr) {
      refuse(envelope, static_cast<orbit_code>(error.code), error.message);
      return;
    }
  }
  if ((envelope->flags & kOwnsKey) == 0) envelope->key = to_c(a->key());
  deliver(a, envelope);
}

bool Scheduler::quiet() const noexcept {
  if (run_head_ != nullptr || !hinted_.empty() || !refused_.empty() || loading_ != 0 || !in_flight_.empty() || outbox_used_ || waiting_ != 0 || !leaving_.empty())
    return false;
  return std::all_of(classes_.begin(), classes_.end(), [](const FlushClass& cls) {
    return cls.members[0].empty() && cls.members[1].empty() && cls.open == nullptr && cls.closing == nullptr;
  });
}

}  // namespace orbit::kernel
