// SPDX-License-Identifier: MIT OR BSD-3-Clause
// ActorService.InvokeStream: any number of calls over one stream, answered as they end.
#include "orbit/v1/actor_service.pb.h"
#include "wire.hpp"

namespace orbit::grpc_wire {

namespace {

class InvokeStream final : public EndlessHandler {
 public:
  InvokeStream(Wire& wire, Rpc& rpc) : EndlessHandler(wire, rpc) {}

  void begin() override {
    if (wire_.access_enabled) peer_ = rpc_.peer();
    deadline_ns_ = rpc_.deadline_ns();
    for (const orbit_context_entry& entry : context()) names_.emplace_back(from_c(entry.name), from_c(entry.value));
    for (const auto& [name, value] : names_) entries_.push_back({to_c(Bytes(name)), to_c(Bytes(value))});
    rpc_.read();
  }

  void message(std::string bytes) override {
    const uint32_t held = held_.fetch_add(1, std::memory_order_acq_rel) + 1;
    auto call = std::make_unique<StreamedCall>(*this);
    const bool taken = take(*call, bytes);
    if (taken) {
      retain();
      link(call.get());
      const uint32_t worker = call->worker;
      wire_.handover.push(worker, call.release());
    }
    if (failed_.load(std::memory_order_relaxed)) return;
    // The bound on what is received and not sent yet: read again when it is below.
    if (held < wire_.limits.stream_calls_max) return rpc_.read();
    paused_.store(true);
    if (held_.load() <= wire_.limits.stream_calls_max / 2 && paused_.exchange(false)) rpc_.read();
  }

  void no_more_messages() override {
    half_closed_.store(true);
    end_if_done();
  }

  void sent() override { one_less(); }

  void cancelled() override {
    {
      const std::lock_guard lock(mutex_);
      for (StreamedCall* call = open_; call != nullptr; call = call->next) cancel(*call);
    }
    // Whatever the turns do: nobody waits for them.
    if (!ended_.exchange(true)) fail({Code::cancelled, "the client has cancelled the stream"});
  }

  // What was received is answered; nothing more is read.
  void drain() override {
    draining_.store(true);
    end_if_done();
  }

 private:
  struct StreamedCall final : Job {
    explicit StreamedCall(InvokeStream& of) : stream(of) {}
    void run() noexcept override { stream.start_call(*this); }

    InvokeStream& stream;
    const orbit_type* type = nullptr;
    uint32_t method = 0;
    std::string key;
    std::string request;
    uint64_t id = 0;
    uint64_t timeout_ms = 0;
    uint32_t worker = 0;
    bool one_way = false;
    orbit_envelope* envelope = nullptr;  // the worker's
    bool cancel_asked = false;           // the worker's
    StreamedCall* next = nullptr;        // under the stream's mutex
    StreamedCall* previous = nullptr;
    uint32_t users = 1;  // under the stream's mutex: the call itself, and cancellations on their way
  };

  struct Cancel final : Job {
    explicit Cancel(StreamedCall& of) : call(of) {}
    void run() noexcept override {
      const std::unique_ptr<Cancel> self(this);
      InvokeStream& stream = call.stream;
      call.cancel_asked = true;
      if (call.envelope != nullptr) stream.wire_.actors.cancel(call.envelope);
      stream.drop(&call);
      stream.release();
    }
    StreamedCall& call;
  };

  // Reads a request into the call. False: it is dealt with already.
  bool take(StreamedCall& call, const std::string& bytes) {
    v1::StreamRequest request;
    if (!request.ParseFromString(bytes)) {
      failure_ = std::to_string(bytes.size()) + " bytes are no message of type orbit.v1.StreamRequest";
      failed_.store(true);
      one_less();
      return false;
    }
    call.id = request.id();
    if (request.cancel()) {
      {
        const std::lock_guard lock(mutex_);
        for (StreamedCall* one = open_; one != nullptr; one = one->next)
          if (one->id == call.id) cancel(*one);
      }
      one_less();
      return false;
    }
    v1::InvokeRequest& what = *request.mutable_call();
    const std::shared_ptr<const Routes> routes = wire_.routes.current();
    const Result<Route> route = routes->find(what.type(), what.method());
    Result<> good = route ? check_key(route->type->key_kind, what.key()) : tl::unexpected<Error>(route.error());
    if (good) good = wire_.check(caller_, *route, what.key(), peer_);
    call.one_way = request.one_way() || (route && route->method->one_way());
    if (!good) {
      if (request.one_way())
        one_less();
      else
        reply(call.id, tl::unexpected<Error>(good.error()));
      return false;
    }
    call.type = route->type->type;
    call.method = route->method->definition->id;
    call.key = std::move(*what.mutable_key());
    call.request = std::move(*what.mutable_payload());
    call.timeout_ms = request.timeout_ms();
    call.worker = wire_.descriptors.worker_of(call.type, to_c(Bytes(call.key)));
    return true;
  }

