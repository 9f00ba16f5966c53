// SPDX-License-Identifier: MIT OR BSD-3-Clause
// One worker's actors: their mailboxes, turns, activation, commits and deactivation.
//
// How changes reach storage. A turn that changed state marks its activation dirty in the current *cut* of the type's flush
// class. When a cut is due it is closed: its activations write their changes (collect) into one submission, a slice per round;
// one that is about to change again before its slice came is collected first. A submission is thus a consistent state of all
// actors of the class between two turns, written atomically. Replies that promise durability wait (park) for the submission
// that has their changes.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "actor/activation.hpp"
#include "actor/actor_timers.hpp"
#include "actor/chain.hpp"
#include "actor/dead_letters.hpp"
#include "actor/failed_loads.hpp"
#include "actor/hinted_sends.hpp"
#include "actor/hot_actors.hpp"
#include "actor/tally.hpp"
#include "actor/waits.hpp"
#include "executor/executor.hpp"
#include "orbit/ext/call_filter.h"
#include "orbit/result.hpp"
#include "state/committer.hpp"

namespace orbit::kernel {

class Runtime;
struct MainHeader;
struct Store;

// A set of storages: bit n stands for number n.
using Stores = uint64_t;
inline constexpr Stores kAllStores = ~Stores{0};
inline constexpr size_t kStoresMax = 64;

struct CallFilter {
  const orbit_call_filter_v1* table;
  void* self;
};

// Kernel methods that never reach an actor type.
inline constexpr uint32_t kMethodHold = ORBIT_METHOD_SYSTEM + 0x10;
// Tells another worker that a call was cancelled.
inline constexpr uint32_t kMethodCancel = ORBIT_METHOD_SYSTEM + 0x11;
// Answers a hold's envelope where the type is frozen; never leaves the kernel.
inline constexpr orbit_code kHoldMeetsFrozen = -1;

// Copies of a stateless actor are found by key hashes of their own.
inline uint64_t copy_hash(uint64_t hash, uint32_t copy) noexcept { return hash + copy * 0x9e3779b97f4a7c15ull; }

struct SchedulerLimits {
  uint64_t activations_max = 2'000'000;      // per worker
  uint64_t memory_bytes_max = 1ull << 30;    // per worker: actor objects and slots
  uint32_t loads_max = 128;                  // reads of state at once, per worker
  uint64_t load_bytes_max = 512ull << 20;    // most bytes of one actor's records
};

struct alignas(64) SchedulerTallies {
  Tally turns, messages, remote_messages, rejected, expired, cancelled, failed_turns, activations, loads, load_failures,
      deactivations, queued, memory_bytes, cycles, timer_ticks;
};

// A submission with everything that waits for it.
struct Pending : Submission {
  Store* store = nullptr;                                                // where it goes
  EnvelopeQueue parked;                                                  // replies
  std::vector<std::function<void(orbit_code, const std::string&)>> then; // run when done
  std::vector<std::pair<orbit_activation*, uint64_t>> members;           // SYNC only, with tags: dropped when it fails
  struct Stored {
    orbit_activation* a;
    uint64_t tag;     // of the activation; 0 when another worker owns it
    void* actor;
    uint64_t cookie;
  };
  std::vector<Stored> stored;                                            // who asked to hear of it (orbit_actor_type.stored)
};

class Scheduler final : public Resident {
 public:
  Scheduler(Runtime& runtime, uint32_t worker, SchedulerLimits limits);
  ~Scheduler() override;

  bool step() noexcept override;
  void end_of_round() noexcept override;
  bool pending() const noexcept override;
  bool gathers() const noexcept override;

