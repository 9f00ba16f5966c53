// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "server.hpp"

#include "openapi.hpp"
#include "session.hpp"

namespace orbit::admin {

Server::Server(Host host, ServerOptions options)
    : host_(host),
      options_(std::move(options)),
      guard_(options_.token),
      net_(host.require<orbit_net_v1>(ORBIT_NET_V1)),
      workers_(host.require<orbit_workers_v1>(ORBIT_WORKERS_V1)),
      metrics_(host.extension<orbit_metrics_v1>(ORBIT_METRICS_V1)) {
  services_.node = host.require<orbit_node_v1>(ORBIT_NODE_V1);
  services_.actors = host.require<orbit_actors_v1>(ORBIT_ACTORS_V1);
  services_.storage = host.require<orbit_storage_ops_v1>(ORBIT_STORAGE_OPS_V1);
  services_.introspection = host.require<orbit_introspection_v1>(ORBIT_INTROSPECTION_V1);
  services_.monotonic_ns = [this] { return workers_->monotonic_ns(host_.raw()); };
  services_.call_timeout_ms = options_.call_timeout_ms;
  services_.openapi = openapi_document(guard_.has_token());
  Response full = problem(503, Code::resource_exhausted, "connections_max is reached; try again later", {});
  full.headers.emplace_back("Retry-After", "1");
  too_many_connections_ = serialize(full, {.keep_alive = false});
}

Result<> Server::start() {
  if (metrics_ != nullptr)
    for (int digit = 2; digit < 6; ++digit) {
      const std::string label = "status=\"" + std::to_string(digit) + "xx\"";
      answers_[digit] =
          metrics_->counter(host_.raw(), "orbit_admin_answers_total", label.c_str(), "Answers of the admin API.");
    }
  orbit_listen_options listen{};
  listen.struct_size = sizeof listen;
  listen.connections_max = options_.connections_max;
  listen.address = options_.listen.c_str();
  listen.idle_timeout_ms = options_.idle_timeout_ms;
  // Room for a head that is just too long, so that the client is told so, and for requests that it sent ahead.
  listen.input_bytes_max = 2ull * options_.limits.header_bytes_max + 64 * 1024;
  // One answer may be as large as an actor's reply; what is not bounded here is by kOutputPauseBytes per request.
  listen.output_bytes_max = 256ull * 1024 * 1024;
  listen.output_pause_bytes = kOutputPauseBytes;
  listen.too_many_connections = too_many_connections_.c_str();
  ErrorOut error;
  const orbit_code code = net_->listen(host_.raw(), &listen, &kHandler, this, &listener_, &error);
  if (code != ORBIT_OK) return tl::unexpected<Error>(error.take(code));
  host_.info("admin API at http://" + std::string(net_->address(listener_)) +
             (guard_.has_token() ? ", with a token" : ", without a token: loopback only"));
  return {};
}

void Server::stop() noexcept {
  stopping_.store(true, std::memory_order_relaxed);
  if (listener_ != nullptr) net_->stop_listening(listener_);
}

void Server::count_answer(int status) const noexcept {
  const int digit = status / 100;
  if (digit >= 2 && digit < 6 && answers_[digit] != nullptr) metrics_->add(answers_[digit], 1);
}

const orbit_connection_handler Server::kHandler = {
    sizeof(orbit_connection_handler),
    0,
    [](void* self, orbit_connection* connection) -> void* {
      return Session::open(*static_cast<const Server*>(self), connection);
    },
    [](void* context, const char* data, size_t size) -> size_t {
      return static_cast<Session*>(context)->received({data, size});
    },
    [](void* context) { static_cast<Session*>(context)->drained(); },
    [](void* context, orbit_code) { static_cast<Session*>(context)->closed(); },
    nullptr,
};

}  // namespace orbit::admin