  void start_call(StreamedCall& call) {
    uint64_t deadline_ns = deadline_ns_;
    if (call.timeout_ms != 0) {
      const uint64_t own = wire_.workers.monotonic_ns(wire_.host.raw()) + std::min<uint64_t>(call.timeout_ms, kTimeoutMsMax) * 1'000'000;
      deadline_ns = deadline_ns == 0 ? own : std::min(deadline_ns, own);
    }
    BytesCall what{.type = call.type,
                   .key = call.key,
                   .method = call.method,
                   .request = std::move(call.request),
                   .deadline_ns = deadline_ns,
                   .context = entries_};
    if (call.one_way) {
      if (Result<orbit_envelope*> made = bytes_envelope(wire_.actors, std::move(what))) wire_.actors.send(*made, nullptr);
      one_less();
      return ended(call);
    }
    if (call.cancel_asked) {
      reply(call.id, orbit::fail(Code::cancelled, "the client has cancelled the call"));
      return ended(call);
    }
    orbit_envelope* const sent =
        start_bytes_call(wire_.actors, wire_.workers, wire_.host.raw(), std::move(what),
                         [this, one = &call](Result<std::string> result) {
                           one->envelope = nullptr;
                           reply(one->id, std::move(result));
                           ended(*one);
                         });
    if (sent != nullptr) call.envelope = sent;  // else the call is over, and gone
  }

  void reply(uint64_t id, Result<std::string> result) {
    v1::StreamReply out;
    out.set_id(id);
    if (result) {
      out.set_payload(std::move(*result));
    } else {
      out.mutable_status()->set_code(static_cast<int32_t>(result.error().code));
      set_text(out.mutable_status()->mutable_message(), result.error().message);
    }
    rpc_.write(out.SerializeAsString());
  }

  // A message that was received is answered and its answer is on its way, or it needs none.
  void one_less() {
    if (held_.load() - 1 <= wire_.limits.stream_calls_max / 2 && paused_.exchange(false)) rpc_.read();
    if (held_.fetch_sub(1) == 1) end_if_done();
  }

  void end_if_done() {
    const bool failed = failed_.load();
    if (held_.load() != 0 || !(failed || half_closed_.load() || draining_.load()) || ended_.exchange(true)) return;
    if (failed)
      fail({Code::invalid_argument, failure_});
    else if (half_closed_.load())
      rpc_.finish({});
    else
      fail({Code::unavailable, "the node is stopping"});
  }

  void link(StreamedCall* call) {
    const std::lock_guard lock(mutex_);
    call->next = open_;
    if (open_ != nullptr) open_->previous = call;
    open_ = call;
  }

  // The call needs nothing more of the stream.
  void ended(StreamedCall& call) {
    {
      const std::lock_guard lock(mutex_);
      if (call.next != nullptr) call.next->previous = call.previous;
      (call.previous != nullptr ? call.previous->next : open_) = call.next;
    }
    drop(&call);
    release();
  }

  void drop(StreamedCall* call) {
    bool last = false;
    {
      const std::lock_guard lock(mutex_);
      last = --call->users == 0;
    }
    if (last) delete call;
  }

  // Under the mutex, of a call that is linked.
  void cancel(StreamedCall& call) {
    ++call.users;
    retain();
    wire_.handover.push(call.worker, new Cancel(call));
  }

  static constexpr uint64_t kTimeoutMsMax = 365ull * 24 * 3600 * 1000;

  std::string peer_;
  uint64_t deadline_ns_ = 0;
  std::vector<std::pair<std::string, std::string>> names_;
  std::vector<orbit_context_entry> entries_;  // into names_
  std::string failure_;  // written before failed_ is set
  std::mutex mutex_;
  StreamedCall* open_ = nullptr;
  std::atomic<uint32_t> held_{0};  // messages received, whose answers were not handed to the transport
  std::atomic<bool> paused_{false};
  std::atomic<bool> half_closed_{false};
  std::atomic<bool> draining_{false};
  std::atomic<bool> failed_{false};
  std::atomic<bool> ended_{false};
};

}  // namespace

Handler* handle_invoke_stream(Wire& wire, Rpc& rpc) { return new InvokeStream(wire, rpc); }

}  // namespace orbit::grpc_wire
