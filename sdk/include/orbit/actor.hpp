// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What actor authors write against, together with the header that protoc-gen-orbit makes from their .proto:
//
//   class AccountActor final : public bank::AccountBase<AccountActor> {
//    public:
//     orbit::Result<bank::DepositReply> deposit(const bank::DepositRequest& request);
//     bank::BalanceReply balance(const bank::BalanceRequest& request) const;         // read_only methods are const
//     orbit::Task<bank::TransferReply> transfer(const bank::TransferRequest& request);
//   };
//
// A rpc `MakeTransfer` is the method `make_transfer`, in the class and in the proxy; a name that is a C++ keyword gets a '_'.
// For each method choose what it returns: Reply, orbit::Result<Reply>, orbit::Task<Reply> or orbit::Task<orbit::Result<Reply>>
// (one-way methods: void in place of Reply). It takes the request as const Request&, Request&& or Request; a reference stays
// valid until the turn ends, also in a coroutine.
//
// A turn is atomic: when a method throws or returns an error, the state is as it was before the turn, and the caller gets
// the code and message (orbit::CallError keeps its code, any other exception is INTERNAL). One turn at a time; while a Task
// waits the actor takes no other, with these exceptions: while a read_only method waits, other read_only methods run; while a
// `reentrant` one waits, or one whose call was made .reentrant() and comes back, other turns run. When another turn comes in
// while one waits that has changed the state, these changes are kept, as if that turn had ended there: each turn is atomic
// only between two of its waits, a failure undoes what the turn changed since. Plain members of the class are not part of the
// state: they are lost when the actor leaves memory, and not rolled back.
//
// What the .proto's options add, and types without them do not pay for:
//   save()        co_await save(): what the turn changed so far is durable, whatever comes after. Together with
//                 DURABILITY_NONE that is saving by hand; the other durabilities save at the end of each turn.
//   states        profile(), mutable_profile(), has_profile(), erase_profile() for a state named profile, stored for itself;
//                 of a lazy one, co_await load_profile() first.
//   expires       expire_at_ms(), expire_in_ms(): the state is erased then, also when the actor is not in memory.
//   index         (on fields of the state) Account::by_owner("alice") finds actors; see orbit/index.hpp.
//   journaled     the state is what events make of it: record(ItemAdded) appends an event and gives it to
//                 static void apply(State&, const ItemAdded&), which must depend on nothing else. read_journal() pages.
//   state_version static orbit::Result<State> migrate(uint32_t from_version, orbit::Bytes) reads what older versions stored;
//                 without it protobuf's own rules do. For a state named profile migrate_profile, for events migrate_event.
#pragma once

#include <algorithm>
#include <coroutine>
#include <exception>
#include <iterator>
#include <memory>
#include <optional>
#include <unordered_map>

#include "call.hpp"
#include "detail/outbox.hpp"
#include "detail/reminders.hpp"
#include "detail/state_backups.hpp"
#include "detail/state_parts.hpp"
#include "detail/timers.hpp"
#include "detail/turn.hpp"
#include "detail/turn_waits.hpp"
#include "index.hpp"
#include "journal.hpp"
#include "task.hpp"