  // ---- messages -----------------------------------------------------------------------------------------------------
  orbit_envelope* allocate() { return pool_.allocate(); }
  void free_envelope(orbit_envelope* envelope) noexcept;
  void send(orbit_envelope* envelope, uint64_t* hint) noexcept;
  // 0: the hint does not tell where the actor is; nothing has happened. Else 1: an int, as the edge wants it.
  int send_known(orbit_envelope* envelope, uint64_t* hint) noexcept;
  // Ends a pending turn, or (hold) an envelope that occupied the activation.
  void finish(orbit_activation* a, orbit_envelope* envelope) noexcept;
  // Hands a reply back, here or on the worker it came from.
  void reply(orbit_envelope* envelope) noexcept;
  orbit_activation* current() const noexcept { return current_; }
  // The turn that runs; null outside turns.
  orbit_envelope* turn() const noexcept { return turn_; }

  // ---- chains of calls (chain.cpp) ----------------------------------------------------------------------------------
  // The sender of a call that was sent from this worker and is not answered yet no longer wants the answer.
  void cancel(orbit_envelope* call) noexcept;

  // ---- ticks (actor_timers.cpp, due_index.cpp) ----------------------------------------------------------------------
  ActorTimers& timers() noexcept { return timers_; }
  enum class Tick { sent, not_now, no_room };
  // Has an activation of this worker run a turn that `fill` describes (method, payload, on_reply).
  template <class Fill>
  Tick deliver_tick(orbit_activation* a, bool counts_as_use, Fill&& fill) noexcept {
    if (a->stage != Stage::active || a->leaving) return Tick::not_now;
    if (a->queued >= a->version->mailbox_max) return Tick::no_room;
    now_ns_ = executor_.coarse_monotonic_ns();
    now_tick_ = static_cast<uint32_t>(now_ns_ >> 24);
    if (counts_as_use) a->last_used = now_tick_;
    orbit_envelope* envelope = pool_.allocate();
    envelope->type = a->type;
    envelope->hash = a->hash;
    envelope->key = to_c(a->key());
    envelope->flags = ORBIT_ENVELOPE_INLINE;
    envelope->reply_worker = static_cast<uint16_t>(worker_);
    fill(envelope);
    deliver_hinted();
    deliver(a, envelope);
    return Tick::sent;
  }

  // ---- filters (filters.cpp); null: none ----------------------------------------------------------------------------
  void set_filters(const std::vector<CallFilter>* filters) noexcept { filters_ = filters; }
  orbit_code set_context(orbit_envelope* call, std::string_view name, std::string_view value, orbit_error* error) noexcept;

  // ---- holds (hold.cpp) ---------------------------------------------------------------------------------------------
  void hold(const orbit_actor_ref* refs, size_t count, uint64_t deadline_ns, orbit_hold_granted granted, void* ctx) noexcept;
  void keep(orbit_hold* hold) noexcept;
  void release(orbit_hold* hold, const uint8_t* dirty, orbit_hold_committed committed, void* ctx) noexcept;
  // orbit.erasing/1 (erasing.cpp)
  void hold_erasing(const orbit_actor_ref* refs, size_t count, std::span<const orbit_type* const> types, uint64_t deadline_ns,
                    orbit_hold_granted granted, void* ctx) noexcept;
  void release_erasing(orbit_hold* hold, const uint8_t* dirty, const uint8_t* erase, orbit_hold_committed committed,
                       void* ctx) noexcept;
  // The storage that what runs now is about: of the actor whose turn it is, or of a hold that is being granted. Null: neither.
  const Store* store_at_hand() const noexcept { return current_ != nullptr ? &store_of(current_) : held_in_; }

