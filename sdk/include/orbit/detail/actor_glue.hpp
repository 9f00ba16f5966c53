// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Makes an actor class what the edge wants: the functions of an orbit_actor_type. Included by actor.hpp.
#pragma once

#include <climits>
#include <optional>
#include <string>

#include "../actor.hpp"
#include "object_pool.hpp"
#include "turn.hpp"

namespace orbit::detail {

template <class Impl>
struct ActorGlue {
  using Service = typename Impl::Service;
  using State = typename Service::State;
  using ActorKey = Key<Service::kKeyKind>;

  struct Drop {
    void operator()(Impl* actor) const noexcept { drop_pooled(actor); }
  };

  static void* create(void*, orbit_activation* activation, orbit_bytes key, orbit_error* error) noexcept {
    std::unique_ptr<Impl, Drop> impl;
    const orbit_code code = at_edge(error, [&]() -> Result<> {
      Result<ActorKey> parsed = ActorKey::parse(from_c(key));
      if (!parsed) return fail(parsed.error().code, std::string(Service::kName) + ": " + parsed.error().message);
      impl.reset(make_pooled<Impl>());
      impl->activation_ = activation;
      impl->key_.keep(std::move(*parsed));
      if constexpr (Impl::kStreams) impl->streams_.bind(activation, Service::kName, from_c(key));
      return {};
    });
    return code == ORBIT_OK ? impl.release() : nullptr;
  }

  static void destroy(void* actor) noexcept { drop_pooled(static_cast<Impl*>(actor)); }

  static orbit_code load(void* actor, const orbit_record* records, size_t count, uint64_t, orbit_error* error) noexcept {
    auto& impl = *static_cast<Impl*>(actor);
    return at_edge(error, [&]() -> Result<> {
      Result<> activated = StoredState<Impl>::load(impl, records, count);
      if (!activated) return activated;
      activated = call_on_activate(impl);
      if (activated && !impl.fits()) activated = fail(Code::resource_exhausted, impl.too_large());
      // What it changed is stored with what the next changing turn changes.
      if (activated)
        impl.keep_changes(nullptr);
      else
        impl.undo_all_changes();
      return activated;
    });
  }

  static int invoke(void* actor, orbit_envelope* envelope) noexcept {
    return Service::dispatch(*static_cast<Impl*>(actor), envelope);
  }

  static void collect(void* actor, const orbit_writer* writer) noexcept {
    StoredState<Impl>::collect(*static_cast<Impl*>(actor), writer);
  }

  static int deactivating(void* actor, orbit_deactivation reason) noexcept {
    auto& impl = *static_cast<Impl*>(actor);
    try {
      impl.on_deactivate(static_cast<Deactivation>(reason));
    } catch (...) {
      return impl.undo_changes(nullptr) ? 1 : 0;
    }
    if (!impl.fits()) return impl.undo_changes(nullptr) ? 1 : 0;
    if constexpr (Service::kHasIndexes)
      if (!impl.index_error().empty()) return impl.undo_changes(nullptr) ? 1 : 0;
    // Nobody may wait any more for a unique value.
    if constexpr (Service::kHasUnique)
      if (!impl.unclaimed().empty()) return impl.undo_changes(nullptr) ? 1 : 0;
    return impl.keep_changes(nullptr) ? 1 : 0;
  }

  static void stored(void* actor, uint64_t cookie) noexcept {
    if constexpr (Impl::kStreams) static_cast<Impl*>(actor)->streams_.stored_to(cookie);
  }
  static constexpr void (*kStored)(void*, uint64_t) = Impl::kStreams ? &stored : nullptr;

  static constexpr uint32_t kHotOffset = sizeof(Actor<Service>) - Impl::kHotBytes;
  static constexpr uint32_t kHotBytes = std::min<size_t>(sizeof(Impl) - kHotOffset, 128);