namespace orbit {

// A turn that would make an actor's state larger (as protobuf bytes) fails with RESOURCE_EXHAUSTED.
inline constexpr size_t kStateBytesMax = size_t{64} << 20;

// Bounds of journaled types.
inline constexpr size_t kEventsPerTurnMax = 10'000;
inline constexpr size_t kJournalPageBytes = size_t{4} << 20;  // read_journal stops after so many

namespace detail {
template <class Impl>
struct ActorGlue;

template <class Impl>
struct StoredState;

// Of actors with several open turns: the one that made the latest changes.
inline thread_local std::unordered_map<const void*, const void*> state_owners;

// Zero on a node without orbit.workers/1.
inline uint64_t unix_ms() noexcept { return host_workers != nullptr ? host_workers->unix_ms(module_host) : 0; }
}  // namespace detail

// Why an actor leaves memory.
enum class Deactivation : orbit_deactivation {
  idle = ORBIT_DEACTIVATION_IDLE,          // not used for its idle timeout
  memory = ORBIT_DEACTIVATION_MEMORY,      // a bound on memory or activations
  asked = ORBIT_DEACTIVATION_ASKED,        // by the actor itself, or an operator
  upgrade = ORBIT_DEACTIVATION_UPGRADE,    // another version of the module takes over
  shutdown = ORBIT_DEACTIVATION_SHUTDOWN,  // the node stops
  erased = ORBIT_DEACTIVATION_ERASED,      // all actors of the type are erased
};

// The state of a stateless actor type.
struct NoState {
  void Clear() noexcept {}
  void Swap(NoState*) noexcept {}
  size_t ByteSizeLong() const noexcept { return 0; }
  bool ParseFromArray(const void*, int) noexcept { return true; }
  std::string SerializeAsString() const { return {}; }
};

// Base of the generated bases. Not thread safe; everything runs on the worker that owns the activation.
template <class Description>
class Actor {
 public:
  using State = typename Description::State;

  Actor(const Actor&) = delete;
  Actor& operator=(const Actor&) = delete;

  // Called once, after the state was loaded and before the first turn; state() and key() are valid from here on, not in the
  // constructor. Hide it with your own, which may return orbit::Result<>; a failure refuses the activation. What it changes is
  // stored together with what the next changing turn changes.
  void on_activate() {}
  // An actor class may have `orbit::Result<> before_turn(orbit::Bytes method)`: called before each turn; an error refuses it. The
  // place for access checks (see orbit::context).
  // Called once before it leaves memory: no turn runs and none will. Hide it with your own; what it changes is stored before the
  // actor leaves, unless it gives the state a new value of a unique index. Not called when the process is killed, or when a
  // failed commit makes the actor start again from what is stored.
  void on_deactivate(Deactivation) {}

 protected:
  Actor() = default;
  ~Actor() {
    detail::PromiseBase::destroy_all(pending_);
    if (overlap_) detail::state_owners.erase(this);
    if (backup_ != nullptr) detail::state_backups<State>.release(backup_);
  }

  // const std::string& or int64_t, as the key kind says.
  decltype(auto) key() const noexcept { return key_.value(); }

  const State& state() const noexcept { return state_; }
  // For changing it. The first call of a turn copies the state, to go back to when the turn fails. Throws CallError when the
  // node cannot store changes now (a full disk) and the type's durability would let the reply leave before that is noticed.
  State& mutable_state()
    requires(!Description::kJournaled)
  {
    begin_change();
    exists_ = true;
    return state_;
  }
  // Empties all states, removes the actor's records from storage, its events and index entries too, and cancels its reminders and
  // subscriptions. Throws UNAVAILABLE while events that it has published are on their way to their stream.
  void erase_state() {
    if constexpr (kStreams)
      if (!streams_.idle()) throw CallError(Code::unavailable, "events of this actor are on their way; try again later");
    begin_change();
    state_.Clear();
    named_.each([](auto, auto& slot) { slot.erase(); });
    if constexpr (Description::kExpires) expiry_.at_ms = 0;
    if constexpr (Description::kJournaled) journal_.undo();
    exists_ = false;
    erased_ = true;
    if constexpr (Description::kReminders) reminders_.remove_all();
    if constexpr (kStreams) streams_.remove_subscriptions();
  }
  // Whether there is a state: stored before, or made by this or an earlier turn.
  bool has_state() const noexcept { return exists_; }

  // Makes what the turn changed so far durable; an error later in the turn goes back to here only. Throws CallError when it
  // could not be stored.
  Task<> save() {
    if (!fits()) throw CallError(Code::resource_exhausted, too_large());
    if constexpr (kHasUnique) {
      std::vector<std::string> claims = unclaimed();
      if (!claims.empty()) {
        index_.claiming = host_actors.turn();
        detail::KernelWait wait([&](auto done, void* ctx) { claim(claims, done, ctx); });
        co_await wait;
      }
    }
    detail::KernelWait wait([this](auto done, void* ctx) {
      host_actors.save(activation_, done, ctx);
      if (owns_changes(host_actors.turn())) settle();
      unannounced_ = false;
    });
    co_await wait;
  }

