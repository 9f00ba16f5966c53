// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "wire.hpp"

#include "orbit/authorization.hpp"

namespace orbit::grpc_wire {

namespace {

constexpr std::string_view kActorService = "/orbit.v1.ActorService/";

class Refused final : public RpcHandler {
 public:
  Refused(Wire& wire, Rpc& rpc, Error error) : RpcHandler(wire, rpc), error_(std::move(error)) {}
  void begin() override { fail(error_); }
  void message(std::string) override {}

 private:
  Error error_;
};

// Names of metadata and of what they become in a call's context.
constexpr std::pair<std::string_view, std::string_view> kContextNames[] = {
    {"traceparent", "traceparent"}, {"tracestate", "tracestate"}, {"orbit-tenant", "tenant"}};

}  // namespace

Wire::Wire(Host its_host, const Limits& its_limits)
    : host(its_host),
      actors(*its_host.require<orbit_actors_v1>(ORBIT_ACTORS_V1)),
      workers(*its_host.require<orbit_workers_v1>(ORBIT_WORKERS_V1)),
      streams(*its_host.require<orbit_streams_v1>(ORBIT_STREAMS_V1)),
      node(*its_host.require<orbit_node_v1>(ORBIT_NODE_V1)),
      access(its_host),
      access_enabled(access.enabled()),
      limits(its_limits),
      routes(its_host.require<orbit_descriptors_v1>(ORBIT_DESCRIPTORS_V1)),
      metrics_(its_host.require<orbit_metrics_v1>(ORBIT_METRICS_V1)),
      accepted_(
          metrics_->counter(host.raw(), "orbit_grpc_calls_total", "", "RPCs that came in, refused ones included.")),
      refused_(metrics_->counter(host.raw(), "orbit_grpc_refused_calls_total", "",
                                 "RPCs over calls_max, or while the node stops.")),
      open_gauge_(metrics_->gauge(host.raw(), "orbit_grpc_calls", "", "RPCs that are open now.")) {}

Handler* Wire::accept(Rpc& rpc) {
  metrics_->add(accepted_, 1);
  const uint32_t open = open_.fetch_add(1, std::memory_order_relaxed) + 1;
  metrics_->set(open_gauge_, open);
  if (draining()) {
    metrics_->add(refused_, 1);
    return handle_refused(*this, rpc, {Code::unavailable, "the node is stopping"});
  }
  if (open > limits.calls_max) {
    metrics_->add(refused_, 1);
    return handle_refused(*this, rpc,
                          {Code::resource_exhausted, std::to_string(limits.calls_max) + " RPCs are open (calls_max)"});
  }
  const std::string_view path = rpc.path();
  std::shared_ptr<const Routes> known = routes.current();
  if (const Route route = known->find(path); route.method != nullptr)
    return handle_native(*this, rpc, std::move(known), route);
  if (path.starts_with(kActorService)) {
    const std::string_view method = path.substr(kActorService.size());
    if (method == "Invoke") return handle_invoke(*this, rpc, false);
    if (method == "OneWay") return handle_invoke(*this, rpc, true);
    if (method == "Batch") return handle_batch(*this, rpc);
    if (method == "InvokeStream") return handle_invoke_stream(*this, rpc);
    if (method == "Lease") return handle_lease(*this, rpc);
    if (method == "Subscribe") return handle_subscribe(*this, rpc);
  }
  if (path == "/grpc.health.v1.Health/Check") return handle_health_check(*this, rpc);
  if (path == "/grpc.health.v1.Health/Watch") return handle_health_watch(*this, rpc);
  if (limits.reflection && (path == "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo" ||
                            path == "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"))
    return handle_reflection(*this, rpc);
  return handle_refused(*this, rpc, {Code::unimplemented, no_such_path(*known, path)});
}

Result<> Wire::check(const Principal& who, const Route& route, Bytes key, const std::string& peer) const {
  if (!access_enabled) return {};
  return access.check(who, {.type = route.type->name,
                            .key = key,
                            .method = route.method->name(),
                            .read_only = route.method->read_only(),
                            .peer = peer.c_str()});
}

void RpcHandler::start() {
  if (!wire_.access_enabled) {
    begin();
    return;
  }
  const std::string peer = rpc_.peer();
  const auto known = [this](Result<Principal> who) {
    if (who) {
      caller_ = std::move(*who);
      begin();
    } else {
      fail(who.error());
    }
    release();
  };
  retain();
  if (const auto value = rpc_.metadata("authorization")) {
    const Result<Authorization> given = parse_authorization(*value);
    if (!given) return known(tl::unexpected<Error>(given.error()));
    return wire_.access.authenticate(given->credentials(peer.c_str()), known);
  }
  if (const std::string der = rpc_.certificate(); !der.empty())
    return wire_.access.authenticate(
        {.mechanism = ORBIT_MECHANISM_CERTIFICATE, .name = {}, .secret = der, .peer = peer.c_str()}, known);
  known(wire_.access.anonymous());
}

RpcHandler::~RpcHandler() { rpc_.dispose(); }

void RpcHandler::done() {
  const uint32_t open = wire_.open_.fetch_sub(1, std::memory_order_acq_rel) - 1;
  wire_.metrics_->set(wire_.open_gauge_, open);
  release();
}

std::vector<orbit_context_entry> RpcHandler::context() const {
  std::vector<orbit_context_entry> out;
  for (const auto& [metadata, name] : kContextNames)
    if (const auto value = rpc_.metadata(metadata)) out.push_back({to_c(name), to_c(*value)});
  if (const std::string_view user = caller_.name(); !user.empty()) out.push_back({to_c("user"), to_c(user)});
  return out;
}

void set_text(std::string* field, std::string_view text) {
  field->assign(detail::is_utf8(text) ? text : std::string_view("(the message is not valid UTF-8)"));
}

Handler* handle_refused(Wire& wire, Rpc& rpc, Error error) { return new Refused(wire, rpc, std::move(error)); }

}  // namespace orbit::grpc_wire