  static size_t memory_bytes(const void* actor) noexcept {
    const auto& impl = *static_cast<const Impl*>(actor);
    size_t bytes = sizeof(Impl) + impl.key_.heap_bytes() + impl.state_.ByteSizeLong();
    if (impl.backup_ != nullptr) bytes += sizeof(State) + impl.backup_->ByteSizeLong();
    if constexpr (Service::kReminders) bytes += impl.reminders_.heap_bytes();
    if constexpr (Impl::kStreams) bytes += impl.streams_.heap_bytes();
    impl.named_.each([&](auto, auto& slot) { bytes += slot.value.ByteSizeLong(); });
    if constexpr (Service::kJournaled)
      for (const std::string& event : impl.journal_.unsaved) bytes += sizeof(std::string) + event.size();
    if constexpr (Service::kHasIndexes)
      for (const std::string& entry : impl.index_.stored) bytes += sizeof(std::string) + entry.size();
    return bytes;
  }

  // One turn of a method: `function(impl, request)` calls it. Reply is void for one-way methods.
  template <class Request, class Reply, class Function>
  [[gnu::always_inline]] static inline int run(Impl& impl, orbit_envelope* envelope, Function function) noexcept {
    using Return = std::invoke_result_t<Function, Impl&, Request&&>;
    try {
      if (impl.pending_ != nullptr) [[unlikely]] impl.begin_overlap();
      if constexpr (requires { impl.before_turn(Bytes()); }) {
        if (Result<> allowed = impl.before_turn(method_name(envelope->method)); !allowed)
          return end_failed(impl, envelope, allowed.error());
      }
      Result<Request*> request = payload_as<Request>(envelope);
      if (!request) [[unlikely]] return end_failed(impl, envelope, request.error());
      if constexpr (MethodReturn<Return>::kTask) {
        return run_task<Reply>(impl, envelope, function(impl, std::move(**request)));
      } else if constexpr (std::is_void_v<Return>) {
        function(impl, std::move(**request));
        drop_message(envelope, *request);
        return end_changes(impl, envelope);
      } else {
        return end_with<Reply>(impl, envelope, function(impl, std::move(**request)));
      }
    } catch (...) {
      return end_thrown(impl, envelope);
    }
  }

  // Kernel-made methods, and methods that this version of the type does not have.
  static int run_unknown(Impl& impl, orbit_envelope* envelope) noexcept {
    if constexpr (Impl::kStreams) {
      if (envelope->method == ORBIT_METHOD_EVENTS) return run_events(impl, envelope);
      if (is_of_outbox(envelope)) return run_outbox(impl, envelope);
    }
    if constexpr (Service::kTimers)
      if (envelope->method == ORBIT_METHOD_TIMER) return run_timer(impl, envelope);
    if constexpr (Service::kReminders)
      if (envelope->method == ORBIT_METHOD_DUE) return run_reminder(impl, envelope);
    drop_payload(envelope);
    if (envelope->method == ORBIT_METHOD_EXPIRE) return expire(impl, envelope);
    if (envelope->method == ORBIT_METHOD_REINDEX) return reindex(impl, envelope);
    fail_envelope(envelope, ORBIT_UNIMPLEMENTED, std::string(Service::kName) + " has no method with id " +
                                                     std::to_string(envelope->method));
    return ORBIT_TURN_DONE;
  }

 private:
  static int run_timer(Impl& impl, orbit_envelope* envelope) noexcept {
    const std::shared_ptr<NamedTimer> timer = impl.timers_.take(static_cast<const orbit_timer_tick*>(envelope->payload)->timer);
    drop_payload(envelope);
    if (timer == nullptr) return ORBIT_TURN_DONE;
    try {
      if (impl.pending_ != nullptr) [[unlikely]] impl.begin_overlap();
      return end_handler(impl, envelope, timer->run(timer));
    } catch (...) {
      return end_thrown(impl, envelope);
    }
  }