  // When the state is to be erased, Unix time; 0: never. Part of the state: a turn that fails does not change it.
  uint64_t expires_at_ms() const noexcept
    requires(Description::kExpires)
  {
    return expiry_.at_ms;
  }
  void expire_at_ms(uint64_t unix_ms)
    requires(Description::kExpires)
  {
    begin_turn_changes();
    exists_ = true;
    expiry_.at_ms = unix_ms;
  }
  void expire_in_ms(uint64_t delay_ms)
    requires(Description::kExpires)
  {
    expire_at_ms(detail::unix_ms() + delay_ms);
  }

  // Asks to leave memory once nothing waits for this actor, without waiting for the idle timeout.
  void deactivate_when_idle() noexcept { host_actors.deactivate_when_idle(activation_); }
  // For so long from now the idle timeout does not count; 0: it counts again. A bound on memory counts all the same.
  void delay_deactivation_ms(uint64_t duration_ms) noexcept { host_actors.delay_deactivation(activation_, duration_ms); }

  // ---- timers, for types with `timers: true` ------------------------------------------------------------------------
  // From `due` on, then every `period` (0: once), handler() is a turn of this actor: one of its own, never beside another one.
  // It is anything that can be called without arguments and returns what a one-way method may. Ticks keep to the grid
  // start + due + n * period; those whose time passes while the turn of an earlier one runs are left out. A turn that fails
  // does not end the timer. A timer of the same name is replaced. Timers end when the actor leaves memory and are not undone
  // when a turn fails; start them in on_activate. Throws RESOURCE_EXHAUSTED with more than ORBIT_TIMERS_MAX.
  // Ticks do not keep the actor in memory, unless flags has ORBIT_TIMER_KEEPS_ACTIVE.
  template <class F>
  void start_timer(std::string_view name, std::chrono::milliseconds due, std::chrono::milliseconds period, F&& handler,
                   uint32_t flags = 0) {
    static_assert(Description::kTimers, "start_timer: the service needs (orbit.v1.actor) = { timers: true }");
    timers_.start(activation_, name, due, period, flags, std::forward<F>(handler));
  }
  // True when there was one of that name. A tick that waits already does not run any more.
  bool cancel_timer(std::string_view name) noexcept {
    static_assert(Description::kTimers, "cancel_timer: the service needs (orbit.v1.actor) = { timers: true }");
    return timers_.cancel(activation_, name);
  }

  // ---- reminders, for types with `reminders: true`; see reminder.hpp ------------------------------------------------
  // Sets the reminder of that name (1 to kReminderNameMax bytes), in place of an earlier one. A part of the turn's changes,
  // which also makes the state exist. Throws INVALID_ARGUMENT, or RESOURCE_EXHAUSTED with more than kRemindersMax.
  void set_reminder(std::string_view name, const ReminderTimes& times) {
    static_assert(Description::kReminders, "set_reminder: the service needs (orbit.v1.actor) = { reminders: true }");
    if (name.empty() || name.size() > kReminderNameMax)
      throw CallError(Code::invalid_argument, "a reminder's name has 1 to " + std::to_string(kReminderNameMax) + " bytes");
    if (times.due.count() < 0 || times.period.count() < 0 || times.catch_up_max == 0 ||
        (times.period.count() != 0 && static_cast<uint64_t>(times.period.count()) < kReminderPeriodMsMin))
      throw CallError(Code::invalid_argument, "reminder '" + std::string(name) + "': times are not negative, a period is 0 or " +
                                                  "at least " + std::to_string(kReminderPeriodMsMin) +
                                                  " ms, catch_up_max is at least 1");
    if (host_workers == nullptr) throw CallError(Code::failed_precondition, "this node has no " ORBIT_WORKERS_V1);
    begin_change();
    exists_ = true;
    const uint64_t due_ms = host_workers->unix_ms(module_host) + static_cast<uint64_t>(times.due.count());
    if (!reminders_.set({std::string(name), due_ms, static_cast<uint64_t>(times.period.count()), times.missed,
                         times.catch_up_max}))
      throw CallError(Code::resource_exhausted,
                      "reminders_max: the actor has " + std::to_string(kRemindersMax) + " reminders, the limit");
  }
  // True when there was one of that name.
  bool cancel_reminder(std::string_view name) {
    static_assert(Description::kReminders, "cancel_reminder: the service needs (orbit.v1.actor) = { reminders: true }");
    if (reminders_.find(name) == nullptr) return false;
    begin_change();
    return reminders_.remove(name);
  }
  // When its next tick is due, Unix time in milliseconds; 0: there is none of that name.
  uint64_t reminder_due_ms(std::string_view name) const noexcept {
    static_assert(Description::kReminders, "reminder_due_ms: the service needs (orbit.v1.actor) = { reminders: true }");
    const detail::Reminder* reminder = reminders_.find(name);
    return reminder != nullptr ? reminder->due_ms : 0;
  }

