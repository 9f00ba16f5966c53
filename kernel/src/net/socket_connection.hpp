// SPDX-License-Identifier: MIT OR BSD-3-Clause
// One TCP connection on its worker. The object is reused for later connections.
//
// Life: open -> (with TLS: the handshake) -> opened -> (closing: output is sent, input is not read) -> doomed: on its worker's list of the closed -> finish(), at
// the end of the round, calls `closed` -> (lingering: our side is shut, the peer's rest is thrown away) -> recycled.
#pragma once

#include <memory>

#include "executor/poller.hpp"
#include "net/address.hpp"
#include "net/net.hpp"
#include "net/output.hpp"
#include "net/tls.hpp"
#include "orbit/ext/workers.h"

namespace orbit::kernel {

template <class Sockets>
class NetWorker;
template <class Sockets>
class SocketListener;

template <class Sockets>
class SocketConnection final : public Connection, public Pollable {
 public:
  explicit SocketConnection(NetWorker<Sockets>& worker) noexcept : worker_(worker) {}
  ~SocketConnection();

  // False when the poller cannot take the socket; it stays the caller's then. tls: null for plain TCP.
  bool open(int fd, const SocketAddress& peer, SocketListener<Sockets>& listener, uint64_t id,
            std::unique_ptr<TlsStream> tls) noexcept;
  // Tells the codec, once the handshake is over.
  void begin() noexcept;

  char* reserve(size_t size) override;
  void commit(size_t size) override;
  size_t output_bytes() const noexcept override { return output_.bytes(); }
  void pause() noexcept override { paused_ = true; }
  void resume() noexcept override;
  void close() noexcept override;
  std::string peer_address() const override { return peer_.text(); }
  std::string local_address() const override;
  uint64_t id() const noexcept override { return id_; }
  void set_idle_timeout(uint64_t idle_timeout_ms) override;
  bool tls_info(orbit_tls_info& out) override;

  // Called by the worker, once for every time the connection put itself on a list.
  void flush() noexcept;
  void deliver_again() noexcept;
  void finish() noexcept;
  // Whose connection it is, or was the last time it was used.
  const SocketListener<Sockets>* listener() const noexcept { return listener_; }
  // The node or its listener's plugin stops: as much output as the socket takes now, then the end. Does nothing on an
  // unused object.
  void stop() noexcept;

 private:
  void ready(uint32_t events) noexcept override;
  bool takes_input() const noexcept { return !paused_ && !choked_ && !closing_ && !doomed_; }
  void shake_hands() noexcept;
  void end_handshake(bool good) noexcept;
  void call_opened() noexcept;
  // As send() and recv(); -1 with EAGAIN when the socket is full or empty. `offered`: all that there was to send.
  ssize_t send_plain(size_t& offered) noexcept;
  ssize_t send_tls(size_t& offered) noexcept;
  ssize_t receive_tls(char* data, size_t size) noexcept;
  // Bytes are there that no event will tell.
  bool has_hidden_input() const noexcept { return tls_ != nullptr && tls_->more(); }
  void receive() noexcept;
  // Whether the codec closes the connection itself.
  bool tell_peer_finished(bool all_read) noexcept;
  void deliver(char* data, size_t size) noexcept;
  void keep(char* data, size_t size) noexcept;
  bool grow_input(size_t capacity) noexcept;
  void linger() noexcept;
  void discard() noexcept;
  void release() noexcept;
  void mark_dirty() noexcept;
  void mark_again() noexcept;
  void doom(orbit_code code) noexcept;
  void unchoke() noexcept;
  // Unless keep_reading is false, a connection that reads goes on being watched for input: most pauses end before any
  // comes, and then they cost no system call.
  void update_events(bool keep_reading = true) noexcept;
  void arm_idle(uint64_t delay_ns) noexcept;
  void idle_expired() noexcept;
  void drop_input() noexcept;

  NetWorker<Sockets>& worker_;
  SocketListener<Sockets>* listener_ = nullptr;
  void* context_ = nullptr;
  std::unique_ptr<TlsStream> tls_;  // null: plain TCP
  int fd_ = -1;
  uint32_t watched_events_ = 0;
  OutputChain output_;
  char* input_ = nullptr;  // received and not consumed; freed when there is none
  size_t input_size_ = 0;
  size_t input_capacity_ = 0;
  uint64_t id_ = 0;
  uint64_t last_active_ns_ = 0;
  uint64_t idle_timeout_ns_ = 0;
  orbit_timer idle_timer_ = 0;
  orbit_timer close_timer_ = 0;  // of the handshake before there is anything to close
  orbit_code code_ = ORBIT_OK;
  SocketAddress peer_;
  bool paused_ : 1 = false;        // by the codec
  bool choked_ : 1 = false;        // too much output waits
  bool blocked_ : 1 = false;       // the socket is full
  bool peer_finished_ : 1 = false; // its end was read
  bool hangup_seen_ : 1 = false;   // its end was announced while we do not read
  bool handshake_ : 1 = false;     // goes on
  bool opened_ : 1 = false;        // the codec knows
  bool closing_ : 1 = false;
  bool doomed_ : 1 = false;
  bool lingering_ : 1 = false;
  bool dirty_ : 1 = false;
  bool again_ : 1 = false;
};

}  // namespace orbit::kernel