  static int run_reminder(Impl& impl, orbit_envelope* envelope) noexcept {
    static_assert(requires(const ReminderTick& tick) { impl.on_reminder(tick); },
                  "a type with reminders: true needs a public method on_reminder(const orbit::ReminderTick&)");
    const auto& due = *static_cast<const orbit_due_tick*>(envelope->payload);
    const Bytes name = from_c(due.name);
    const uint64_t due_ms = due.due_ms;
    const uint64_t now_ms = due.now_ms;
    drop_payload(envelope);
    try {
      if (impl.pending_ != nullptr) [[unlikely]] impl.begin_overlap();
      const Reminder* reminder = impl.reminders_.find(name);
      if (reminder == nullptr || reminder->due_ms != due_ms) {
        if (impl.reminders_.written()) {
          impl.begin_change();
          impl.reminders_.forget(name, due_ms);
        }
        return end_changes(impl, envelope);
      }
      impl.begin_change();
      const ReminderStep step = step_of(*reminder, now_ms);
      impl.reminders_.tick = {std::string(name), step.tick_ms, now_ms, step.missed};
      Reminder next = *reminder;
      next.due_ms = step.next_ms;
      if (step.next_ms == 0)
        impl.reminders_.remove(next.name);
      else
        impl.reminders_.set(std::move(next));
      if (!step.run) return end_changes(impl, envelope);
      return end_handler(impl, envelope, call_handler(nullptr, [&]() -> decltype(auto) {
                           return impl.on_reminder(impl.reminders_.tick);
                         }));
    } catch (...) {
      return end_thrown(impl, envelope);
    }
  }

  // What the kernel sends for the outbox.
  static bool is_of_outbox(const orbit_envelope* envelope) noexcept {
    if (envelope->method == ORBIT_METHOD_TIMER)
      return static_cast<const orbit_timer_tick*>(envelope->payload)->cookie == kOutboxCookie;
    return envelope->method == ORBIT_METHOD_DUE &&
           from_c(static_cast<const orbit_due_tick*>(envelope->payload)->name) == kOutboxDue;
  }
  static int run_outbox(Impl& impl, orbit_envelope* envelope) noexcept {
    try {
      if (impl.pending_ != nullptr) [[unlikely]] impl.begin_overlap();
      if (envelope->method == ORBIT_METHOD_TIMER) {
        impl.streams_.ticked();
      } else {
        const auto& due = *static_cast<const orbit_due_tick*>(envelope->payload);
        impl.begin_change();
        impl.streams_.due(due.due_ms, due.now_ms);
        impl.streams_.send();
      }
      return end_empty(impl, envelope);
    } catch (...) {
      return end_thrown(impl, envelope);
    }
  }