  // ---- streams; see stream.hpp --------------------------------------------------------------------------------------
  // For types with `publishes: true`. A part of the turn's changes, which also makes the state exist. Throws RESOURCE_EXHAUSTED
  // when kOutboxMax events wait for their streams, INVALID_ARGUMENT when one is larger than ORBIT_STREAM_EVENT_MAX.
  template <class Message>
  void publish(const Stream<Message>& stream, const Message& message) {
    static_assert(Description::kPublishes, "publish: the service needs (orbit.v1.actor) = { publishes: true }");
    begin_stream_change();
    streams_.publish(stream.key(), message.SerializeAsString());
  }
  // For types with `subscribes: "Message"`: on_event(const Event<Message>&) gets the stream's events from `start` on. To
  // subscribe again with another start is to go there (replay); with from_now() it changes nothing for a known subscriber, but
  // revives one that the stream had given up.
  template <class Message>
  void subscribe(const Stream<Message>& stream, StreamStart start = from_now()) {
    static_assert(Description::Events::template kHas<Message>,
                  "subscribe: the service's (orbit.v1.actor) must name this message in `subscribes`");
    begin_stream_change();
    streams_.subscribe(stream.key(), start.position);
  }
  // True when it was subscribed. No event comes afterwards.
  template <class Message>
  bool unsubscribe(const Stream<Message>& stream) {
    static_assert(Description::Events::template kHas<Message>,
                  "unsubscribe: the service's (orbit.v1.actor) must name this message in `subscribes`");
    begin_stream_change();
    return streams_.unsubscribe(stream.key());
  }

  decltype(auto) key_object() const noexcept { return key_.key(); }

  // ---- what the generated accessors of named states do
  template <size_t I>
  const auto& named() const {
    return loaded<I>().value;
  }
  template <size_t I>
  bool has_named() const {
    return loaded<I>().exists;
  }
  template <size_t I>
  auto& mutable_named() {
    auto& slot = loaded<I>();
    begin_turn_changes();
    slot.begin();
    slot.exists = exists_ = true;
    return slot.value;
  }
  template <size_t I>
  void erase_named() {
    begin_turn_changes();
    std::get<I>(named_.slots).erase();
  }
  template <class Impl, size_t I>
  Task<> load_named() const {
    auto& slot = std::get<I>(named_.slots);
    if (slot.loaded) co_return;
    const std::string subkey = detail::kLazySpace + std::string(Description::kNamed[I].name);
    detail::ReadWait wait(activation_, subkey, subkey + '\0', 1, SIZE_MAX);
    const detail::ReadRecords read = co_await wait;
    if (slot.loaded) co_return;
    if (!read.records.empty())
      if (Result<> parsed = detail::StoredState<Impl>::template parse_named<I>(slot, read.records[0].second); !parsed)
        throw CallError(parsed.error());
    slot.loaded = true;
  }

