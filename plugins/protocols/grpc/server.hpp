// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The listener, and what its connections share.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

#include "orbit/net.hpp"
#include "orbit/plugin.hpp"
#include "wire.hpp"

namespace orbit::grpc_wire {

struct ServerOptions {
  ListenOptions listen;
  size_t message_bytes_max = 0;
  size_t reply_bytes_max = 0;
  uint32_t metadata_bytes_max = 0;
  uint32_t connection_calls_max = 0;
  uint64_t memory_bytes_max = 0;  // 0: no bound
  uint64_t keepalive_time_ms = 0;
  uint64_t keepalive_timeout_ms = 0;
  uint64_t keepalive_min_interval_ms = 0;
  uint64_t idle_timeout_ms = 0;  // 0: never
  int compression_level = 0;     // zlib's; 0: none
  uint64_t stop_grace_ms = 0;
  Limits limits;
};

class Session;

class Server {
 public:
  Server(Host host, ServerOptions options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Listens and accepts from then on. [main]
  Result<> start();
  // The first step of stop, which does not wait. [main]
  void begin_drain();
  // Refuses new RPCs, lets running ones end within stop_grace_ms, cancels the others, and returns when no connection is
  // left. [main]
  void stop() noexcept;

  // ---- for connections and calls; [worker] ----

  Wire& wire() noexcept { return wire_; }
  const ServerOptions& options() const noexcept { return options_; }
  uint64_t monotonic_ns() const noexcept { return wire_.workers.monotonic_ns(wire_.host.raw()); }
  void joined(Session* session);
  void left(Session* session);
  // Counts memory for messages; false: there would be more than memory_bytes_max, and nothing was counted.
  bool hold(size_t bytes) noexcept;
  void let_go(size_t bytes) noexcept { held_bytes_.fetch_sub(bytes, std::memory_order_relaxed); }

 private:
  // Runs it on every worker for each of the sessions there.
  void each_session(void (Session::*what)());
  bool await_none(uint64_t timeout_ms);

  ServerOptions options_;
  Wire wire_;
  Listener listener_;
  std::vector<std::unordered_set<Session*>> sessions_;  // by worker, each used there only
  std::atomic<uint64_t> held_bytes_{0};
  std::mutex mutex_;
  std::condition_variable none_;
  size_t session_count_ = 0;  // under mutex_
};

}  // namespace orbit::grpc_wire