  static int run_events(Impl& impl, orbit_envelope* envelope) noexcept {
    auto& batch = *static_cast<orbit_stream_batch*>(envelope->payload);
    const Subscription* known = impl.streams_.find(from_c(batch.stream));
    if (known == nullptr) {
      batch.unsubscribed = 1;
      return end_empty(impl, envelope);
    }
    if (known->number != batch.subscription) {
      fail_envelope(envelope, ORBIT_ABORTED, "the actor has subscribed anew, which the stream does not know yet");
      return ORBIT_TURN_DONE;
    }
    try {
      if (impl.pending_ != nullptr) [[unlikely]] impl.begin_overlap();
      return run_task<void>(impl, envelope, take_events(impl, batch));
    } catch (...) {
      return end_thrown(impl, envelope);
    }
  }
  // One turn for all of them; what was taken before comes only when the stream did not hear of it.
  static Task<Result<>> take_events(Impl& impl, const orbit_stream_batch& batch) {
    const Bytes stream = from_c(batch.stream);
    for (uint32_t i = 0; i < batch.count; ++i) {
      const Subscription* known = impl.streams_.find(stream);
      if (known == nullptr || known->number != batch.subscription) break;  // the event before ended it
      if (batch.events[i].position <= known->taken) continue;
      Result<> taken = co_await take_event(impl, stream, batch.events[i], static_cast<typename Service::Events*>(nullptr));
      if (!taken) co_return taken;
      known = impl.streams_.find(stream);
      if (known == nullptr || known->number != batch.subscription) break;
      impl.begin_change();
      impl.streams_.took(stream, batch.events[i].position);
    }
    co_return Result<>{};
  }
  template <class First, class... Rest>
  static Task<Result<>> take_event(Impl& impl, Bytes stream, const orbit_stream_event& raw, EventTypes<First, Rest...>*) {
    static_assert(requires(const Event<First>& event) { impl.on_event(event); },
                  "a type that subscribes to a message needs a public method on_event(const orbit::Event<Message>&)");
    Event<First> event;
    const size_t type_size = event.message.GetTypeName().size();
    if (stream.size() <= type_size || stream[type_size] != '/' || stream.substr(0, type_size) != event.message.GetTypeName()) {
      Result<> other = co_await take_event(impl, stream, raw, static_cast<EventTypes<Rest...>*>(nullptr));
      co_return other;
    }
    if (!event.message.ParseFromArray(raw.payload.data, static_cast<int>(raw.payload.size)))
      co_return fail(Code::data_loss, "event " + std::to_string(raw.position) + " of " + std::string(stream) +
                                          " is no such message");
    event.stream = stream.substr(type_size + 1);
    event.position = raw.position;
    event.time_ms = raw.time_ms;
    event.publisher_type = from_c(raw.publisher_type);
    event.publisher_key = from_c(raw.publisher_key);
    event.sequence = raw.sequence;
    HandlerOutcome outcome = call_handler(nullptr, [&]() -> decltype(auto) { return impl.on_event(event); });
    if (!outcome.task) co_return outcome.result;
    Result<> result = co_await std::move(*outcome.task);
    co_return result;
  }
  static Task<Result<>> take_event(Impl&, Bytes stream, const orbit_stream_event&, EventTypes<>*) {
    co_return fail(Code::unimplemented, std::string(Service::kName) + " does not subscribe to streams like " + std::string(stream));
  }

  static int end_handler(Impl& impl, orbit_envelope* envelope, HandlerOutcome outcome) {
    if (outcome.task) return run_task<void>(impl, envelope, std::move(*outcome.task));
    if (!outcome.result) return end_failed(impl, envelope, outcome.result.error());
    return end_empty(impl, envelope);
  }

  static Bytes method_name(uint32_t id) noexcept {
    for (const orbit_method& method : Service::kMethods)
      if (method.id == id) return method.name;
    return {};
  }

  static Result<> call_on_activate(Impl& impl) {
    if constexpr (std::is_void_v<decltype(impl.on_activate())>) {
      impl.on_activate();
      return {};
    } else {
      return impl.on_activate();
    }
  }

  static int expire(Impl& impl, orbit_envelope* envelope) noexcept {
    if constexpr (Service::kExpires) {
      try {
        if (StoredState<Impl>::expired(impl)) impl.erase_state();
      } catch (...) {
        return end_thrown(impl, envelope);
      }
      impl.keep_changes(envelope);
      if (impl.changed_) envelope->flags |= ORBIT_ENVELOPE_DIRTY;
    }
    return ORBIT_TURN_DONE;
  }

  static int reindex(Impl& impl, orbit_envelope* envelope) noexcept {
    if constexpr (Service::kHasIndexes) {
      if (!impl.exists_) return ORBIT_TURN_DONE;
      if constexpr (Service::kHasUnique)
        if (!impl.index_.unique.empty()) return claim_and_end(impl, envelope, impl.index_.unique);
      end_reindex(impl, envelope);
    }
    return ORBIT_TURN_DONE;
  }
  static void end_reindex(Impl& impl, orbit_envelope* envelope) noexcept {
    impl.index_.rewrite = impl.changed_ = true;
    envelope->flags |= ORBIT_ENVELOPE_DIRTY;
  }

