// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What all connections share.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "exchange.hpp"
#include "guard.hpp"
#include "orbit/http/server.hpp"
#include "orbit/plugin.hpp"

namespace orbit::admin {

struct ServerOptions {
  std::string token;
  uint64_t call_timeout_ms = 60'000;
  http::ServerOptions http;
};

// Immutable after construction, so that any worker may read it.
class Server final : public http::Service {
 public:
  Server(Host host, ServerOptions options);

  Result<> start();
  void stop() noexcept { http_.stop(); }
  std::unique_ptr<http::Handler> connected(Connection& connection) override;

  const Guard& guard() const noexcept { return guard_; }
  const Services& services() const noexcept { return services_; }

 private:
  Host host_;
  Guard guard_;
  Services services_;
  http::Server http_;
};

}  // namespace orbit::admin
