// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The connections of one worker, and what they share: the receive buffer, the pools, and the lists of what is to be done
// at the end of a round.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <vector>

#include "executor/executor.hpp"
#include "net/address.hpp"
#include "net/net.hpp"
#include "net/output.hpp"

namespace orbit::kernel {

template <class Sockets>
class BasicSocketNet;
template <class Sockets>
class SocketConnection;
template <class Sockets>
class SocketListener;

template <class Sockets>
class NetWorker final : public Resident {
 public:
  using Listener = SocketListener<Sockets>;
  using Connection = SocketConnection<Sockets>;

  NetWorker(BasicSocketNet<Sockets>& net, uint32_t index);
  ~NetWorker() override;

  // Takes over an accepted socket. [worker]
  void adopt(int fd, const SocketAddress& peer, Listener& listener) noexcept;
  // Sends what can be sent and closes every connection. Not from inside a plugin's callback. [worker]
  void close_all() noexcept;
  // The same for the connections of one listener. [worker]
  void close_of(const Listener& listener) noexcept;

  bool step() noexcept override;
  void end_of_round() noexcept override;
  bool pending() const noexcept override { return !dirty_.empty() || !again_.empty() || !doomed_.empty(); }

  NetCounters counters() const noexcept;  // [any thread]
  void count_in(size_t bytes) noexcept { add(bytes_in_, bytes); }
  void count_out(size_t bytes) noexcept { add(bytes_out_, bytes); }
  void count_rejected() noexcept { add(rejected_, 1); }
  void count_handshake(bool good) noexcept { add(good ? tls_handshakes_ : tls_failures_, 1); }

  // For connections. Each list holds a connection at most once; the connection keeps that.
  void add_dirty(Connection* connection) { dirty_.push_back(connection); }
  void add_again(Connection* connection) { again_.push_back(connection); }
  void add_doomed(Connection* connection) { doomed_.push_back(connection); }
  // Gives the object back. Nobody may touch it afterwards.
  void recycle(Connection* connection) noexcept;

  Executor& executor() noexcept;
  Sockets& sockets() noexcept { return sockets_; }
  typename Sockets::Poller& poller() noexcept { return poller_; }
  OutputPool& output_pool() noexcept { return output_pool_; }
  char* receive_buffer() noexcept { return receive_buffer_.get(); }
  size_t receive_buffer_bytes() const noexcept { return receive_buffer_bytes_; }
  uint64_t close_timeout_ns() const noexcept;

 private:
  // One writer: no read-modify-write instruction is needed.
  static void add(std::atomic<uint64_t>& counter, uint64_t n) noexcept {
    counter.store(counter.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }

  BasicSocketNet<Sockets>& net_;
  Sockets& sockets_;
  typename Sockets::Poller& poller_;
  const size_t receive_buffer_bytes_;
  std::unique_ptr<char[]> receive_buffer_;
  OutputPool output_pool_;
  std::deque<Connection> connections_;  // all that were ever open at once
  std::vector<Connection*> unused_;
  std::vector<Connection*> dirty_;   // have output to send
  std::vector<Connection*> again_;   // are to be given unconsumed input again
  std::vector<Connection*> doomed_;  // are to be closed
  bool stopping_ = false;
  std::atomic<uint64_t> open_{0};
  std::atomic<uint64_t> accepted_{0};
  std::atomic<uint64_t> rejected_{0};
  std::atomic<uint64_t> tls_handshakes_{0};
  std::atomic<uint64_t> tls_failures_{0};
  std::atomic<uint64_t> bytes_in_{0};
  std::atomic<uint64_t> bytes_out_{0};
};

}  // namespace orbit::kernel