  // The turn ends when its unique values are taken, or fails because they are not.
  static int claim_and_end(Impl& impl, orbit_envelope* envelope, const std::vector<std::string>& claims) noexcept {
    struct Ending {
      Impl* impl;
      orbit_envelope* envelope;
    };
    impl.index_.claiming = envelope;
    impl.claim(
        claims,
        [](void* ctx, orbit_code code, const char* message) {
          const std::unique_ptr<Ending> ending(static_cast<Ending*>(ctx));
          Impl& actor = *ending->impl;
          orbit_envelope* its = ending->envelope;
          if (its->method == ORBIT_METHOD_REINDEX) actor.index_.claiming = nullptr;
          if (code != ORBIT_OK)
            end_failed(actor, its, {static_cast<Code>(code), message});
          else if (its->method == ORBIT_METHOD_REINDEX)
            end_reindex(actor, its);
          else if (actor.keep_changes(its))
            its->flags |= ORBIT_ENVELOPE_DIRTY;
          host_actors.finish(actor.activation_, its);
        },
        new Ending{&impl, envelope});
    return ORBIT_TURN_PENDING;
  }

  static void fail_envelope(orbit_envelope* envelope, orbit_code code, Bytes message) noexcept {
    host_actors.fail(envelope, code, to_c(message));
  }
  [[gnu::noinline]] static int end_failed(Impl& impl, orbit_envelope* envelope, const Error& error) noexcept {
    const bool dirty = impl.undo_changes(envelope);
    fail_envelope(envelope, static_cast<orbit_code>(error.code), error.message);
    if (dirty) envelope->flags |= ORBIT_ENVELOPE_DIRTY;
    return ORBIT_TURN_DONE;
  }
  // In a handler only.
  [[gnu::noinline]] static int end_thrown(Impl& impl, orbit_envelope* envelope) noexcept {
    const bool dirty = impl.undo_changes(envelope);
    try {
      throw;
    } catch (const CallError& error) {
      fail_envelope(envelope, static_cast<orbit_code>(error.code()), error.what());
    } catch (const std::bad_alloc&) {
      fail_envelope(envelope, ORBIT_RESOURCE_EXHAUSTED, "out of memory");
    } catch (const std::exception& error) {
      fail_envelope(envelope, ORBIT_INTERNAL, error.what());
    } catch (...) {
      fail_envelope(envelope, ORBIT_INTERNAL, "an exception that is no std::exception");
    }
    if (dirty) envelope->flags |= ORBIT_ENVELOPE_DIRTY;
    return ORBIT_TURN_DONE;
  }

  static int end_empty(Impl& impl, orbit_envelope* envelope) noexcept {
    drop_payload(envelope);
    return end_changes(impl, envelope);
  }

  [[gnu::always_inline]] static inline int end_changes(Impl& impl, orbit_envelope* envelope) noexcept {
    if (!impl.fits()) [[unlikely]]
      return end_failed(impl, envelope, {Code::resource_exhausted, impl.too_large()});
    if constexpr (Service::kHasIndexes) {
      if (!impl.owns_changes(envelope)) {
        if (impl.keep_changes(envelope)) envelope->flags |= ORBIT_ENVELOPE_DIRTY;
        return ORBIT_TURN_DONE;
      }
      if (std::string error = impl.index_error(); !error.empty())
        return end_failed(impl, envelope, {Code::invalid_argument, std::move(error)});
      if constexpr (Service::kHasUnique)
        if (const std::vector<std::string> claims = impl.unclaimed(); !claims.empty()) return claim_and_end(impl, envelope, claims);
    }
    if (impl.keep_changes(envelope)) envelope->flags |= ORBIT_ENVELOPE_DIRTY;
    return ORBIT_TURN_DONE;
  }

