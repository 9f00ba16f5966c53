// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "connection.hpp"

#include <charconv>
#include <exception>
#include <string>

#include "session.hpp"

namespace orbit::resp {
namespace {

void* opened(void* self, orbit_connection* connection) {
  Server& server = *static_cast<Server*>(self);
  Worker& worker = server.current_worker();
  worker.refresh_time();
  auto* session = new Session(worker, connection);
  server.connections_total.fetch_add(1, std::memory_order_relaxed);
  server.interfaces().metrics->add(server.connections_counter, 1);
  server.count_connection(true);
  session->authenticate_by_certificate();
  if (server.stopping) session->drain();
  if (worker.settings.idle_timeout_ms != server.settings().idle_timeout_ms) {
    server.interfaces().net->set_idle_timeout(connection, worker.settings.idle_timeout_ms);
  }
  if (server.connections > worker.settings.connections_max) {
    constexpr std::string_view kTooMany = "-ERR max number of clients reached\r\n";
    server.interfaces().net->write(connection, kTooMany.data(), kTooMany.size());
    session->drain();
  }
  return session;
}

// Memory that runs out ends the connection that asked for it, not the node.
size_t received(void* context, const char* data, size_t size) {
  auto* session = static_cast<Session*>(context);
  try {
    return session->received(data, size);
  } catch (const std::exception& e) {
    session->abandon(e.what());
    return size;
  }
}

void drained(void* context) { static_cast<Session*>(context)->drained(); }

void closed(void* context, orbit_code) {
  auto* session = static_cast<Session*>(context);
  Server& server = session->server();
  session->closed();
  server.count_connection(false);
}

int peer_finished(void* context, int all_read) {
  return static_cast<Session*>(context)->peer_finished(all_read != 0) ? 1 : 0;
}

constexpr orbit_connection_handler kHandler = {
    sizeof(orbit_connection_handler), 0, &opened, &received, &drained, &closed, &peer_finished};

}  // namespace

Result<orbit_listener*> listen(Server& server) {
  const Settings& settings = server.settings();
  const Interfaces& node = server.interfaces();
  const orbit_tls_options tls = settings.tls.raw();
  orbit_listen_options options = {
      .struct_size = sizeof(orbit_listen_options),
      .connections_max = settings.connections_max,
      .address = settings.listen.c_str(),
      .idle_timeout_ms = settings.idle_timeout_ms,
      .input_bytes_max = settings.request_bytes_max,
      .output_bytes_max = settings.output_bytes_max,
      .output_pause_bytes = settings.output_pause_bytes,
      .too_many_connections = "-ERR max number of clients reached\r\n",
      .tls = settings.tls.enabled() ? &tls : nullptr,
      .flags = settings.password.empty() ? 0u : ORBIT_LISTEN_GUARDED,
  };
  orbit_listener* listener = nullptr;
  ErrorOut error;
  if (const orbit_code code = node.net->listen(node.host, &options, &kHandler, &server, &listener, &error);
      code != ORBIT_OK) {
    return tl::unexpected<Error>(error.take(code));
  }
  // May it listen without the password? If not, CONFIG SET must not take it away.
  if (options.flags != 0 && node.listeners != nullptr) {
    options.flags = 0;
    ErrorOut open;
    server.must_have_password.store(node.listeners->may_listen(node.host, &options, &open) != ORBIT_OK);
  }
  const std::string_view address = node.net->address(listener);
  const std::string_view digits = address.substr(address.rfind(':') + 1);
  uint16_t port = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), port);
  server.port.store(port);
  return listener;
}

}  // namespace orbit::resp
