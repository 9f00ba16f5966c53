// SPDX-License-Identifier: MIT OR BSD-3-Clause
// One connection: requests in, answers out, in order. All on the worker that owns it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "orbit/http/parser.hpp"
#include "orbit/http/server.hpp"

namespace orbit::http {

class Session final : public ConnectionHandler {
 public:
  // After an answer that ends the connection early, how long the client may go on sending before the socket closes:
  // closing at once would reset the connection and take the answer away from a client that still sends. Also how long a
  // WebSocket's client may take to answer a close frame.
  static constexpr uint64_t kLingerMs = 1000;

  Session(Connection connection, Server& server);
  ~Session() override;

  size_t received(Bytes data) override;
  void drained() override;
  void closed(Code why) override;

  void answer(Response response);
  void on_gone(std::function<void()> gone) { gone_ = std::move(gone); }
  void on_drained(std::function<void()> drained) { drained_ = std::move(drained); }
  void begin_stream(Response head);
  void write_stream(std::string_view data);
  void end_stream(bool whole);
  bool streams() const noexcept { return state_ == State::streaming; }
  bool upgrade(const Request& request, const std::function<std::unique_ptr<WebSocketHandler>(WebSocket)>& make);
  void send_frame(Opcode opcode, std::string_view payload);
  void send_close(CloseCode code, std::string_view reason);
  bool socket_is_open() const noexcept { return state_ == State::socket && !close_sent_; }
  size_t output_bytes() noexcept { return connection().output_bytes(); }

 private:
  struct Ticket;
  enum class State {
    reading,    // a request, or for one
    waiting,    // for an answer
    streaming,  // an answer
    socket,     // is a WebSocket
    lingering,  // whatever comes is thrown away until the timer closes
    closing,
  };

  std::shared_ptr<Session> self() { return std::static_pointer_cast<Session>(shared_from_this()); }
  size_t consume(Bytes data);
  size_t consume_frames(Bytes data);
  void take_frame(FrameReader::Event event);
  // Looks at the head. False: it was answered.
  bool judge_head();
  std::optional<Response> preflight(const Request& head) const;
  void dispatch();
  void send(Response response, bool ends);
  Framing framing_now(bool keep_alive) const;
  void add_cors(Response& response) const;
  void compress(Response& response) const;
  void after_answer(bool keep_alive, bool ends);
  void end_socket(CloseCode code);
  void watch_request(bool inside_request);
  void arm(uint64_t delay_ms);
  void disarm();
  void timer_fired();
  bool output_is_full() noexcept { return connection().output_bytes() > server_.options().listen.output_pause_bytes; }

  Server& server_;
  std::unique_ptr<Handler> handler_;
  RequestParser parser_;
  State state_ = State::reading;
  Framing framing_;          // of the current request
  bool gzip_ = false;        // it takes gzip
  bool judged_ = false;      // its head is
  bool in_received_ = false;
  bool in_body_ = false;     // the armed timer is for the body
  bool close_sent_ = false;
  std::string origin_;       // as Access-Control-Allow-Origin has it; empty: no CORS headers
  std::string out_;
  uint64_t request_began_ns_ = 0;
  Ticket* ticket_ = nullptr;
  orbit_timer timer_ = 0;
  std::function<void()> gone_;
  std::function<void()> drained_;
  std::unique_ptr<FrameReader> frames_;
  std::unique_ptr<WebSocketHandler> socket_;
};

}  // namespace orbit::http