  // ---- state --------------------------------------------------------------------------------------------------------
  // See save, read, claim and main_record of orbit.actors/1 (turn_io.cpp).
  using TurnDone = void (*)(void* ctx, orbit_code code, const char* message);
  void save(orbit_activation* a, TurnDone done, void* ctx) noexcept;
  void read(orbit_activation* a, std::string_view from, std::string_view to, size_t records_max, size_t bytes_max,
            void (*done)(void*, const orbit_record*, size_t, int, orbit_code, const char*), void* ctx) noexcept;
  void claim(orbit_activation* a, const orbit_index_entry* entries, size_t count, TurnDone done, void* ctx) noexcept;
  void main_record(orbit_main_record* out) const noexcept;
  // Runs `function` as part of a turn of the activation, or (null) of the activation outside turns.
  template <class Function>
  void continue_turn(orbit_activation* a, orbit_envelope* turn, Function&& function) noexcept {
    orbit_activation* const outer = current_;
    orbit_envelope* const outer_turn = turn_;
    current_ = a;
    turn_ = turn;
    function();
    current_ = outer;
    turn_ = outer_turn;
  }
  // Closes and submits all cuts of these storages now; `then` runs when everything changed so far is in their engines.
  void flush(Stores stores, std::function<void(orbit_code, const std::string&)> then);
  void close_all_cuts(Stores stores) noexcept;
  // A batch of this worker's that goes out as it is, after everything submitted to that storage before.
  Pending* make_submission(Store& store, bool sync, bool keep_trying);
  void submit(Pending* pending) noexcept;
  // Writes the activation's changes into a batch, with the kernel's header and expiry index.
  void collect(orbit_activation* a, Pending& pending) noexcept;

  // ---- lifecycle ----------------------------------------------------------------------------------------------------
  // Asks one activation, or all that match, to leave memory when they may.
  void leave(orbit_activation* a, orbit_deactivation reason) noexcept;
  void leave_all(const std::function<bool(const orbit_activation&)>& match, orbit_deactivation reason) noexcept;
  // The idle timeout does not count until then: because the actor said so, and can take it back; or because somebody outside wants
  // it, which only grows. keep returns how long from now.
  void stay(orbit_activation* a, uint64_t duration_ns);
  uint64_t keep(orbit_activation* a, uint64_t duration_ns);
  // Another version of a module may succeed where the last one failed.
  void forget_failures() noexcept { failed_loads_.clear(); }
  // While frozen no actor of the types is activated; mailboxes wait.
  bool frozen(const orbit_type* type) const noexcept;
  void freeze(const std::vector<orbit_type*>& types);
  void unfreeze(const std::vector<orbit_type*>& types);
  // Runs `then` once no activation of the types has an actor object, but those that have `except` open.
  void when_empty(std::vector<orbit_type*> types, const orbit_envelope* except, std::function<void()> then);

  ActivationTable& table() noexcept { return table_; }
  EnvelopePool& pool() noexcept { return pool_; }
  SchedulerTallies& tallies() noexcept { return tallies_; }
  const DeadLetters& dead_letters() const noexcept { return dead_letters_; }
  HotActors& hot() noexcept { return hot_; }
  // Of the turns that were sampled, until their end or their first wait. [any thread]
  const orbit_histogram& turn_times() const noexcept { return turn_times_; }
  // What this thread runs now. [the worker's thread, also in a signal handler]
  void look_at_running(Running& out) const noexcept;
  // The worker has been in its round for long: the clock is looked at after the next turn. [any thread]
  void look_at_clock_soon() noexcept { attend_at_.set(0); }
  // A turn of this worker begins to wait for storage, and has its answer.
  void begin_wait(const orbit_envelope* turn, const char* what) noexcept;
  void end_wait(const orbit_envelope* turn, const char* what) noexcept;
  // Puts into mailboxes what is on its way to them, and looks at the clock, before anybody looks at the actors.
  void settle() noexcept {
    deliver_hinted();
    now_ns_ = executor_.coarse_monotonic_ns();
  }
  // Adds what waits in slots from `slot` on, in at most `visits` of them; true at the end. [this worker, outside turns]
  bool look_at_waits(WaitsOfWorker& out, size_t visits);
  // What an activation's open turns do, for people.
  void describe_turns(const orbit_activation* a, std::vector<TurnView>& out) const;
  Runtime& runtime() noexcept { return runtime_; }
  uint32_t worker() const noexcept { return worker_; }
  uint64_t now_ns() const noexcept { return now_ns_; }
  orbit_activation* activation(orbit_type* type, uint64_t hash, std::string_view key, Error& error) noexcept;
  // Nothing runs, waits or is unsaved on this worker.
  bool quiet() const noexcept;
  // From another worker: a call or a reply.
  void receive(orbit_envelope* envelope) noexcept;

