// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "stream/stream_actor.hpp"

#include <algorithm>
#include <mutex>

#include "actor/runtime.hpp"

namespace orbit::kernel {

namespace {

constexpr uint64_t kResumeMs = 5'000;         // a stream with a backlog is woken after so long, whatever happened
constexpr size_t kBatchBytesMax = 1u << 20;
constexpr size_t kObserversMax = 10'000;      // of one stream
constexpr size_t kObserverWindowMax = 1'024;  // events on their way to one observer
constexpr std::string_view kResumeName = "resume";

// Events on their way to a subscriber, on whatever worker it lives.
struct Delivery {
  std::string stream;
  std::string subscriber;
  uint64_t position = 0;
  std::vector<std::shared_ptr<const StreamEvent>> kept;
  std::vector<orbit_stream_event> view;
  orbit_stream_batch batch{};
};

constexpr char kBatchToken = 0;
constexpr orbit_payload_ops kBatchOps = {sizeof(orbit_payload_ops), 0, &kBatchToken, nullptr, nullptr, nullptr};

struct Observer {
  uint64_t id = 0;
  uint32_t worker = 0;
  uint64_t next = 0;  // the position that it gets next
  uint64_t lease_until_ms = 0;
  size_t on_their_way = 0;
};

class StreamActor {
 public:
  StreamActor(orbit_activation* activation, std::string key, const StreamLimits& limits)
      : activation_(activation), key_(std::move(key)), log_(limits) {}
  ~StreamActor() {
    for (const Observer& observer : observers_)
      tell_observer(observer.worker, observer.id, {}, {}, ORBIT_UNAVAILABLE, "the stream left memory; observe it again");
  }

  orbit_code load(const orbit_record* records, size_t count, orbit_error* error) {
    Result<> good;
    if (count != 0) good = log_.load_main(from_c(records[0].value));
    for (size_t i = 1; good && i < count; ++i) good = log_.load(from_c(records[i].subkey), from_c(records[i].value));
    if (!good) return to_c(good.error(), error);
    stored_to_ = log_.last();
    return ORBIT_OK;
  }

  void invoke(orbit_envelope* envelope) {
    if (envelope->method < ORBIT_METHOD_SYSTEM && envelope->ops != nullptr)
      request(*static_cast<StreamRequest*>(envelope->payload), envelope);
    else if (envelope->method == ORBIT_METHOD_DUE)
      resume(*static_cast<const orbit_due_tick*>(envelope->payload), envelope);
    else if (envelope->method == ORBIT_METHOD_TIMER)
      retry_timer_ = 0;
    else
      fail_turn(envelope, ORBIT_UNIMPLEMENTED, "a stream has no such method");
    deliver();
  }

  void collect(const orbit_writer* writer) {
    log_.collect(writer);
    writer->set_due(writer->ctx, to_c(kResumeName), log_.stored_resume_ms, log_.resume_ms);
    log_.stored_resume_ms = log_.resume_ms;
    writer->when_stored(writer->ctx, log_.last());
  }

  void stored(uint64_t position) {
    stored_to_ = std::max(stored_to_, std::min(position, log_.last()));
    deliver();
  }

  size_t bytes() const noexcept { return sizeof *this + log_.bytes() + observers_.capacity() * sizeof(Observer); }
  bool may_leave() const noexcept { return observers_.empty(); }

 private:
  static uint64_t now_ms() noexcept { return this_runtime()->executor().unix_ms(); }
  static void fail_turn(orbit_envelope* envelope, orbit_code code, std::string_view message) {
    Runtime::api()->fail(envelope, code, to_c(message));
  }
  // The turn changed what is stored.
  void changed(orbit_envelope* envelope) {
    if (log_.resume_ms == 0 && log_.has_backlog()) log_.resume_ms = now_ms() + kResumeMs;
    envelope->flags |= ORBIT_ENVELOPE_DIRTY;
  }

