// SPDX-License-Identifier: MIT OR BSD-3-Clause
// ActorService.Subscribe: the events of a stream, as long as the client listens and keeps up.
#include "orbit/v1/actor_service.pb.h"
#include "wire.hpp"

namespace orbit::grpc_wire {

namespace {

constexpr uint64_t kLeaseMs = 60'000;
constexpr uint64_t kRenewMs = 20'000;

class Subscription final : public RpcHandler {
 public:
  Subscription(Wire& wire, Rpc& rpc) : RpcHandler(wire, rpc) {}

  void begin() override { rpc_.read(); }

  void message(std::string bytes) override {
    v1::SubscribeRequest request;
    if (!request.ParseFromString(bytes))
      return fail({Code::invalid_argument,
                   std::to_string(bytes.size()) + " bytes are no message of type orbit.v1.SubscribeRequest"});
    stream_ = request.stream();
    next_ = request.from() == 0 ? ORBIT_STREAM_NEW : request.from();
    if (stream_.find('/') == std::string::npos)
      return fail({Code::invalid_argument, "found the stream '" + stream_.substr(0, 255) +
                                               "', expected its message's full name, '/', and its name"});
    if (wire_.access_enabled) {
      const std::string peer = rpc_.peer();
      const auto allowed = wire_.access.check(
          caller_,
          {.type = ORBIT_STREAM_TYPE, .key = stream_, .method = "observe", .read_only = true, .peer = peer.c_str()});
      if (!allowed) return fail(allowed.error(), {ORBIT_STREAM_TYPE, stream_, "observe"});
    }
    retain();  // until the subscription has ended
    retain();  // which may be before observe returns
    begun_ = true;
    observe();
    if (!ended_) arm();
    release();
  }

  void cancelled() override { end({Code::cancelled, "the client has cancelled the subscription"}); }
  void drain() override { end({Code::unavailable, "the node is stopping"}); }

 private:
  // observation_ended may come before it returns.
  void observe() {
    observing_ = true;
    progress_ = false;
    observer_ = wire_.streams.observe(to_c(Bytes(stream_)), next_, kLeaseMs, &events, &observation_ended, this);
  }

  void arm() {
    timer_ = wire_.workers.after(
        wire_.host.raw(), kRenewMs,
        [](void* ctx) {
          auto* self = static_cast<Subscription*>(ctx);
          self->timer_ = 0;
          if (!self->is_allowed()) return;
          static_cast<void>(self->wire_.streams.renew(self->observer_, kLeaseMs));
          self->arm();
        },
        this);
  }

  // Whether the caller still is who it was; if not, it is told so and the subscription ends.
  bool is_allowed() {
    if (!wire_.access_enabled) return true;
    const auto good = wire_.access.still(caller_);
    if (!good) end(good.error());
    return good.has_value();
  }

  static void events(void* ctx, const orbit_stream_event* events, size_t count) {
    auto* self = static_cast<Subscription*>(ctx);
    if (self->ended_ || !self->is_allowed()) return;
    for (size_t i = 0; i < count; ++i) {
      if (self->rpc_.unsent() >= self->wire_.limits.subscription_events_max)
        return self->end({Code::resource_exhausted,
                          "the client is " + std::to_string(self->wire_.limits.subscription_events_max) +
                              " events behind (subscription_events_max); subscribe again from where you are"});
      v1::StreamEvent event;
      event.set_position(events[i].position);
      event.set_sequence(events[i].sequence);
      event.set_time_ms(events[i].time_ms);
      event.set_publisher_type(std::string(from_c(events[i].publisher_type)));
      event.set_publisher_key(std::string(from_c(events[i].publisher_key)));
      event.set_payload(std::string(from_c(events[i].payload)));
      self->rpc_.write(event.SerializeAsString());
      self->next_ = events[i].position + 1;
      self->progress_ = true;
    }
  }

  static void observation_ended(void* ctx, orbit_code code, const char* message) {
    auto* self = static_cast<Subscription*>(ctx);
    self->observing_ = false;
    if (self->ended_) return self->release();
    // Where to go on is known as soon as one event came; what was published meanwhile is kept by the stream.
    if (code == ORBIT_UNAVAILABLE && self->progress_) return self->observe();
    self->end({static_cast<Code>(code == ORBIT_OK ? ORBIT_UNAVAILABLE : code),
               message != nullptr ? message : "the stream has ended"});
  }

  void end(Error error) {
    if (ended_) return;
    ended_ = true;
    if (!begun_) return fail(error);
    if (timer_ != 0) wire_.workers.cancel(wire_.host.raw(), timer_);
    fail(error, {ORBIT_STREAM_TYPE, stream_, "observe"});
    if (observing_)
      wire_.streams.cancel(observer_);  // observation_ended lets go
    else
      release();
  }

  std::string stream_;
  uint64_t next_ = ORBIT_STREAM_NEW;
  uint64_t observer_ = 0;
  orbit_timer timer_ = 0;
  bool begun_ = false;
  bool ended_ = false;
  bool observing_ = false;
  bool progress_ = false;  // events came since the last observe()
};

}  // namespace

Handler* handle_subscribe(Wire& wire, Rpc& rpc) { return new Subscription(wire, rpc); }

}  // namespace orbit::grpc_wire
