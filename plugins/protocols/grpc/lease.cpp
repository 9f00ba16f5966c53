// SPDX-License-Identifier: MIT OR BSD-3-Clause
// ActorService.Lease: actors that a client holds stay in memory until their leases run out.
#include <cstddef>

#include "orbit/v1/actor_service.pb.h"
#include "wire.hpp"

namespace orbit::grpc_wire {

namespace {

class Lease final : public RpcHandler {
 public:
  Lease(Wire& wire, Rpc& rpc) : RpcHandler(wire, rpc) {}

  void begin() override { rpc_.read(); }

  void message(std::string bytes) override {
    if (!request_.ParseFromString(bytes))
      return fail({Code::invalid_argument,
                   std::to_string(bytes.size()) + " bytes are no message of type orbit.v1.LeaseRequest"});
    if (const auto count = static_cast<uint32_t>(request_.actors_size()); count > wire_.limits.batch_calls_max)
      return fail({Code::resource_exhausted, "the request has " + std::to_string(count) + " actors, at most " +
                                                 std::to_string(wire_.limits.batch_calls_max) +
                                                 " are allowed (batch_calls_max)"});
    if (request_.duration_ms() == 0)
      return fail({Code::invalid_argument, "duration_ms is 0; say for how long the actors are to stay in memory"});
    if (wire_.node.struct_size <= offsetof(orbit_node_v1, keep))
      return fail({Code::unimplemented, "this node is older than leases: its orbit.node/1 has no `keep`"});
    retain();  // until it is answered
    run();
  }

  // A lease is short, and nobody is hurt by one that is not wanted any more: what has begun ends by itself.
  void cancelled() override { fail({Code::cancelled, "the client has cancelled the request"}); }

 private:
  struct Asked {
    Lease* lease;
    int index;
  };

  void run() {
    const std::string peer = wire_.access_enabled ? rpc_.peer() : std::string();
    const uint64_t deadline_ns = rpc_.deadline_ns();
    const uint64_t duration_ms = std::min<uint64_t>(request_.duration_ms(), wire_.limits.lease_ms_max);
    const auto routes = wire_.routes.current();
    const int count = request_.actors_size();
    for (int i = 0; i < count; ++i) reply_.add_results();
    left_ = static_cast<size_t>(count) + 1;  // the last one is this loop
    for (int i = 0; i < count; ++i) {
      const v1::ActorRef& actor = request_.actors(i);
      if (const Result<> may = check(*routes, actor, peer); !may) {
        set_result(i, static_cast<orbit_code>(may.error().code), may.error().message);
        continue;
      }
      reply_.mutable_results(i)->set_duration_ms(duration_ms);
      wire_.node.keep(
          to_c(Bytes(actor.type())), to_c(Bytes(actor.key())), duration_ms, deadline_ns,
          [](void* ctx, orbit_code code, orbit_bytes text) {
            const std::unique_ptr<Asked> asked(static_cast<Asked*>(ctx));
            asked->lease->set_result(asked->index, code, from_c(text));
          },
          new Asked{this, i});
    }
    one_less();
  }

  Result<> check(const Routes& routes, const v1::ActorRef& actor, const std::string& peer) const {
    const WireType* const type = routes.types().find(actor.type());
    if (type == nullptr)
      return orbit::fail(Code::not_found,
                         "no actor type '" + actor.type().substr(0, 255) + "' can be called on this node");
    if (Result<> good = check_key(type->key_kind, actor.key()); !good) return good;
    if (!wire_.access_enabled) return {};
    return wire_.access.check(
        caller_,
        {.type = actor.type(), .key = actor.key(), .method = "lease", .read_only = true, .peer = peer.c_str()});
  }

  void set_result(int i, orbit_code code, std::string_view text) {
    v1::LeaseResult& out = *reply_.mutable_results(i);
    if (code != ORBIT_OK) {
      out.clear_duration_ms();
      out.mutable_status()->set_code(code);
      set_text(out.mutable_status()->mutable_message(), text);
    }
    one_less();
  }

  void one_less() {
    if (--left_ != 0) return;
    rpc_.answer(reply_.SerializeAsString());
    release();
  }

  v1::LeaseRequest request_;
  v1::LeaseReply reply_;
  size_t left_ = 0;
};

}  // namespace

Handler* handle_lease(Wire& wire, Rpc& rpc) { return new Lease(wire, rpc); }

}  // namespace orbit::grpc_wire
