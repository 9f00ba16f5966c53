// SPDX-License-Identifier: MIT OR BSD-3-Clause
// An HTTP/1.1 server on orbit.net/1, as a protocol plugin uses it: this does HTTP, the plugin says what the answers are.
//
//   class Hello final : public orbit::http::Handler {
//     void handle(orbit::http::Request request, orbit::http::Responder responder) override {
//       responder.answer(orbit::http::json_response(200, "{}"));
//     }
//   };
//   struct Greeter final : orbit::http::Service {
//     std::unique_ptr<orbit::http::Handler> connected(orbit::Connection&) override { return std::make_unique<Hello>(); }
//   };
//   server_ = std::make_unique<orbit::http::Server>(host, options, greeter_);   // then server_->start()
//
// A connection's requests are answered in their order, one at a time. It keeps alive, takes pipelined requests, answers
// Expect, HEAD, CORS preflights and what is malformed or over a limit by itself, compresses, and ends who is too slow.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "message.hpp"
#include "orbit/ext/observe.h"
#include "orbit/ext/workers.h"
#include "orbit/net.hpp"
#include "response.hpp"
#include "websocket.hpp"

namespace orbit::http {

class Session;

// Which pages of other origins may ask (the Fetch standard). No origins: none, and no CORS header is sent.
struct Cors {
  std::vector<std::string> origins;  // "https://app.example", or "*" alone
  std::string methods = "GET, HEAD, POST, PUT, PATCH, DELETE";
  std::string request_headers = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match";
  std::string exposed_headers = "ETag, Location";
  uint32_t max_age_s = 600;

  // The value of Access-Control-Allow-Origin for a request from that origin; empty: it may not.
  std::string_view allowed(std::string_view origin) const noexcept;
};

struct ServerOptions {
  // Bounds on input and output are set by the server, from `limits`.
  ListenOptions listen;
  Limits limits;
  Cors cors;
  uint64_t idle_timeout_ms = 60'000;
  uint64_t header_timeout_ms = 10'000;   // from a request's first byte to the end of its head; more is 408
  uint64_t request_timeout_ms = 30'000;  // and to the end of its body
  uint64_t message_bytes_max = 1024 * 1024;  // of a WebSocket's message from the client
  size_t gzip_bytes_min = 1024;          // answers below are not compressed; 0: none is
  std::string name = "http";             // "admin API", for the log
  std::string metric;                    // prefix of metrics, "orbit_admin": orbit_admin_answers_total{status="2xx"}

  // From the settings that every plugin with this server has under the same names: listen, tls.*, connections_max, header_bytes_max,
  // body_bytes_max, idle_timeout_ms, request_timeout_ms.
  static ServerOptions from(const Config& config);
};

// The duty to answer one request, and the right to. Used on the connection's worker; may outlive the connection, and then
// what it is told goes nowhere. Destroyed without an answer it answers 500. It keeps the connection's handler alive: a handler that
// keeps it in itself lets go of it in on_gone, or neither ever goes.
class Responder {
 public:
  explicit Responder(std::shared_ptr<Session> session) noexcept : session_(std::move(session)) {}
  Responder(Responder&&) noexcept = default;
  Responder& operator=(Responder&&) noexcept = delete;
  ~Responder();

  void answer(Response response);
  // Runs once, when the client goes before it has the answer: the time to cancel what it asked for.
  void on_gone(std::function<void()> gone);
  // An answer whose body comes bit by bit; its `body` is the first bit.
  class Stream stream(Response head);
  // A WebSocket instead of an answer, or the refusal of the handshake; says whether it is there.
  bool upgrade(const Request& request, const std::function<std::unique_ptr<class WebSocketHandler>(class WebSocket)>& make);

 private:
  std::shared_ptr<Session> session_;
};

// The body of an answer that is being sent. Destroyed before end() it breaks the connection off, which tells the client
// that something is missing.
class Stream {
 public:
  explicit Stream(std::shared_ptr<Session> session) noexcept : session_(std::move(session)) {}
  Stream(Stream&&) noexcept = default;
  Stream& operator=(Stream&&) noexcept = delete;
  ~Stream();

  bool is_open() const noexcept;
  void write(std::string_view data);
  // Not sent yet. Who makes more than the client reads must stop, or end the stream, before ListenOptions.output_bytes_max.
  size_t output_bytes() const noexcept;
  void end();
  void on_gone(std::function<void()> gone);
  // Output that was over ServerOptions.listen.output_pause_bytes is below half of it.
  void on_drained(std::function<void()> drained);

 private:
  std::shared_ptr<Session> session_;
};

// Appends one event of text/event-stream (the HTML standard, section 9.2); empty id or name are left out.
void append_event(std::string& out, std::string_view id, std::string_view name, std::string_view data);

// The server's end of a WebSocket: copies freely, and does nothing once it is closed.
class WebSocket {
 public:
  explicit WebSocket(std::weak_ptr<Session> session) noexcept : session_(std::move(session)) {}
  void send(Opcode opcode, std::string_view payload);
  // Sends a close frame; the connection ends when the client answers it, or a second later.
  void close(CloseCode code, std::string_view reason);
  bool is_open() const noexcept;
  size_t output_bytes() const noexcept;

 private:
  std::weak_ptr<Session> session_;
};

class WebSocketHandler {
 public:
  virtual ~WebSocketHandler() = default;
  virtual void message(bool text, std::string payload) = 0;
  virtual void drained() {}
  // Last call, whoever ended it; abnormal without a close frame.
  virtual void closed(CloseCode code) { static_cast<void>(code); }
};

// What a plugin makes of the requests of one connection.
class Handler {
 public:
  virtual ~Handler() = default;
  // A head has come, its body perhaps not. A response refuses it, and the body is not read. [worker]
  virtual std::optional<Response> admit(const Request& head) { return static_cast<void>(head), std::nullopt; }
  // The whole request; answer now or later. The next request of this connection comes after the answer. [worker]
  virtual void handle(Request request, Responder responder) = 0;
};

class Service {
 public:
  virtual ~Service() = default;
  // [any worker]
  virtual std::unique_ptr<Handler> connected(Connection& connection) = 0;
};

// A listener and what its connections share.
class Server {
 public:
  // `service` must live until the node has stopped.
  Server(Host host, ServerOptions options, Service& service);

  Result<> start();
  // Accepts no more; connections close after the answer they wait for.
  void stop() noexcept;
  std::string_view address() const noexcept { return listener_.address(); }
  // "https://127.0.0.1:8080"
  std::string url() const;

  Host host() const noexcept { return host_; }
  Service& service() const noexcept { return service_; }
  const orbit_workers_v1& workers() const noexcept { return *workers_; }
  const ServerOptions& options() const noexcept { return options_; }
  bool stopping() const noexcept { return stopping_.load(std::memory_order_relaxed); }
  void count_answer(int status) const noexcept;

 private:
  Host host_;
  ServerOptions options_;
  Service& service_;
  const orbit_workers_v1* workers_;
  const orbit_metrics_v1* metrics_;
  std::array<orbit_counter*, 6> answers_{};  // by first digit of the status
  Listener listener_;
  std::atomic<bool> stopping_{false};
};

}  // namespace orbit::http