  // ---- what the generated record() of a journaled type does
  template <class Impl, class Event>
  void record_event(const Event& event) {
    if (journal_.turn_count >= kEventsPerTurnMax)
      throw CallError(Code::resource_exhausted, std::string(Description::kName) + ": a turn records at most " +
                                                    std::to_string(kEventsPerTurnMax) + " events");
    std::string bytes = detail::StoredState<Impl>::stored_event(event);
    if (journal_.turn_bytes + bytes.size() > kStateBytesMax)
      throw CallError(Code::resource_exhausted, std::string(Description::kName) + ": the events of a turn would exceed " +
                                                    std::to_string(kStateBytesMax) + " bytes");
    begin_change();
    exists_ = true;
    Description::template apply_event<Impl>(state_, event);
    journal_.turn_bytes += bytes.size();
    journal_.unsaved.push_back(std::move(bytes));
    ++journal_.turn_count;
  }
  template <class Impl, class Event>
  Task<JournalPage<Event>> read_events(uint64_t from, size_t limit) const {
    JournalPage<Event> page;
    const uint64_t end = journal_.last + 1;
    from = std::max(from, journal_.first);
    if (from >= end || limit == 0) co_return page;
    std::string from_key(1, detail::kEventSpace);
    std::string to_key(1, detail::kEventSpace);
    detail::append_big_endian(from_key, from);
    detail::append_big_endian(to_key, end);
    detail::ReadWait wait(activation_, from_key, to_key, limit, kJournalPageBytes);
    const detail::ReadRecords read = co_await wait;
    for (const auto& [subkey, value] : read.records) {
      auto& entry = page.events.emplace_back();
      entry.number = detail::big_endian_of(std::string_view(subkey).substr(1));
      if (Result<> parsed = detail::StoredState<Impl>::parse_event(value, entry.number, &entry.event, &entry.recorded_at_ms); !parsed)
        throw CallError(parsed.error());
    }
    if (read.more && !page.events.empty()) page.next = page.events.back().number + 1;
    co_return page;
  }
  // How many events were recorded before this turn; also the number of the last one.
  uint64_t event_count() const noexcept
    requires(Description::kJournaled)
  {
    return journal_.last;
  }

 private:
  template <class Impl>
  friend struct detail::ActorGlue;
  template <class Impl>
  friend struct detail::StoredState;

  static constexpr bool kStreams = Description::kPublishes || Description::Events::kAny;
  void begin_stream_change() {
    begin_change();
    exists_ = true;
  }
  template <size_t I>
  auto& loaded() const {
    auto& slot = std::get<I>(named_.slots);
    if (!slot.loaded) [[unlikely]] {
      const std::string name(Description::kNamed[I].name);
      throw CallError(Code::failed_precondition,
                      std::string(Description::kName) + ": the state " + name + " is lazy; co_await load_" + name + "() first");
    }
    return slot;
  }

  static constexpr bool kHasUnique = Description::kHasUnique;