  void request(StreamRequest& asked, orbit_envelope* envelope) {
    switch (envelope->method) {
      case kStreamAppend: {
        const auto appended = log_.append(asked.actor, asked.events, now_ms());
        if (!appended)
          fail_turn(envelope, static_cast<orbit_code>(appended.error().code), key_ + ": " + appended.error().message);
        else if (*appended != 0)
          changed(envelope);
        return;
      }
      case kStreamSubscribe: {
        const auto subscribed = log_.subscribe(asked.actor, asked.from, asked.subscription);
        if (!subscribed)
          fail_turn(envelope, static_cast<orbit_code>(subscribed.error().code), key_ + ": " + subscribed.error().message);
        else
          changed(envelope);
        return;
      }
      case kStreamUnsubscribe:
        log_.unsubscribe(asked.actor, asked.subscription);
        changed(envelope);
        return;
      case kStreamTaken:
        taken(asked, envelope);
        return;
      case kStreamObserve:
        if (observers_.size() >= kObserversMax) {
          fail_turn(envelope, ORBIT_RESOURCE_EXHAUSTED,
                    "observers_max: the stream has " + std::to_string(observers_.size()) + " observers, the limit");
          return;
        }
        observers_.push_back({asked.observer, asked.worker,
                              asked.from == ORBIT_STREAM_NEW ? log_.last() + 1 : std::max<uint64_t>(asked.from, 1),
                              asked.lease_until_ms, 0});
        return;
      case kStreamObserved:
        for (auto at = observers_.begin(); at != observers_.end(); ++at) {
          if (at->id != asked.observer) continue;
          at->on_their_way -= std::min(at->on_their_way, asked.events_seen);
          if (asked.lease_until_ms != 0) at->lease_until_ms = asked.lease_until_ms;
          if (asked.ends) observers_.erase(at);
          return;
        }
        return;
      default:
        fail_turn(envelope, ORBIT_UNIMPLEMENTED, "a stream has no such method");
    }
  }

  void taken(const StreamRequest& answer, orbit_envelope* envelope) {
    const auto found = log_.subscribers().find(answer.actor);
    if (found == log_.subscribers().end()) return;
    StreamSubscriber& subscriber = found->second;
    subscriber.in_flight = false;
    if (answer.subscription != subscriber.subscription) return;  // it has subscribed anew meanwhile
    if (answer.unsubscribed) {
      log_.unsubscribe(answer.actor, answer.subscription);
      changed(envelope);
    } else if (answer.good ? log_.taken(subscriber, answer.actor, answer.position)
                           : log_.failed(subscriber, answer.actor, now_ms())) {
      changed(envelope);
    }
  }

  void resume(const orbit_due_tick& tick, orbit_envelope* envelope) {
    if (tick.due_ms != log_.resume_ms) return;
    log_.resume_ms = 0;
    changed(envelope);
  }

  void deliver() {
    uint64_t retry_ms = UINT64_MAX;
    const uint64_t now = now_ms();
    for (auto& [id, subscriber] : log_.subscribers()) {
      if (subscriber.in_flight || subscriber.dead || subscriber.taken >= stored_to_) continue;
      if (subscriber.next_try_ms > now)
        retry_ms = std::min(retry_ms, subscriber.next_try_ms);
      else
        send_batch(id, subscriber);
    }
    retry_ms = std::min(retry_ms, observe(now));
    if (retry_ms == UINT64_MAX) return;
    if (retry_timer_ != 0) {
      if (retry_at_ms_ <= retry_ms) return;
      Runtime::api()->cancel_timer(activation_, retry_timer_);
    }
    ErrorOut ignored;
    retry_at_ms_ = retry_ms;
    static_cast<void>(Runtime::api()->start_timer(activation_, retry_ms - now, 0, 0, 0, &retry_timer_, &ignored));
  }

  void send_batch(const std::string& id, StreamSubscriber& subscriber) {
    auto delivery = std::make_unique<Delivery>();
    size_t bytes = 0;
    for (uint64_t position = std::max(subscriber.taken + 1, log_.first());
         position <= stored_to_ && delivery->kept.size() < subscriber.batch && bytes < kBatchBytesMax; ++position) {
      delivery->kept.push_back(log_.at(position));
      bytes += delivery->kept.back()->payload.size();
    }
    if (delivery->kept.empty()) return;
    delivery->stream = key_;
    delivery->subscriber = id;
    delivery->position = delivery->kept.back()->position;
    for (const auto& event : delivery->kept) delivery->view.push_back(view_of(*event));
    delivery->batch = {sizeof(orbit_stream_batch), static_cast<uint32_t>(delivery->view.size()), delivery->view.data(),
                       to_c(delivery->stream), subscriber.subscription, 0, 0};
    const ActorParts to = parts_of(delivery->subscriber);
    const orbit_actors_v1* api = Runtime::api();
    orbit_envelope* envelope = api->allocate();
    envelope->type = api->type(std::string(to.type).c_str());
    envelope->key = to_c(to.key);
    envelope->method = ORBIT_METHOD_EVENTS;
    envelope->ops = &kBatchOps;
    envelope->payload = &delivery->batch;
    envelope->reply_ctx = delivery.release();
    envelope->on_reply = &answered;
    subscriber.in_flight = true;
    api->send(envelope, nullptr);
  }

