// SPDX-License-Identifier: MIT OR BSD-3-Clause
// gRPC's health service: of the node (empty name), of this wire's services, and of each actor type.
#include <grpc/health/v1/health.pb.h>
#include "wire.hpp"

namespace orbit::grpc_wire {

namespace {

using ::grpc::health::v1::HealthCheckRequest;
using ::grpc::health::v1::HealthCheckResponse;

constexpr uint64_t kWatchMs = 500;

constexpr std::string_view kOwnServices[] = {"orbit.v1.ActorService", "grpc.health.v1.Health",
                                             "grpc.reflection.v1.ServerReflection",
                                             "grpc.reflection.v1alpha.ServerReflection"};

HealthCheckResponse::ServingStatus status_of(Wire& wire, const std::string& service) {
  const bool serving = !wire.draining() && wire.node.ready() != 0;
  const bool known = service.empty() ||
                     std::find(std::begin(kOwnServices), std::end(kOwnServices), service) != std::end(kOwnServices) ||
                     wire.routes.current()->types().find(service) != nullptr;
  if (!known) return HealthCheckResponse::SERVICE_UNKNOWN;
  return serving ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
}

std::string response(HealthCheckResponse::ServingStatus status) {
  HealthCheckResponse out;
  out.set_status(status);
  return out.SerializeAsString();
}

Result<std::string> service_in(const std::string& bytes) {
  HealthCheckRequest request;
  if (!request.ParseFromString(bytes))
    return fail(Code::invalid_argument,
                std::to_string(bytes.size()) + " bytes are no message of type grpc.health.v1.HealthCheckRequest");
  return std::move(*request.mutable_service());
}

// Health is asked by load balancers and supervisors: whoever reaches the port may.
class Check final : public RpcHandler {
 public:
  Check(Wire& wire, Rpc& rpc) : RpcHandler(wire, rpc) {}
  void begin() override { rpc_.read(); }
  void message(std::string bytes) override {
    const Result<std::string> service = service_in(bytes);
    if (!service) return fail(service.error());
    const auto status = status_of(wire_, *service);
    if (status == HealthCheckResponse::SERVICE_UNKNOWN)
      return fail({Code::not_found, "no service '" + service->substr(0, 255) + "' is here"});
    rpc_.answer(response(status));
  }
};

// Looks at intervals: nothing tells this wire of modules that come and go.
class Watch final : public RpcHandler {
 public:
  Watch(Wire& wire, Rpc& rpc) : RpcHandler(wire, rpc) {}

  void begin() override { rpc_.read(); }
  void message(std::string bytes) override {
    Result<std::string> service = service_in(bytes);
    if (!service) return fail(service.error());
    service_ = std::move(*service);
    retain();  // until it ends
    begun_ = true;
    look();
  }
  void cancelled() override { end({Code::cancelled, "the client has cancelled the watch"}); }
  // The client is told that the node does not serve, and then that the watch has ended.
  void drain() override {
    if (begun_ && !ended_) tell();
    end({Code::unavailable, "the node is stopping"});
  }

 private:
  void tell() {
    const auto status = status_of(wire_, service_);
    if (status == told_) return;
    told_ = status;
    rpc_.write(response(status));
  }

  void look() {
    tell();
    timer_ = wire_.workers.after(
        wire_.host.raw(), kWatchMs,
        [](void* ctx) {
          auto* self = static_cast<Watch*>(ctx);
          self->timer_ = 0;
          self->look();
        },
        this);
  }

  void end(const Error& error) {
    if (ended_) return;
    ended_ = true;
    fail(error);
    if (!begun_) return;
    if (timer_ != 0) wire_.workers.cancel(wire_.host.raw(), timer_);
    release();
  }

  std::string service_;
  orbit_timer timer_ = 0;
  HealthCheckResponse::ServingStatus told_ = HealthCheckResponse::UNKNOWN;
  bool begun_ = false;
  bool ended_ = false;
};

}  // namespace

Handler* handle_health_check(Wire& wire, Rpc& rpc) { return new Check(wire, rpc); }
Handler* handle_health_watch(Wire& wire, Rpc& rpc) { return new Watch(wire, rpc); }

}  // namespace orbit::grpc_wire