 private:
  struct FlushClass {
    FlushRule rule;
    Store* store = nullptr;
    uint64_t cut = 0;                                // the open cut; its parity selects the list
    std::vector<orbit_activation*> members[2];       // what changed; of the closing cut from `collected` on
    size_t collected = 0;
    uint64_t oldest_ns = 0;                          // when the open cut got its first change
    Pending* open = nullptr;                         // SYNC: collects waiters for the open cut
    Pending* closing = nullptr;                      // the closed cut that is being collected
    std::vector<std::function<void(orbit_code, const std::string&)>> then_open;  // wait for the open cut (not SYNC)
    uint32_t in_flight = 0;
    uint32_t waiting = 0;                            // SYNC: answers that hang on the open cut
    uint64_t join_until_ns = 0;                      // SYNC: it is put off until then; 0: it is not
    bool due = false;                                // close at the next chance
    bool save = false;                               // not SYNC: a turn waits for the open cut to be durable
    static uint32_t parity(uint64_t cut) noexcept { return static_cast<uint32_t>(cut & 1); }
    bool unchanged() const noexcept { return members[parity(cut)].empty(); }  // in the open cut
  };
  struct Load;

  // scheduler.cpp
  void look_up(orbit_envelope* envelope, uint64_t* hint) noexcept;
  void to_copy(orbit_envelope* envelope, uint32_t copies) noexcept;
  void deliver_hinted() noexcept {
    if (!hinted_.empty()) [[unlikely]] deliver_all_hinted();
  }
  [[gnu::noinline]] void deliver_all_hinted() noexcept;
  void deliver_first_hinted() noexcept;
  void deliver(orbit_activation* a, orbit_envelope* envelope) noexcept;
  bool put_into_mailbox(orbit_activation* a, orbit_envelope* envelope) noexcept;
  [[gnu::noinline]] void deliver_any(orbit_activation* a, orbit_envelope* envelope) noexcept;
  [[gnu::noinline]] int send_any_known(orbit_envelope* envelope, uint64_t* hint) noexcept;
  [[gnu::cold, gnu::noinline]] bool meets_condition(const orbit_activation* a, orbit_envelope* envelope) noexcept;
  void run_turn(orbit_activation* a, orbit_envelope* envelope) noexcept;
  [[gnu::noinline]] int attend(orbit_activation* a, orbit_envelope* envelope) noexcept;
  int sample_turn(orbit_activation* a, orbit_envelope* envelope, uint64_t& ended_ns) noexcept;
  void begin_time(uint64_t now_ns) noexcept;
  void look_at_clock(uint64_t now_ns) noexcept;
  // The nth turn from here is attended to, if none before it.
  void attend_nth(uint64_t n) noexcept { attend_at_.set(std::min(hot_.next(), tallies_.turns.get() + n - 1)); }
  void sample_reply(orbit_envelope* envelope) noexcept;
  void end_turn(orbit_activation* a, orbit_envelope* envelope) noexcept;
  void end_turn_here(orbit_activation* a, orbit_envelope* envelope) noexcept;
  // Seldom, and apart, so that what is not seldom stays small.
  [[gnu::cold, gnu::noinline]] bool make_room(orbit_activation* a, orbit_envelope* envelope) noexcept;
  [[gnu::cold, gnu::noinline]] void expire(const orbit_activation* a, orbit_envelope* envelope) noexcept;
  [[gnu::cold, gnu::noinline]] void refuse_cancelled(orbit_envelope* envelope) noexcept;
  [[gnu::cold, gnu::noinline]] void end_doomed(orbit_activation* a, orbit_envelope* envelope) noexcept;
  void run_mailbox(orbit_activation* a, uint32_t& budget) noexcept;
  void schedule(orbit_activation* a) noexcept;
  void send_away(uint32_t worker, orbit_envelope* envelope) noexcept;
  struct Parcel;
  struct Outbox {
    orbit_envelope* only = nullptr;  // while there is one only
    Job* first = nullptr;
    Parcel* last = nullptr;
    uint32_t full = 0;
  };
  void put_into_outbox(uint32_t worker, orbit_envelope* envelope) noexcept;
  void put_into_parcel(uint32_t worker, orbit_envelope* envelope) noexcept;
  // Whether it was still there.
  bool take_out_of_outbox(uint32_t worker, const orbit_envelope* envelope) noexcept;
  void flush_outboxes() noexcept;
  void receive(const Parcel& parcel) noexcept;  // from another worker: calls and replies
  void owe(uint32_t worker, uint32_t envelopes) noexcept;
  void give_back() noexcept;
  void take_back(const Parcel& parcel) noexcept;
  void arrived(orbit_envelope* envelope) noexcept;
  void refuse(orbit_envelope* envelope, orbit_code code, std::string_view message) noexcept;
  bool drop_oldest(orbit_activation* a) noexcept;

