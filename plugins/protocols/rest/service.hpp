// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What all connections share.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "catalog.hpp"
#include "orbit/access.hpp"
#include "orbit/ext/actors.h"
#include "orbit/ext/streams.h"
#include "orbit/http/server.hpp"
#include "orbit/plugin.hpp"

namespace orbit::rest {

struct Options {
  http::ServerOptions http;
  uint64_t call_timeout_ms = 60'000;
  uint64_t idempotency_keep_ms = 24ull * 3600 * 1000;
  uint64_t stream_heartbeat_ms = 15'000;
};

// Problem details. Who is asked for credentials is told how to give them (RFC 9110, 11.6.1).
http::Response problem_of(const Error& error, std::string_view target);

class Service final : public http::Service {
 public:
  Service(Host host, Options options);

  Result<> start();
  void stop() noexcept { http_.stop(); }
  std::unique_ptr<http::Handler> connected(Connection& connection) override;

  // What is offered now. Given what the caller had before, which is mostly still it. [any thread]
  std::shared_ptr<const Catalog> catalog(std::shared_ptr<const Catalog> had);

  Host host() const noexcept { return host_; }
  const Options& options() const noexcept { return options_; }
  const orbit_actors_v1& actors() const noexcept { return *actors_; }
  const orbit_streams_v1& streams() const noexcept { return *streams_; }
  const orbit_workers_v1& workers() const noexcept { return http_.workers(); }
  const Access& access() const noexcept { return access_; }
  const http::Server& http() const noexcept { return http_; }
  const orbit_type* idempotency_type() const noexcept { return idempotency_type_; }
  uint64_t monotonic_ns() const noexcept { return http_.workers().monotonic_ns(host_.raw()); }

 private:
  Host host_;
  Options options_;
  const orbit_actors_v1* actors_;
  const orbit_streams_v1* streams_;
  Access access_;
  WireCatalog wire_;
  http::Server http_;
  const orbit_type* idempotency_type_ = nullptr;
  std::mutex mutex_;
  std::shared_ptr<const Catalog> catalog_;
};

}  // namespace orbit::rest
