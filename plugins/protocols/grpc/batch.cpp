// SPDX-License-Identifier: MIT OR BSD-3-Clause
// ActorService.Batch: several calls at once, one answer with the result of each.
#include "orbit/v1/actor_service.pb.h"
#include "wire.hpp"

namespace orbit::grpc_wire {

namespace {

class Batch final : public RpcHandler {
 public:
  Batch(Wire& wire, Rpc& rpc) : RpcHandler(wire, rpc) {}

  void begin() override { rpc_.read(); }

  void message(std::string bytes) override {
    if (!request_.ParseFromString(bytes))
      return fail({Code::invalid_argument,
                   std::to_string(bytes.size()) + " bytes are no message of type orbit.v1.BatchRequest"});
    if (const auto count = static_cast<uint32_t>(request_.calls_size()); count > wire_.limits.batch_calls_max)
      return fail({Code::resource_exhausted, "the batch has " + std::to_string(count) + " calls, at most " +
                                                 std::to_string(wire_.limits.batch_calls_max) +
                                                 " are allowed (batch_calls_max)"});
    retain();  // until it is answered
    run();
  }

  void cancelled() override {
    cancelled_ = true;
    retain();  // an answer to one may come inside cancel, and change the list
    for (size_t i = 0; i < calls_.size(); ++i)
      if (orbit_envelope* call = calls_[i]; call != nullptr) wire_.actors.cancel(call);
    fail({Code::cancelled, "the client has cancelled the batch"});
    release();
  }

 private:
  void run() {
    const std::string peer = wire_.access_enabled ? rpc_.peer() : std::string();
    const std::vector<orbit_context_entry> entries = context();
    const auto routes = wire_.routes.current();
    const int count = request_.calls_size();
    calls_.assign(static_cast<size_t>(count), nullptr);
    for (int i = 0; i < count; ++i) reply_.add_results();
    left_ = static_cast<size_t>(count) + 1;  // the last one is this loop
    for (int i = 0; i < count; ++i) {
      if (cancelled_)
        set_result(i, orbit::fail(Code::cancelled, "the client has cancelled the batch"));
      else
        start_call(i, *routes, peer, entries);
    }
    one_less();
  }

  void start_call(int i, const Routes& routes, const std::string& peer,
                  const std::vector<orbit_context_entry>& entries) {
    v1::InvokeRequest& call = *request_.mutable_calls(i);
    const Result<Route> route = routes.find(call.type(), call.method());
    Result<> good = route ? check_key(route->type->key_kind, call.key()) : tl::unexpected<Error>(route.error());
    if (good) good = wire_.check(caller_, *route, call.key(), peer);
    if (!good) return set_result(i, tl::unexpected<Error>(good.error()));
    BytesCall what{.type = route->type->type,
                   .key = call.key(),
                   .method = route->method->definition->id,
                   .request = std::move(*call.mutable_payload()),
                   .deadline_ns = rpc_.deadline_ns(),
                   .context = entries};
    if (route->method->one_way()) {
      const Result<orbit_envelope*> made = bytes_envelope(wire_.actors, std::move(what));
      if (made) wire_.actors.send(*made, nullptr);
      return set_result(i, made ? Result<std::string>(std::string()) : tl::unexpected<Error>(made.error()));
    }
    calls_[static_cast<size_t>(i)] = start_bytes_call(wire_.actors, wire_.workers, wire_.host.raw(), std::move(what),
                                                      [this, i](Result<std::string> result) {
                                                        calls_[static_cast<size_t>(i)] = nullptr;
                                                        set_result(i, std::move(result));
                                                      });
  }

  void set_result(int i, Result<std::string> result) {
    v1::BatchResult& out = *reply_.mutable_results(i);
    if (result) {
      out.set_payload(std::move(*result));
    } else {
      out.mutable_status()->set_code(static_cast<int32_t>(result.error().code));
      set_text(out.mutable_status()->mutable_message(), result.error().message);
    }
    one_less();
  }

  void one_less() {
    if (--left_ != 0) return;
    rpc_.answer(reply_.SerializeAsString());
    release();
  }

  v1::BatchRequest request_;
  v1::BatchReply reply_;
  std::vector<orbit_envelope*> calls_;  // on their way
  size_t left_ = 0;
  bool cancelled_ = false;
};

}  // namespace

Handler* handle_batch(Wire& wire, Rpc& rpc) { return new Batch(wire, rpc); }

}  // namespace orbit::grpc_wire
