// SPDX-License-Identifier: MIT OR BSD-3-Clause
// ActorService.InvokeStream: any number of calls over one stream, answered as they end.
#include "orbit/v1/actor_service.pb.h"
#include "wire.hpp"

namespace orbit::grpc_wire {

namespace {

class InvokeStream final : public RpcHandler {
 public:
  InvokeStream(Wire& wire, Rpc& rpc) : RpcHandler(wire, rpc) {}

  void begin() override {
    if (wire_.access_enabled) peer_ = rpc_.peer();
    deadline_ns_ = rpc_.deadline_ns();
    entries_ = context();
    rpc_.read();
  }

  void message(std::string bytes) override {
    ++held_;
    retain();  // an answer that comes at once may be the last
    take(bytes);
    // The bound on what is received and not sent yet: read again when it is below.
    if (!failed_) {
      if (held_ < wire_.limits.stream_calls_max)
        rpc_.read();
      else
        paused_ = true;
    }
    release();
  }

  void no_more_messages() override {
    half_closed_ = true;
    end_if_done();
  }

  void sent() override { one_less(); }

  void cancelled() override {
    retain();
    // Whatever the turns do: nobody waits for them.
    if (!std::exchange(ended_, true)) fail({Code::cancelled, "the client has cancelled the stream"});
    cancel([](const StreamedCall&) { return true; });
    release();
  }

  // What was received is answered; nothing more is read.
  void drain() override {
    draining_ = true;
    end_if_done();
  }

 private:
  struct StreamedCall {
    InvokeStream& stream;
    uint64_t id = 0;
    orbit_envelope* envelope = nullptr;
    bool cancel_asked = false;
    StreamedCall* next = nullptr;
    StreamedCall* previous = nullptr;
  };

  void take(const std::string& bytes) {
    if (!request_.ParseFromString(bytes)) {
      failure_ = std::to_string(bytes.size()) + " bytes are no message of type orbit.v1.StreamRequest";
      failed_ = true;
      return one_less();
    }
    const uint64_t id = request_.id();
    if (request_.cancel()) {
      cancel([id](const StreamedCall& call) { return call.id == id; });
      return one_less();
    }
    v1::InvokeRequest& what = *request_.mutable_call();
    if (routes_ == nullptr || !wire_.routes.is_current(*routes_)) routes_ = wire_.routes.current();
    const Result<Route> route = routes_->find(what.type(), what.method());
    Result<> good = route ? check_key(route->type->key_kind, what.key()) : tl::unexpected<Error>(route.error());
    if (good) good = wire_.check(caller_, *route, what.key(), peer_);
    if (!good) return request_.one_way() ? one_less() : reply(id, tl::unexpected<Error>(good.error()));
    BytesCall call{.type = route->type->type,
                   .key = what.key(),
                   .method = route->method->definition->id,
                   .request = std::move(*what.mutable_payload()),
                   .deadline_ns = deadline_of(request_.timeout_ms()),
                   .context = entries_};
    if (request_.one_way() || route->method->one_way()) {
      if (Result<orbit_envelope*> made = bytes_envelope(wire_.actors, std::move(call)))
        wire_.actors.send(*made, nullptr);
      return one_less();
    }
    start_call(id, std::move(call));
  }

  uint64_t deadline_of(uint64_t timeout_ms) const {
    if (timeout_ms == 0) return deadline_ns_;
    const uint64_t own =
        wire_.workers.monotonic_ns(wire_.host.raw()) + std::min<uint64_t>(timeout_ms, kTimeoutMsMax) * 1'000'000;
    return deadline_ns_ == 0 ? own : std::min(deadline_ns_, own);
  }

  void start_call(uint64_t id, BytesCall&& what) {
    auto* const call = new StreamedCall{.stream = *this, .id = id};
    call->next = open_;
    if (open_ != nullptr) open_->previous = call;
    open_ = call;
    retain();
    orbit_envelope* const sent = start_bytes_call(wire_.actors, wire_.workers, wire_.host.raw(), std::move(what),
                                                  [call](Result<std::string> result) {
                                                    InvokeStream& stream = call->stream;
                                                    stream.reply(call->id, std::move(result));
                                                    stream.ended(call);
                                                  });
    if (sent != nullptr) call->envelope = sent;  // else the call is over, and gone
  }

  void ended(StreamedCall* call) {
    if (call->next != nullptr) call->next->previous = call->previous;
    (call->previous != nullptr ? call->previous->next : open_) = call->next;
    delete call;
    release();
  }

  void reply(uint64_t id, Result<std::string> result) {
    reply_.Clear();
    reply_.set_id(id);
    if (result) {
      reply_.set_payload(std::move(*result));
    } else {
      reply_.mutable_status()->set_code(static_cast<int32_t>(result.error().code));
      set_text(reply_.mutable_status()->mutable_message(), result.error().message);
    }
    rpc_.write(reply_.SerializeAsString());
  }

  // An answer may come inside cancel and change the list: it is looked at from its beginning each time.
  template <class Which>
  void cancel(Which which) {
    for (StreamedCall* call = open_; call != nullptr;) {
      if (call->cancel_asked || call->envelope == nullptr || !which(*call)) {
        call = call->next;
        continue;
      }
      call->cancel_asked = true;
      wire_.actors.cancel(call->envelope);
      call = open_;
    }
  }

  // A message that was received is answered and its answer is on its way, or it needs none.
  void one_less() {
    if (--held_ <= wire_.limits.stream_calls_max / 2 && std::exchange(paused_, false)) rpc_.read();
    end_if_done();
  }

  void end_if_done() {
    if (held_ != 0 || !(failed_ || half_closed_ || draining_) || std::exchange(ended_, true)) return;
    if (failed_)
      fail({Code::invalid_argument, failure_});
    else if (half_closed_)
      rpc_.finish({});
    else
      fail({Code::unavailable, "the node is stopping"});
  }

  static constexpr uint64_t kTimeoutMsMax = 365ull * 24 * 3600 * 1000;

  std::string peer_;
  uint64_t deadline_ns_ = 0;
  std::shared_ptr<const Routes> routes_;
  std::vector<orbit_context_entry> entries_;  // into the RPC's metadata
  v1::StreamRequest request_;                 // reused, as reply_
  v1::StreamReply reply_;
  std::string failure_;
  StreamedCall* open_ = nullptr;
  uint32_t held_ = 0;  // messages received, whose answers were not handed to the connection
  bool paused_ = false;
  bool half_closed_ = false;
  bool draining_ = false;
  bool failed_ = false;
  bool ended_ = false;
};

}  // namespace

Handler* handle_invoke_stream(Wire& wire, Rpc& rpc) { return new InvokeStream(wire, rpc); }

}  // namespace orbit::grpc_wire
