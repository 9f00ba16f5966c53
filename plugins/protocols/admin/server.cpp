// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "server.hpp"

#include "message_forms.hpp"
#include "openapi.hpp"
#include "session.hpp"

namespace orbit::admin {

namespace {

http::ServerOptions with_names(http::ServerOptions options) {
  options.name = "admin API";
  options.metric = "orbit_admin";
  return options;
}

}  // namespace

Server::Server(Host host, ServerOptions options)
    : host_(host), guard_(std::move(options.token)), token_roles_(std::move(options.token_roles)), http_(host, with_names(std::move(options.http)), *this) {
  services_.node = host.require<orbit_node_v1>(ORBIT_NODE_V1);
  services_.actors = host.require<orbit_actors_v1>(ORBIT_ACTORS_V1);
  services_.storage = host.require<orbit_storage_ops_v1>(ORBIT_STORAGE_OPS_V1);
  services_.introspection = host.require<orbit_introspection_v1>(ORBIT_INTROSPECTION_V1);
  services_.access = host.extension<orbit_access_v1>(ORBIT_ACCESS_V1);
  services_.host = host.raw();
  services_.monotonic_ns = [this] { return http_.workers().monotonic_ns(host_.raw()); };
  services_.call_timeout_ms = options.call_timeout_ms;
  services_.message_forms = [forms = std::make_shared<MessageForms>(host.require<orbit_descriptors_v1>(ORBIT_DESCRIPTORS_V1))] {
    return forms->json();
  };
  services_.openapi = openapi_document(guard_.has_token());
}

Result<> Server::start() {
  if (host_.extension<orbit_access_v1>(ORBIT_ACCESS_V1) != nullptr)
    if (Access access(host_); access.enabled()) access_ = access;
  if (access_ && guard_.has_token()) {
    auto holder = access_->local("admin", token_roles_);
    if (!holder) return fail(holder.error().code, "token_roles: " + holder.error().message);
    token_holder_ = std::move(*holder);
  }
  if (auto started = http_.start(); !started) return started;
  host_.info("admin API at " + http_.url() +
             (access_               ? ", by the rules of access control"
              : guard_.has_token() ? ", with a token"
                                   : ", without a token: loopback only"));
  return {};
}

std::unique_ptr<http::Handler> Server::connected(Connection& connection) {
  return std::make_unique<Session>(*this, connection);
}

}  // namespace orbit::admin