  // chain.cpp
  void join_chain(orbit_envelope* envelope) noexcept;
  void leave_chain(orbit_envelope* envelope) noexcept;
  bool filter_outgoing(orbit_envelope* envelope) noexcept;
  bool filter_incoming(orbit_activation* a, orbit_envelope* envelope) noexcept;
  void filter_ended(orbit_activation* a, orbit_envelope* envelope) noexcept;
  bool admits(const orbit_activation* a) const noexcept;
  // Whether the first waiting message may run now.
  bool runnable(const orbit_activation* a) const noexcept {
    return !a->mailbox.empty() && a->stage == Stage::active && (a->current == nullptr ? !a->leaving : admits(a));
  }
  static bool may_pass(const orbit_activation* a, const orbit_envelope* open, const orbit_envelope* call) noexcept;
  void open_another(orbit_activation* a, orbit_envelope* envelope);
  void close_one(orbit_activation* a, const orbit_envelope* envelope) noexcept;
  bool come_back(orbit_activation* a, orbit_envelope* envelope) noexcept;
  void cancel_arrived(orbit_envelope* notice) noexcept;
  bool cancel_here(const orbit_type* type, uint64_t hash, std::string_view key, orbit_envelope* call) noexcept;
  void cancel_turn(orbit_envelope* turn) noexcept;

  // hold.cpp
  friend struct ::orbit_hold;
  orbit_hold* prepare_hold(const orbit_actor_ref* refs, size_t count, std::span<const orbit_type* const> erased,
                           uint64_t deadline_ns, orbit_hold_granted granted, void* ctx) noexcept;
  void refuse_holds(const std::vector<orbit_type*>& types) noexcept;
  static void take_holds_out(orbit_activation* a, std::vector<orbit_envelope*>& out);
  void refuse_hold(orbit_envelope* envelope) noexcept;
  // Names the hold that an envelope waits for a place for, as what its activations have open does.
  static TurnId hold_of(const orbit_envelope* envelope) noexcept;
  void hold_arrived(orbit_activation* a, orbit_envelope* envelope) noexcept;
  bool submitted(const orbit_activation* a) noexcept;
  void submit_before(const orbit_hold& hold) noexcept;
  void submit_held(const orbit_hold& hold) noexcept;
  void gate_behind_hold(orbit_activation* a) noexcept;
  void unhold(orbit_activation* a, bool failed) noexcept;
  void release_together(orbit_hold* hold, orbit_hold_committed committed, void* ctx) noexcept;
  void abort(orbit_hold* hold, orbit_hold_committed committed, void* ctx, orbit_code code, const char* message) noexcept;
  void collect_held(orbit_hold* hold, size_t number, Pending& pending) noexcept;
  void abort_doomed(orbit_hold* hold, orbit_hold_committed committed, void* ctx) noexcept;
  void recycle(orbit_hold* hold) noexcept;
  void delete_holds() noexcept;

