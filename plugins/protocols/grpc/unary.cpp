// SPDX-License-Identifier: MIT OR BSD-3-Clause
// One call, one answer: an actor's own method, and ActorService's Invoke and OneWay.
#include "orbit/v1/actor_service.pb.h"
#include "wire.hpp"

namespace orbit::grpc_wire {

namespace {

class UnaryCall final : public RpcHandler {
 public:
  // Of an actor's own service.
  UnaryCall(Wire& wire, Rpc& rpc, std::shared_ptr<const Routes> routes, Route route)
      : RpcHandler(wire, rpc), routes_(std::move(routes)), route_(route), one_way_(route.method->one_way()) {}
  // Named by its message.
  UnaryCall(Wire& wire, Rpc& rpc, bool one_way) : RpcHandler(wire, rpc), one_way_(one_way), wrapped_(true) {}

  void begin() override { rpc_.read(); }

  void message(std::string bytes) override {
    if (auto understood = wrapped_ ? unwrap(bytes) : find_key(std::move(bytes)); !understood)
      return fail(understood.error());
    if (auto allowed = wire_.check(caller_, route_, key_, wire_.access_enabled ? rpc_.peer() : std::string()); !allowed)
      return fail(allowed.error(), target());
    call();
  }

  void cancelled() override {
    retain();  // the answer may come inside cancel
    if (envelope_ != nullptr) wire_.actors.cancel(envelope_);
    // Whatever the turn does: nobody waits for it.
    fail({Code::cancelled, "the client has cancelled the call"}, target());
    release();
  }

 private:
  Result<> unwrap(const std::string& bytes) {
    v1::InvokeRequest request;
    if (!request.ParseFromString(bytes))
      return orbit::fail(Code::invalid_argument,
                         std::to_string(bytes.size()) + " bytes are no message of type orbit.v1.InvokeRequest");
    routes_ = wire_.routes.current();
    const Result<Route> found = routes_->find(request.type(), request.method());
    if (!found) return tl::unexpected<Error>(found.error());
    route_ = *found;
    one_way_ = one_way_ || route_.method->one_way();
    key_ = std::move(*request.mutable_key());
    request_ = std::move(*request.mutable_payload());
    return check_key(route_.type->key_kind, key_);
  }

  // Beside the request, or in it; if in both, they agree.
  Result<> find_key(std::string bytes) {
    auto beside = rpc_.metadata("orbit-key");
    if (!beside) beside = rpc_.metadata("orbit-key-bin");
    if (beside) key_ = *beside;
    if (const auto* field = route_.method->key_field; field != nullptr) {
      Result<std::string> within = route_.method->key_in(bytes);
      if (!within) return tl::unexpected<Error>(within.error());
      if (beside && !within->empty() && *within != key_)
        return orbit::fail(Code::invalid_argument, "the metadata names the actor '" + key_ + "' and " +
                                                       field->full_name() + " '" + *within +
                                                       "'; one of them is enough");
      if (!beside) key_ = std::move(*within);
    } else if (!beside) {
      return orbit::fail(Code::invalid_argument,
                         "the call does not say which " + route_.type->name +
                             " is meant: put its key into the metadata 'orbit-key' (or 'orbit-key-bin' for any bytes)");
    }
    request_ = std::move(bytes);
    return check_key(route_.type->key_kind, key_);
  }

  Target target() const {
    if (route_.type == nullptr) return {};
    return {route_.type->name, key_, route_.method->name()};
  }

  void call() {
    const std::vector<orbit_context_entry> entries = context();
    Result<orbit_envelope*> made = bytes_envelope(wire_.actors, {.type = route_.type->type,
                                                                 .key = key_,
                                                                 .method = route_.method->definition->id,
                                                                 .request = std::move(request_),
                                                                 .deadline_ns = rpc_.deadline_ns(),
                                                                 .context = entries});
    if (!made) return fail(made.error(), target());
    if (one_way_) {
      wire_.actors.send(*made, nullptr);
      rpc_.answer({});
      return;
    }
    retain();  // until it is answered
    envelope_ = *made;
    envelope_->on_reply = &replied;
    envelope_->reply_ctx = this;
    envelope_->flags |= ORBIT_ENVELOPE_INLINE;
    wire_.actors.send(envelope_, nullptr);
  }

  static void replied(void* ctx, orbit_envelope* reply) {
    auto* self = static_cast<UnaryCall*>(ctx);
    self->envelope_ = nullptr;
    Result<std::string> bytes = bytes_of(reply);
    self->wire_.actors.free_envelope(reply);
    if (bytes) {
      std::string message;
      if (self->wrapped_) {
        v1::InvokeReply wrapped;
        wrapped.set_payload(std::move(*bytes));
        message = wrapped.SerializeAsString();
      } else {
        message = std::move(*bytes);
      }
      self->rpc_.answer(std::move(message));
    } else {
      self->fail(bytes.error(), self->target());
    }
    self->release();
  }

  std::shared_ptr<const Routes> routes_;
  Route route_;
  std::string key_;
  std::string request_;
  orbit_envelope* envelope_ = nullptr;  // on its way
  bool one_way_;
  bool wrapped_ = false;
};

}  // namespace

Handler* handle_native(Wire& wire, Rpc& rpc, std::shared_ptr<const Routes> routes, Route route) {
  return new UnaryCall(wire, rpc, std::move(routes), route);
}

Handler* handle_invoke(Wire& wire, Rpc& rpc, bool one_way) { return new UnaryCall(wire, rpc, one_way); }

}  // namespace orbit::grpc_wire
