// SPDX-License-Identifier: MIT OR BSD-3-Clause
// One connection: HTTP/2 (RFC 9113) by nghttp2, which knows no sockets. All on the worker that owns it.
#pragma once

#include <nghttp2/nghttp2.h>

#include <memory>
#include <string_view>
#include <vector>

#include "call.hpp"
#include "orbit/net.hpp"
#include "server.hpp"

namespace orbit::grpc_wire {

class Session final : public ConnectionHandler {
 public:
  Session(Connection connection, Server& server);
  ~Session() override;

  size_t received(Bytes data) override;
  void drained() override { flush(); }
  void closed(Code why) override;

  // The node stops: the peer is told, what would not end by itself ends, and the connection closes after its last call.
  void drain();
  // It has stopped waiting.
  void cut();

  // ---- for calls ----

  Server& server() noexcept { return server_; }
  nghttp2_session* http2() noexcept { return http2_; }
  Connection& transport() noexcept { return connection(); }
  // Something is to be sent: at the end of received, or soon.
  void flush_soon();
  // Messages of that stream have left: its call is told once nothing is being sent.
  void note_sent(int32_t stream) { sent_streams_.push_back(stream); }

 private:
  struct Callbacks;

  std::shared_ptr<Session> self() { return std::static_pointer_cast<Session>(shared_from_this()); }
  void flush();
  bool tell_sent();  // whether there was anybody to tell
  void ended(Call& call);
  // Says why, and closes when that is sent.
  void close_with(uint32_t error_code, std::string_view why);
  void ping_received();
  void ping_answered(bool of_drain);
  void end_if_drained();
  void arm();
  void tick();

  Server& server_;
  nghttp2_session* http2_ = nullptr;
  Call* calls_ = nullptr;
  size_t open_calls_ = 0;
  std::vector<int32_t> sent_streams_;
  bool in_received_ = false;
  bool flushing_ = false;
  bool frame_seen_ = false;  // since the last look at the clock
  bool greeted_ = false;     // the peer has sent a whole frame
  bool draining_ = false;
  bool drain_answered_ = false;
  bool close_after_flush_ = false;
  bool closing_ = false;
  std::shared_ptr<Session> flush_later_;  // this, while a flush is posted
  orbit_timer timer_ = 0;
  uint64_t last_frame_ns_ = 0;
  uint64_t last_call_ns_ = 0;
  uint64_t ping_sent_ns_ = 0;  // 0: none is on its way
  uint64_t last_peer_ping_ns_ = 0;
  uint32_t ping_strikes_ = 0;
};

}  // namespace orbit::grpc_wire