  // erasing.cpp
  void commit_erasing(orbit_hold* hold) noexcept;

  // commit.cpp
  // Has the engine sync within the class's delay although no activation is dirty.
  void sync_soon(FlushClass& cls);
  FlushClass& flush_class(uint32_t index);
  void mark_dirty(orbit_activation* a) noexcept;
  void before_change(orbit_activation* a) noexcept;
  Pending* open_sync(FlushClass& cls);
  void close_cut(FlushClass& cls) noexcept;
  bool collect_slice(FlushClass& cls, size_t most) noexcept;
  void commit_round() noexcept;
  bool lets_join(FlushClass& cls) noexcept;
  void pending_done(Pending* pending) noexcept;
  void tell_stored(const Pending::Stored& stored) noexcept;
  void fail_sync(FlushClass& cls, orbit_code code, const std::string& message) noexcept;
  Store& store_of(const orbit_activation* a) const noexcept;
  bool stored(const orbit_activation* a) const noexcept;
  Pending* find_pending(uint64_t seq) noexcept;

  // lifecycle.cpp
  void start_load(orbit_activation* a) noexcept;
  void load(orbit_activation* a) noexcept;
  bool load_cached(orbit_activation* a) noexcept;
  void read_on_pool(orbit_activation* a) noexcept;
  void wait_for_load(orbit_activation* a);
  orbit_activation* next_waiting(size_t queue) noexcept;
  void resume_waiting() noexcept;
  void fail_activation(orbit_activation* a, orbit_code code, std::string_view message) noexcept;
  uint64_t held_bytes() const noexcept { return memory_bytes_ + table_.memory_bytes(); }
  // Past the bound and a little: sweeping begins at the bound itself.
  bool over_memory() const noexcept { return held_bytes() > limits_.memory_bytes_max + limits_.memory_bytes_max / 8; }
  std::string memory_error() const;
  void loaded(Load* load) noexcept;
  void complete_load(orbit_activation* a, const std::vector<orbit_record>& records, std::string_view main, orbit_code code,
                     std::string_view message) noexcept;
  void fail_mailbox(orbit_activation* a, orbit_code code, std::string_view message) noexcept;
  void drop_actor(orbit_activation* a) noexcept;
  void account_memory(orbit_activation* a) noexcept;
  bool may_leave(const orbit_activation* a, bool pinned_counts) const noexcept;
  void try_leave_all() noexcept;
  bool tell_leaving(orbit_activation* a, orbit_deactivation reason) noexcept;
  void vacate(orbit_activation* a) noexcept;
  uint32_t least_age_to_leave() noexcept;
  void sweep(size_t most, bool under_pressure) noexcept;
  void sweep_once(size_t most, bool under_pressure) noexcept;
  void tick() noexcept;
  void arm_tick() noexcept;

  Runtime& runtime_;
  Executor& executor_;
  const uint32_t worker_;
  const SchedulerLimits limits_;

  EnvelopePool pool_;
  ActivationTable table_;
  ActorTimers timers_;
  SchedulerTallies tallies_;
  DeadLetters dead_letters_;
  HotActors hot_;
  orbit_histogram turn_times_;