  // Before the running turn changes anything.
  void begin_turn_changes() {
    if constexpr (Description::kStatelessCopies != 0) static_assert(detail::kNever<Description>, "a stateless actor has no state");
    if constexpr (kHasUnique) {
      if (index_.claiming != nullptr && index_.claiming != host_actors.turn())
        throw CallError(Code::aborted, std::string(Description::kName) + ": another turn is taking a value of a unique index");
    }
    if (changing_) {
      if (!overlap_ || detail::state_owners[this] == host_actors.turn()) [[likely]] return;
      keep_waiting_changes();
    }
    if (overlap_) detail::state_owners[this] = host_actors.turn();
    if constexpr (Description::kDurability != ORBIT_DURABILITY_SYNC) check_writable();
    changing_ = true;
    backup_exists_ = exists_;
    expiry_.begin();
  }
  void begin_change() {
    if (backup_ != nullptr && !overlap_) [[likely]] return;
    begin_turn_changes();
    if (backup_ == nullptr) backup_ = detail::state_backups<State>.copy_of(state_);
  }
  static void check_writable() {
    orbit_error error;
    error.struct_size = sizeof error;
    if (const orbit_code code = host_actors.writable(&error); code != ORBIT_OK) [[unlikely]]
      throw CallError(static_cast<Code>(code), error.message);
  }
  // Another turn comes in while one waits: that one's changes stay.
  void begin_overlap() {
    if (!overlap_) {
      overlap_ = true;
      detail::state_owners[this] = changing_ ? pending_->turn() : nullptr;
    }
    keep_waiting_changes();
  }
  void keep_waiting_changes() {
    if (!changing_) return;
    if constexpr (kHasUnique) {
      if (!unclaimed().empty())
        throw CallError(Code::aborted, std::string(Description::kName) +
                                           ": another turn waits and has not taken its values of unique indexes; let it save() first");
    }
    settle();
  }
  // Whether what is not settled was changed by that turn.
  bool owns_changes(const void* turn) const noexcept {
    if (!changing_) return false;
    if constexpr (kHasUnique)
      if (index_.claiming != nullptr) return index_.claiming == turn;
    return !overlap_ || detail::state_owners[this] == turn;
  }
  // The changes will not be undone any more.
  void settle() noexcept {
    changing_ = false;
    main_changed_ = main_changed_ || backup_ != nullptr || exists_ != backup_exists_ || expiry_.changed();
    if (named_.keep()) main_changed_ = true;
    if (backup_ != nullptr) detail::state_backups<State>.release(std::exchange(backup_, nullptr));
    if (erased_) {
      erased_ = false;
      wiped_ = main_changed_ = true;
      if constexpr (Description::kJournaled) journal_.wipe();
    }
    journal_.keep();
    if constexpr (Description::kReminders) reminders_.keep();
    if constexpr (kStreams) streams_.keep();
    if constexpr (kHasUnique) {
      index_.unique = unique_entries();
      index_.claiming = nullptr;
    }
    changed_ = unannounced_ = true;
  }
  // Ends a turn's changes; true when there are any that the node does not know of.
  bool keep_changes(const void* turn) noexcept {
    if (!changing_ && !overlap_ && !unannounced_) [[likely]] return false;
    if (owns_changes(turn)) settle();
    end_overlap();
    return std::exchange(unannounced_, false);
  }
  // True when there are others' changes that the node does not know of.
  bool undo_changes(const void* turn) noexcept {
    if (owns_changes(turn)) undo_all_changes();
    end_overlap();
    return std::exchange(unannounced_, false);
  }
  void end_overlap() noexcept {
    if (!overlap_ || pending_ != nullptr) return;
    if constexpr (kHasUnique)
      if (index_.claiming != nullptr) return;
    overlap_ = false;
    detail::state_owners.erase(this);
  }
  void undo_all_changes() noexcept {
    if (!changing_) return;
    changing_ = erased_ = false;
    if constexpr (Description::kReminders) reminders_.undo();
    if constexpr (kStreams) streams_.undo();
    if (backup_ != nullptr) {
      state_.Swap(backup_);
      detail::state_backups<State>.release(std::exchange(backup_, nullptr));
    }
    exists_ = backup_exists_;
    expiry_.undo();
    named_.undo();
    journal_.undo();
    if constexpr (kHasUnique) index_.claiming = nullptr;
  }

  // Whether the running turn's changes may be kept.
  bool fits() noexcept {
    if (!changing_) [[likely]] return true;
    bool fits = backup_ == nullptr || state_.ByteSizeLong() <= kStateBytesMax;
    named_.each([&](auto, auto& slot) { fits = fits && (slot.backup == nullptr || slot.value.ByteSizeLong() <= kStateBytesMax); });
    return fits;
  }
  static std::string too_large() {
    return std::string(Description::kName) + ": the state would exceed " + std::to_string(kStateBytesMax) + " bytes";
  }

