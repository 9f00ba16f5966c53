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
// only between two of its waits, a failure undoes what the turn changed since. Plain members of the class are not part of the state: they are lost when the actor leaves
// memory, and not rolled back.
#pragma once

#include <coroutine>
#include <exception>
#include <memory>
#include <optional>
#include <unordered_map>

#include "call.hpp"
#include "detail/outbox.hpp"
#include "detail/reminders.hpp"
#include "detail/state_backups.hpp"
#include "detail/timers.hpp"
#include "detail/turn.hpp"
#include "task.hpp"

namespace orbit {

// A turn that would make an actor's state larger (as protobuf bytes) fails with RESOURCE_EXHAUSTED.
inline constexpr size_t kStateBytesMax = size_t{64} << 20;

namespace detail {
template <class Impl>
struct ActorGlue;

// Of actors with several open turns: the one that made the latest changes.
inline thread_local std::unordered_map<const void*, const void*> state_owners;
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
  // actor leaves. Not called when the process is killed, or when a failed commit makes the actor start again from what is stored.
  void on_deactivate(Deactivation) {}

 protected:
  Actor() = default;
  ~Actor() {
    detail::PromiseBase::destroy_all(pending_);
    if (overlap_) detail::state_owners.erase(this);
    if (backup_ != nullptr) detail::state_backups<State>.release(backup_);
  }

  // const std::string& or int64_t, as the key kind says.
  decltype(auto) key() const noexcept { return key_->value(); }

  const State& state() const noexcept { return state_; }
  // For changing it. The first call of a turn copies the state, to go back to when the turn fails. Throws CallError when the
  // node cannot store changes now (a full disk) and the type's durability would let the reply leave before that is noticed.
  State& mutable_state() {
    begin_change();
    exists_ = true;
    return state_;
  }
  // Empties the state, removes the actor's record from storage and cancels its reminders and subscriptions. Throws UNAVAILABLE
  // while events that it has published are on their way to their stream.
  void erase_state() {
    if constexpr (kStreams)
      if (!streams_.idle()) throw CallError(Code::unavailable, "events of this actor are on their way; try again later");
    begin_change();
    state_.Clear();
    exists_ = false;
    if constexpr (Description::kReminders) reminders_.remove_all();
    if constexpr (kStreams) streams_.remove_subscriptions();
  }
  // Whether there is a state: stored before, or made by mutable_state().
  bool has_state() const noexcept { return exists_; }

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

  const Key<Description::kKeyKind>& key_object() const noexcept { return *key_; }

 private:
  template <class Impl>
  friend struct detail::ActorGlue;

  static constexpr bool kStreams = Description::kPublishes || Description::Events::kAny;
  void begin_stream_change() {
    begin_change();
    exists_ = true;
  }
  void begin_change() {
    if constexpr (Description::kStatelessCopies != 0) static_assert(detail::kNever<Description>, "a stateless actor has no state");
    if (backup_ != nullptr) {
      if (!overlap_ || detail::state_owners[this] == host_actors.turn()) [[likely]] return;
      keep_waiting_changes();
    }
    if (overlap_) detail::state_owners[this] = host_actors.turn();
    if constexpr (Description::kDurability != ORBIT_DURABILITY_SYNC) check_writable();
    backup_ = detail::state_backups<State>.copy_of(state_);
    backup_exists_ = exists_;
  }
  static void check_writable() {
    orbit_error error;
    error.struct_size = sizeof error;
    if (const orbit_code code = host_actors.writable(&error); code != ORBIT_OK) [[unlikely]]
      throw CallError(static_cast<Code>(code), error.message);
  }
  // Another turn comes in while one waits: that one's changes stay.
  void begin_overlap() {
    keep_waiting_changes();
    overlap_ = true;
    detail::state_owners.try_emplace(this, nullptr);
  }
  void keep_waiting_changes() noexcept {
    if (backup_ == nullptr) return;
    detail::state_backups<State>.release(std::exchange(backup_, nullptr));
    keep_parts();
    changed_ = true;
    unannounced_ = true;
  }
  // Reminders, and what is for streams, change only while backup_ is set, and go with it.
  void keep_parts() noexcept {
    if constexpr (Description::kReminders) reminders_.keep();
    if constexpr (kStreams) streams_.keep();
  }
  // Whether what has changed since `backup_` was changed by that turn.
  bool owns_changes(const void* turn) const noexcept {
    return backup_ != nullptr && (!overlap_ || detail::state_owners[this] == turn);
  }
  // Ends a turn's changes; true when there are any that the node does not know of.
  bool keep_changes(const void* turn) noexcept {
    if (backup_ == nullptr && !overlap_ && !unannounced_) [[likely]] return false;
    if (owns_changes(turn)) {
      detail::state_backups<State>.release(std::exchange(backup_, nullptr));
      keep_parts();
      changed_ = true;
      unannounced_ = true;
    }
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
    overlap_ = false;
    detail::state_owners.erase(this);
  }
  void undo_all_changes() noexcept {
    if (backup_ == nullptr) return;
    if constexpr (Description::kReminders) reminders_.undo();
    if constexpr (kStreams) streams_.undo();
    state_.Swap(backup_);
    exists_ = backup_exists_;
    detail::state_backups<State>.release(std::exchange(backup_, nullptr));
  }

  orbit_activation* activation_ = nullptr;
  detail::PromiseBase* pending_ = nullptr;  // the turns that wait
  State* backup_ = nullptr;          // the state before the running turn, once that changed it
  bool exists_ = false;
  bool backup_exists_ = false;
  bool overlap_ = false;             // more than one turn is open; detail::state_owners says whose changes backup_ undoes
  bool unannounced_ = false;         // kept changes that no turn has reported as DIRTY yet
  bool changed_ = false;             // completed turns changed what collect has not written yet
  std::optional<Key<Description::kKeyKind>> key_;     // set right after construction
  State state_;
  [[no_unique_address]] std::conditional_t<Description::kTimers, detail::TimerPart, detail::NoPart> timers_;
  struct NoReminders : detail::NoPart {};  // another type, so that both take no room
  [[no_unique_address]] std::conditional_t<Description::kReminders, detail::ReminderPart, NoReminders> reminders_;
  struct NoStreams : detail::NoPart {};
  [[no_unique_address]] std::conditional_t<kStreams, detail::StreamPart, NoStreams> streams_;
};

}  // namespace orbit

#include "detail/actor_glue.hpp"
