// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The HTTP side: who may come in, and which worker's engine answers.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine.hpp"
#include "node_backend.hpp"
#include "orbit/access.hpp"
#include "orbit/http/server.hpp"

namespace orbit::mcp {

struct FrontOptions {
  http::ServerOptions http;
  std::string path = "/mcp";
  std::vector<std::string> origins;  // pages that may ask, beside the node's own
  std::vector<std::string> hosts;    // names by which the node may be asked, beside loopback ones
  Settings settings;
  Filter filter;
  uint64_t call_timeout_ms = 60'000;
};

class Front final : public http::Service {
 public:
  Front(Host host, FrontOptions options);

  Result<> start();
  void stop() noexcept;
  std::unique_ptr<http::Handler> connected(Connection& connection) override;

  const FrontOptions& options() const noexcept { return options_; }
  const Access& access() const noexcept { return access_; }
  Reports& reports() noexcept { return reports_; }
  // The refusal of a head, if there is one.
  std::optional<http::Response> admit(const http::Request& head) const;
  // certificate: of a TLS client, for requests without other credentials; empty: none.
  void handle(http::Request request, http::Responder responder, const std::string& peer, const std::string& certificate);

 private:
  void run(const http::Request& request, CallerPtr caller, OutletPtr outlet);
  void post(uint32_t worker, std::function<void()> function) const;
  bool is_own_name(std::string_view host) const noexcept;

  const Host host_;
  const FrontOptions options_;
  const orbit_workers_v1& workers_;
  const Access access_;
  Catalogs catalogs_;
  Reports reports_;
  Shared shared_;
  std::vector<std::unique_ptr<NodeBackend>> backends_;
  std::vector<std::shared_ptr<Engine>> engines_;
  http::Server http_;
};

}  // namespace orbit::mcp