  // result: Reply, or a Result of it.
  template <class Reply, class R>
  [[gnu::always_inline]] static inline int end_with(Impl& impl, orbit_envelope* envelope, R&& result) {
    if constexpr (kIsResult<R>) {
      if (!result) [[unlikely]] return end_failed(impl, envelope, result.error());
      if constexpr (std::is_void_v<Reply>)
        return end_empty(impl, envelope);
      else
        return end_reply(impl, envelope, std::move(*result));
    } else {
      return end_reply(impl, envelope, std::move(result));
    }
  }

  template <class Reply>
  [[gnu::always_inline]] static inline int end_reply(Impl& impl, orbit_envelope* envelope, Reply&& reply) {
    if (envelope->on_reply == nullptr) return end_empty(impl, envelope);
    drop_payload(envelope);
    emplace_payload<Reply>(envelope, std::move(reply));
    return end_changes(impl, envelope);
  }

  template <class Reply, class T>
  static int run_task(Impl& impl, orbit_envelope* envelope, Task<T> task) {
    const typename Task<T>::Handle frame = task.release();
    frame.resume();
    if (frame.done()) return end_task<Reply>(impl, envelope, frame);
    frame.promise().link(&impl.pending_, frame);
    frame.promise().end_turn_with(&end_pending<Reply, T>, &impl, envelope);
    return ORBIT_TURN_PENDING;
  }

  template <class Reply, class T>
  static int end_task(Impl& impl, orbit_envelope* envelope, std::coroutine_handle<Promise<T>> frame) noexcept {
    try {
      const Task<T> owner(frame);
      if constexpr (std::is_void_v<T>) {
        frame.promise().take();
        return end_empty(impl, envelope);
      } else {
        return end_with<Reply>(impl, envelope, frame.promise().take());
      }
    } catch (...) {
      return end_thrown(impl, envelope);
    }
  }

  template <class Reply, class T>
  static void end_pending(void* actor, void* raw_envelope, std::coroutine_handle<> raw_frame) noexcept {
    auto& impl = *static_cast<Impl*>(actor);
    auto* envelope = static_cast<orbit_envelope*>(raw_envelope);
    const auto frame = std::coroutine_handle<Promise<T>>::from_address(raw_frame.address());
    frame.promise().unlink(&impl.pending_);
    const int outcome = end_task<Reply>(impl, envelope, frame);
    if (outcome == ORBIT_TURN_DONE) host_actors.finish(impl.activation_, envelope);
  }
};

// The type table of an actor class; lives as long as the process.
template <class Impl>
const orbit_actor_type* actor_type() {
  using Glue = ActorGlue<Impl>;
  constexpr bool kHasOnDeactivate =
      !std::is_same_v<decltype(&Impl::on_deactivate), decltype(&Actor<typename Impl::Service>::on_deactivate)>;
  using Service = typename Impl::Service;
  static_assert(std::is_default_constructible_v<Impl>, "an actor class needs a public default constructor");
  static const orbit_actor_type type = {
      sizeof(orbit_actor_type),
      Service::kDurability,
      Service::kName,
      Service::kStateType,
      Service::kFlushDelayMs,
      Service::kIdleTimeoutMs,
      Service::kMailboxMax,
      Service::kMethodCount,
      Service::kMethods,
      Service::descriptor_set(),
      nullptr,
      &Glue::create,
      &Glue::destroy,
      &Glue::load,
      &Glue::invoke,
      &Glue::collect,
      &Glue::memory_bytes,
      nullptr,
      Glue::kStored,
      Service::kStatelessCopies,
      Service::kOverload,
      kHasOnDeactivate ? &Glue::deactivating : nullptr,
      Service::kIndexes,
      Service::kIndexCount,
      Service::kStateVersion,
      {Service::kJournaled ? "\xff" : Service::kHasLazy ? &kEventSpace : "", Service::kJournaled || Service::kHasLazy ? 1u : 0u},
      Glue::kHotOffset,
      Glue::kHotBytes,
  };
  return &type;
}

}  // namespace orbit::detail