  orbit_activation* run_head_ = nullptr;
  orbit_activation* run_tail_ = nullptr;
  uint32_t run_length_ = 0;
  orbit_activation* current_ = nullptr;
  orbit_envelope* turn_ = nullptr;  // the running turn of current_
  const std::vector<CallFilter>* filters_ = nullptr;
  uint32_t depth_ = 0;
  // Turns are bounded by time too: so many run, then the clock is looked at, and when the worker's other work has waited for long,
  // no more begin until it had its turn.
  Tally attend_at_;              // the turn with this number, or the first one after it, is attended to
  uint64_t answers_ = 0;         // that turns of this worker waited for
  uint64_t look_every_ = 1;      // turns from one look to the next, as many as take a fraction of the time there is
  uint64_t looked_ns_ = 0;
  uint64_t time_began_ns_ = 0;   // since when turns have followed each other; 0: they have not begun
  uint32_t depth_max_ = 0;       // of nested inline turns; 0: time is over
  uint64_t now_ns_ = 0;
  uint32_t now_tick_ = 0;  // now_ns_ / 2^24: 16.8 ms
  HintedSends hinted_;  // not in their mailboxes yet; their activations must stay
  bool delivers_hinted_ = false;
  EnvelopeQueue refused_;  // calls among them, answered by the next step: a turn that goes on could do anything meanwhile
  const orbit_activation* hinted_last_ = nullptr;  // where the last one of them went, or would have gone
  std::vector<Outbox> outbox_;  // by receiving worker
  bool outbox_used_ = false;
  // By worker: how many envelopes came from there and stayed, less those that went there and stayed. What flows one way only
  // is given back, so that its sender need not make new ones for ever.
  std::vector<int64_t> owed_;
  bool owes_ = false;
  FanOuts fan_outs_;
  std::unordered_map<const orbit_activation*, std::vector<orbit_envelope*>> open_turns_;  // of those with several
  StorageWaits storage_waits_;

  std::deque<FlushClass> classes_;
  uint64_t next_seq_ = 1;
  std::vector<uint64_t> failures_seen_;  // of submissions, by storage
  std::deque<Pending*> in_flight_;
  std::vector<Pending*> spare_pending_;
  std::vector<orbit_hold*> spare_holds_;
  bool joining_ = false;  // a commit was put off in this round
  uint32_t granted_holds_ = 0;  // whose actors may have changes in the open cut that are not to be collected yet
  const Store* held_in_ = nullptr;  // while a hold is being granted: where its actors lie

  orbit_activation* activating_ = nullptr;  // activation() is making it; null again when that failed at once
  Error activating_error_;
  const MainHeader* loading_header_ = nullptr;  // of the record that an actor is being given
  std::string spare_key_;     // memory for the next load
  std::string spare_record_;
  uint32_t loading_ = 0;
  uint32_t waiting_ = 0;
  // Activations that wait for memory or for a place among the loads. The types take turns.
  struct WaitQueue {
    orbit_type* type;
    orbit_activation* head;
    orbit_activation* tail;
  };
  std::vector<WaitQueue> waits_;
  size_t wait_turn_ = 0;
  FailedLoads failed_loads_;
  struct Leaving {
    orbit_activation* a;
    orbit_deactivation reason;
  };
  std::vector<Leaving> leaving_;
  struct StaysUntil {
    uint64_t said_ns = 0;
    uint64_t kept_ns = 0;
  };
  std::unordered_map<const orbit_activation*, StaysUntil> stays_until_;  // of those with the bit
  uint32_t least_age_ = 0;       // see least_age_to_leave
  uint32_t least_age_tick_ = 0;  // when it was found
  std::vector<orbit_type*> frozen_;
  struct WhenEmpty {
    std::vector<orbit_type*> types;
    const orbit_envelope* except;
    std::function<void()> then;
  };
  std::vector<WhenEmpty> when_empty_;
  size_t sweep_at_ = 0;
  bool sweeping_ = false;
  uint64_t memory_bytes_ = 0;
  orbit_timer tick_timer_ = 0;
};

// The scheduler of the current thread's worker, or null outside workers.
Scheduler* this_scheduler() noexcept;
void set_this_scheduler(Scheduler* scheduler) noexcept;

}  // namespace orbit::kernel
