// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What all connections share, and the listener's face towards orbit.net/1.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "exchange.hpp"
#include "guard.hpp"
#include "http.hpp"
#include "orbit/ext/net.h"
#include "orbit/ext/observe.h"
#include "orbit/ext/workers.h"
#include "orbit/plugin.hpp"

namespace orbit::admin {

struct ServerOptions {
  std::string listen;
  std::string token;
  HttpLimits limits;
  uint32_t connections_max = 256;
  uint64_t idle_timeout_ms = 60'000;
  uint64_t request_timeout_ms = 30'000;
  uint64_t call_timeout_ms = 60'000;
};

// Immutable after construction but for `stopping`, so that any worker may read it.
class Server {
 public:
  // Unsent output above which a connection takes no further request.
  static constexpr size_t kOutputPauseBytes = 256 * 1024;

  Server(Host host, ServerOptions options);

  Result<> start();
  // Accepts no more; connections close after the answer they wait for.
  void stop() noexcept;

  static const orbit_connection_handler kHandler;

  Host host() const noexcept { return host_; }
  const orbit_net_v1& net() const noexcept { return *net_; }
  const orbit_workers_v1& workers() const noexcept { return *workers_; }
  const ServerOptions& options() const noexcept { return options_; }
  const Guard& guard() const noexcept { return guard_; }
  const Services& services() const noexcept { return services_; }
  bool stopping() const noexcept { return stopping_.load(std::memory_order_relaxed); }
  void count_answer(int status) const noexcept;

 private:
  Host host_;
  ServerOptions options_;
  Guard guard_;
  const orbit_net_v1* net_;
  const orbit_workers_v1* workers_;
  const orbit_metrics_v1* metrics_;
  orbit_counter* answers_[6] = {};  // by first digit of the status
  Services services_;
  std::string too_many_connections_;  // the whole answer
  orbit_listener* listener_ = nullptr;
  std::atomic<bool> stopping_{false};
};

}  // namespace orbit::admin