  // The stream may have left memory meanwhile: it hears by a message.
  static void answered(void* ctx, orbit_envelope* reply) {
    const std::unique_ptr<Delivery> delivery(static_cast<Delivery*>(ctx));
    auto answer = std::make_unique<StreamRequest>();
    answer->stream = std::move(delivery->stream);
    answer->actor = std::move(delivery->subscriber);
    answer->position = delivery->position;
    answer->subscription = delivery->batch.subscription;
    answer->good = reply->code == ORBIT_OK;
    answer->unsubscribed = answer->good && delivery->batch.unsubscribed != 0;
    Runtime::api()->free_envelope(reply);
    send_to_stream(kStreamTaken, std::move(answer));
  }

 public:
  static orbit_stream_event view_of(const StreamEvent& event) {
    const ActorParts publisher = parts_of(event.publisher);
    return {event.position, event.sequence, event.time_ms, to_c(publisher.type), to_c(publisher.key), to_c(event.payload)};
  }

 private:
  // Returns when the first lease ends.
  uint64_t observe(uint64_t now) {
    uint64_t first_end_ms = UINT64_MAX;
    for (size_t i = 0; i < observers_.size();) {
      Observer& observer = observers_[i];
      observer.next = std::max(observer.next, log_.first());
      std::vector<std::shared_ptr<const StreamEvent>> events;
      orbit_code end = ORBIT_OK;
      const char* why = "";
      if (observer.lease_until_ms <= now) {
        end = ORBIT_DEADLINE_EXCEEDED;
        why = "the observer's lease has ended";
      } else if (observer.next <= stored_to_ && stored_to_ + 1 - observer.next + observer.on_their_way > kObserverWindowMax &&
                 observer.on_their_way != 0) {
        end = ORBIT_RESOURCE_EXHAUSTED;
        why = "observer_window_max: the observer did not keep up with the stream";
      } else {
        for (; observer.next <= stored_to_ && events.size() < kObserverWindowMax; ++observer.next)
          events.push_back(log_.at(observer.next));
        observer.on_their_way += events.size();
      }
      if (end != ORBIT_OK || !events.empty()) tell_observer(observer.worker, observer.id, key_, std::move(events), end, why);
      if (end != ORBIT_OK) {
        observers_.erase(observers_.begin() + static_cast<ptrdiff_t>(i));
        continue;
      }
      first_end_ms = std::min(first_end_ms, observer.lease_until_ms);
      ++i;
    }
    return first_end_ms;
  }

  orbit_activation* activation_;
  std::string key_;
  StreamLog log_;
  uint64_t stored_to_ = 0;  // events up to there are in storage
  std::vector<Observer> observers_;
  uint64_t retry_timer_ = 0;
  uint64_t retry_at_ms_ = 0;
};

StreamActor& self(void* actor) { return *static_cast<StreamActor*>(actor); }

}  // namespace

const orbit_actor_type* stream_type(const StreamLimits& limits) {
  auto* type = new orbit_actor_type{};
  type->struct_size = sizeof *type;
  type->durability = ORBIT_DURABILITY_SYNC;
  type->name = ORBIT_STREAM_TYPE;
  type->type_self = const_cast<StreamLimits*>(&limits);
  type->create = [](void* type_self, orbit_activation* activation, orbit_bytes key, orbit_error*) -> void* {
    return new StreamActor(activation, std::string(from_c(key)), *static_cast<const StreamLimits*>(type_self));
  };
  type->destroy = [](void* actor) { delete &self(actor); };
  type->load = [](void* actor, const orbit_record* records, size_t count, uint64_t, orbit_error* error) {
    return self(actor).load(records, count, error);
  };
  type->invoke = [](void* actor, orbit_envelope* envelope) -> int {
    self(actor).invoke(envelope);
    return ORBIT_TURN_DONE;
  };
  type->collect = [](void* actor, const orbit_writer* writer) { self(actor).collect(writer); };
  type->memory_bytes = [](const void* actor) { return static_cast<const StreamActor*>(actor)->bytes(); };
  type->may_deactivate = [](const void* actor) { return static_cast<const StreamActor*>(actor)->may_leave() ? 1 : 0; };
  type->stored = [](void* actor, uint64_t cookie) { self(actor).stored(cookie); };
  static std::mutex mutex;
  static auto* made = new std::vector<const orbit_actor_type*>;  // reachable for ever, as types must be
  const std::lock_guard lock(mutex);
  made->push_back(type);
  return type;
}

}  // namespace orbit::kernel
