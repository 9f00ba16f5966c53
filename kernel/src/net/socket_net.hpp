// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The network of production: TCP sockets on the workers' epoll sets.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "net/net.hpp"
#include "net/os_sockets.hpp"

namespace orbit::kernel {

template <class Sockets>
class SocketListener;
template <class Sockets>
class NetWorker;

struct SocketNetOptions {
  uint32_t connections_max = 10'000;                    // of the node, all listeners together
  uint64_t input_bytes_max = 64ULL * 1024 * 1024;       // where a listener says 0
  uint64_t output_bytes_max = 256ULL * 1024 * 1024;     // where a listener says 0
  uint64_t output_pause_bytes = 1024 * 1024;            // where a listener says 0
  size_t receive_buffer_bytes = 64 * 1024;              // one per worker; also the most that one round reads from one connection
  uint64_t close_timeout_ms = 5'000;                    // for sending what is left, and again for the peer to hang up
  std::function<void(std::string_view)> tell;           // news for an operator; as warn
  std::function<void(std::string_view)> warn;           // for what only an operator can mend; [any thread], may be empty
};

// All of a network but its sockets. socket_net.cpp makes the one of production, sim_net.cpp that of simulations.
template <class Sockets>
class BasicSocketNet : public Net {
 public:
  BasicSocketNet(Sockets sockets, SocketNetOptions options);
  ~BasicSocketNet() override;

  Result<Listener*> listen(const orbit_listen_options& options, const orbit_connection_handler& handler,
                           void* self) override;
  std::vector<NetCounters> counters() const override;
  void stop() noexcept override;

  // For listeners.
  typename Sockets::Executor& executor() noexcept { return sockets_.executor(); }
  Sockets& sockets() noexcept { return sockets_; }
  const SocketNetOptions& options() const noexcept { return options_; }
  NetWorker<Sockets>& worker(uint32_t index) noexcept { return *workers_[index]; }
  uint64_t next_id() noexcept { return next_id_.fetch_add(1, std::memory_order_relaxed); }
  // Counts a connection in; false at the node's limit.
  bool admit() noexcept;
  void release() noexcept { connections_.fetch_sub(1, std::memory_order_relaxed); }
  void warn(std::string_view message) const;

 protected:
  std::vector<SocketListener<Sockets>*> listeners() const;

 private:
  Sockets sockets_;
  const SocketNetOptions options_;
  std::vector<std::unique_ptr<NetWorker<Sockets>>> workers_;
  mutable std::mutex listeners_mutex_;
  std::vector<std::unique_ptr<SocketListener<Sockets>>> listeners_;  // guarded by listeners_mutex_
  std::atomic<uint32_t> connections_{0};
  std::atomic<uint64_t> next_id_{1};
  bool stopped_ = false;
};

class SocketNet final : public BasicSocketNet<OsSockets> {
 public:
  // Attaches itself to the executor's workers, so before its start. The executor must have stopped before this goes.
  SocketNet(AsioExecutor& executor, SocketNetOptions options);
  ~SocketNet() override;

  // Reads certificates again, those whose files have changed or all. Reads files. [any thread]
  void reload_certificates(bool all);
  bool has_tls() const;
};

}  // namespace orbit::kernel
