// SPDX-License-Identifier: MIT OR BSD-3-Clause
// For the files that make a network of sockets.
#pragma once

#include <algorithm>

#include "net/net_worker.hpp"
#include "net/socket_connection.hpp"
#include "net/socket_listener.hpp"
#include "net/socket_net.hpp"

namespace orbit::kernel {

template <class Sockets>
NetWorker<Sockets>::NetWorker(BasicSocketNet<Sockets>& net, uint32_t index)
    : net_(net),
      sockets_(net.sockets()),
      poller_(net.sockets().poller(index)),
      receive_buffer_bytes_(net.options().receive_buffer_bytes),
      receive_buffer_(new char[net.options().receive_buffer_bytes]) {}

template <class Sockets>
NetWorker<Sockets>::~NetWorker() = default;

template <class Sockets>
Executor& NetWorker<Sockets>::executor() noexcept { return net_.executor(); }

template <class Sockets>
uint64_t NetWorker<Sockets>::close_timeout_ns() const noexcept { return net_.options().close_timeout_ms * 1'000'000; }

template <class Sockets>
void NetWorker<Sockets>::adopt(int fd, const SocketAddress& peer, Listener& listener) noexcept {
  if (stopping_ || listener.closed()) {
    sockets_.close(fd);
    listener.released();
    return;
  }
  std::unique_ptr<TlsStream> tls;
  if (listener.tls() != nullptr) {
    tls = listener.tls()->begin(fd);
    if (tls == nullptr) {
      add(rejected_, 1);
      sockets_.close(fd);
      listener.released();
      return;
    }
  }
  Connection* connection = nullptr;
  if (unused_.empty()) {
    connection = &connections_.emplace_back(*this);
    unused_.reserve(connections_.size());
  } else {
    connection = unused_.back();
    unused_.pop_back();
  }
  if (!connection->open(fd, peer, listener, net_.next_id(), std::move(tls))) {
    unused_.push_back(connection);
    sockets_.close(fd);
    listener.released();
    net_.warn("a connection was refused: the worker's epoll set is full (fs.epoll.max_user_watches)");
    return;
  }
  add(accepted_, 1);
  add(open_, 1);
  connection->begin();
}

template <class Sockets>
bool NetWorker<Sockets>::step() noexcept {
  // Only those that are here now: who comes back meanwhile waits for the next round.
  const size_t count = again_.size();
  for (size_t i = 0; i < count; ++i) again_[i]->deliver_again();
  again_.erase(again_.begin(), again_.begin() + static_cast<std::ptrdiff_t>(count));
  return !again_.empty();
}

template <class Sockets>
void NetWorker<Sockets>::end_of_round() noexcept {
  const size_t count = dirty_.size();
  for (size_t i = 0; i < count; ++i) dirty_[i]->flush();
  dirty_.erase(dirty_.begin(), dirty_.begin() + static_cast<std::ptrdiff_t>(count));
  for (size_t i = 0; i < doomed_.size(); ++i) doomed_[i]->finish();
  doomed_.clear();
}

template <class Sockets>
void NetWorker<Sockets>::close_all() noexcept {
  stopping_ = true;
  for (Connection& connection : connections_) connection.stop();
  end_of_round();
}

template <class Sockets>
void NetWorker<Sockets>::close_of(const Listener& listener) noexcept {
  for (Connection& connection : connections_)
    if (connection.listener() == &listener) connection.stop();
}

template <class Sockets>
void NetWorker<Sockets>::recycle(Connection* connection) noexcept {
  std::erase(dirty_, connection);
  std::erase(again_, connection);
  unused_.push_back(connection);
  open_.store(open_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
}

template <class Sockets>
NetCounters NetWorker<Sockets>::counters() const noexcept {
  return {open_.load(std::memory_order_relaxed), accepted_.load(std::memory_order_relaxed),
          rejected_.load(std::memory_order_relaxed), tls_handshakes_.load(std::memory_order_relaxed),
          tls_failures_.load(std::memory_order_relaxed), bytes_in_.load(std::memory_order_relaxed),
          bytes_out_.load(std::memory_order_relaxed)};
}

}  // namespace orbit::kernel
