// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What all connections share.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "exchange.hpp"
#include "guard.hpp"
#include "orbit/access.hpp"
#include "orbit/http/server.hpp"
#include "orbit/plugin.hpp"

namespace orbit::admin {

struct ServerOptions {
  std::string token;
  std::vector<std::string> token_roles;
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
  // Null: there is no access control.
  const Access* access() const noexcept { return access_ ? &*access_ : nullptr; }
  // Who has the token.
  const Principal& token_holder() const noexcept { return token_holder_; }
  const Services& services() const noexcept { return services_; }

 private:
  Host host_;
  Guard guard_;
  std::vector<std::string> token_roles_;
  std::optional<Access> access_;
  Principal token_holder_;
  Services services_;
  http::Server http_;
};

}  // namespace orbit::admin