  // ---- index entries
  static std::vector<std::string> entries_of(const State& state, bool exists) {
    detail::IndexEntries entries;
    if (exists) Description::index_entries(state, entries);
    entries.finish();
    return std::move(entries).take();
  }
  std::vector<std::string> unique_entries() const {
    std::vector<std::string> entries = entries_of(state_, exists_);
    std::erase_if(entries, [](const std::string& entry) {
      return (detail::index_of<Description>(detail::IndexEntries::number_of(entry))->flags & ORBIT_INDEX_UNIQUE) == 0;
    });
    return entries;
  }
  // The unique values that the running turn gave the state.
  std::vector<std::string> unclaimed() const {
    std::vector<std::string> claims;
    if (!changing_) return claims;
    const std::vector<std::string> now = unique_entries();
    std::set_difference(now.begin(), now.end(), index_.unique.begin(), index_.unique.end(), std::back_inserter(claims));
    return claims;
  }
  template <class Done>
  void claim(const std::vector<std::string>& claims, Done done, void* ctx) const {
    std::vector<orbit_index_entry> entries;
    for (const std::string& entry : claims)
      entries.push_back({detail::IndexEntries::number_of(entry), 0, to_c(detail::IndexEntries::value_of(entry))});
    host_actors.claim(activation_, entries.data(), entries.size(), done, ctx);
  }
  // Empty when the state's entries are within their bounds.
  std::string index_error() const {
    if (!changing_) return {};
    const std::vector<std::string> entries = entries_of(state_, exists_);
    if (entries.size() > ORBIT_INDEX_ENTRIES_MAX)
      return "the state of " + std::string(Description::kName) + " has " + std::to_string(entries.size()) +
             " index entries, at most " + std::to_string(ORBIT_INDEX_ENTRIES_MAX) + " are allowed";
    for (const std::string& entry : entries)
      if (entry.size() - 4 > ORBIT_INDEX_VALUE_MAX)
        return "a value for index " + std::string(detail::index_of<Description>(detail::IndexEntries::number_of(entry))->name) + " of " +
               Description::kName + " has " + std::to_string(entry.size() - 4) + " bytes, at most " +
               std::to_string(ORBIT_INDEX_VALUE_MAX) + " are allowed";
    return {};
  }

  // What a usual turn looks at comes last, beside the derived class's own members.
  detail::KeptKey<Description::kKeyKind> key_;  // set right after construction
  orbit_activation* activation_ = nullptr;
  [[no_unique_address]] detail::ExpiryPart<Description::kExpires> expiry_;
  [[no_unique_address]] detail::IndexPart<Description::kHasIndexes> index_;
  [[no_unique_address]] detail::JournalPart<Description::kJournaled> journal_;
  [[no_unique_address]] mutable detail::NamedSlots<typename Description::NamedStates> named_;
  [[no_unique_address]] std::conditional_t<Description::kTimers, detail::TimerPart, detail::NoPart> timers_;
  struct NoReminders : detail::NoPart {};  // another type, so that both take no room
  [[no_unique_address]] std::conditional_t<Description::kReminders, detail::ReminderPart, NoReminders> reminders_;
  struct NoStreams : detail::NoPart {};
  [[no_unique_address]] std::conditional_t<kStreams, detail::StreamPart, NoStreams> streams_;
  State state_;
  State* backup_ = nullptr;          // the state before the changes that are not settled, if they changed it
  detail::PromiseBase* pending_ = nullptr;  // the turns that wait
  bool exists_ : 1 = false;
  bool backup_exists_ : 1 = false;   // shares a byte, so that the derived class's members begin 8 bytes earlier
  bool overlap_ = false;             // more than one turn is open; detail::state_owners says whose changes are not settled
  bool unannounced_ = false;         // settled changes that no turn has reported as DIRTY yet
  bool changing_ = false;            // there are changes that may yet be undone
  bool erased_ = false;              // among them, everything was erased first
  bool changed_ = false;             // settled changes that collect has not written yet
  bool main_changed_ = false;        // among them, what the main record has
  bool wiped_ = false;               // among them, everything was erased first
  // From the fields of the state on.
  static constexpr size_t kHotBytes = sizeof(State) - sizeof(google::protobuf::MessageLite) + sizeof(backup_) + sizeof(pending_) + 8;
};

}  // namespace orbit

#include "detail/stored_state.hpp"

#include "detail/actor_glue.hpp"
