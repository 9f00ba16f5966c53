// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A listening socket on worker 0, which hands accepted connections to the workers in turn.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "executor/executor.hpp"
#include "executor/poller.hpp"
#include "net/address.hpp"
#include "net/net.hpp"
#include "net/tls.hpp"

namespace orbit::kernel {

template <class Sockets>
class BasicSocketNet;

template <class Sockets>
class SocketListener final : public Listener, public Pollable {
 public:
  // Binds. [main]
  static Result<std::unique_ptr<SocketListener>> open(BasicSocketNet<Sockets>& net, const orbit_listen_options& options,
                                                      const orbit_connection_handler& handler, void* self);
  SocketListener(BasicSocketNet<Sockets>& net, int fd, const orbit_listen_options& options,
                 const orbit_connection_handler& handler, void* self, std::unique_ptr<TlsServer> tls);
  ~SocketListener();

  // Begins to accept. [main]
  void start() noexcept;
  const std::string& address() const noexcept override { return address_; }
  void stop() noexcept override;
  uint32_t connections() const noexcept override { return connections_.load(std::memory_order_acquire); }
  void close_connections() noexcept override;

  // What connections read.
  bool closed() const noexcept { return closed_.load(std::memory_order_acquire); }  // it keeps no connection any more
  BasicSocketNet<Sockets>& net() noexcept { return net_; }
  const orbit_connection_handler& handler() const noexcept { return handler_; }
  void* self() const noexcept { return self_; }
  const orbit_listen_options& options() const noexcept { return options_; }  // without zeros where the node has a default
  TlsServer* tls() noexcept { return tls_.get(); }  // null: plain TCP
  // A handshake has failed; told to the operator now and then. [any thread]
  void tls_failed(const std::string& peer, const std::string& why) noexcept;
  // A connection of this listener is gone. [any thread]
  void released() noexcept;

 private:
  struct ControlJob : Job {
    SocketListener* listener = nullptr;
  };

  void ready(uint32_t events) noexcept override;
  void accepted(int fd, const SocketAddress& peer) noexcept;
  void reject(int fd) noexcept;
  bool admit() noexcept;
  void out_of_descriptors(int error) noexcept;
  void watch() noexcept;
  void unwatch() noexcept;

  BasicSocketNet<Sockets>& net_;
  Sockets& sockets_;
  int fd_;
  int reserve_fd_;  // given up for a moment when descriptors run out, so that the waiting client can be told by a close
  const orbit_connection_handler handler_;
  void* const self_;
  orbit_listen_options options_;
  const std::unique_ptr<TlsServer> tls_;
  std::atomic<uint64_t> tls_warned_ns_{0};
  std::string address_;
  std::string too_many_connections_;
  ControlJob start_job_;
  ControlJob stop_job_;
  bool watched_ = false;                 // [worker 0]
  uint32_t next_worker_ = 0;             // [worker 0]
  uint64_t warned_ns_ = 0;               // [worker 0]
  std::atomic<bool> stopping_{false};
  std::atomic<bool> closed_{false};
  std::atomic<uint32_t> connections_{0};
};

}  // namespace orbit::kernel
