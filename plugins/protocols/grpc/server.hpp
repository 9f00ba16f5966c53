// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The gRPC server: its settings, its sockets and its threads. The only part that knows gRPC's library; it passes RPCs to a Wire.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "orbit/ext/net.h"
#include "orbit/plugin.hpp"
#include "wire.hpp"

namespace orbit::grpc_wire {

struct ServerOptions {
  std::string listen;
  std::string certificate;  // files; empty: no TLS
  std::string key;
  std::string client_ca;
  orbit_client_certificate client_certificate = ORBIT_CLIENT_CERTIFICATE_NONE;
  uint32_t reload_interval_s = 10;
  int message_bytes_max = 0;
  int reply_bytes_max = 0;
  int metadata_bytes_max = 0;
  int connection_calls_max = 0;
  uint64_t memory_bytes_max = 0;
  int keepalive_time_ms = 0;
  int keepalive_timeout_ms = 0;
  int keepalive_min_interval_ms = 0;
  int idle_timeout_ms = 0;
  std::string compression;
  uint64_t stop_grace_ms = 0;
  Limits limits;
};

class Server {
 public:
  Server(Host host, ServerOptions options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Listens and accepts from then on. [main]
  Result<> start();
  // The address with the port that it got.
  const std::string& address() const noexcept { return address_; }
  // Refuses new RPCs, lets running ones end within stop_grace_ms, cancels the others, and returns when none is left. [main]
  void stop() noexcept;

 private:
  struct Impl;
  Host host_;
  ServerOptions options_;
  std::string address_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace orbit::grpc_wire
