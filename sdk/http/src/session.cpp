// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "session.hpp"

#include <algorithm>
#include <cstdio>
#include <exception>

namespace orbit::http {

// What a timer points to. It may fire after the session is gone, and belongs to the timer from then on.
struct Session::Ticket {
  std::weak_ptr<ConnectionHandler> session;

  static void fired(void* ctx) {
    const std::unique_ptr<Ticket> ticket(static_cast<Ticket*>(ctx));
    const auto locked = ticket->session.lock();
    if (!locked) return;
    auto& session = static_cast<Session&>(*locked);
    if (session.ticket_ != ticket.get()) return;
    session.ticket_ = nullptr;
    session.timer_fired();
  }
};

Session::Session(Connection connection, Server& server)
    : ConnectionHandler(std::move(connection)),
      server_(server),
      handler_(server.service().connected(this->connection())),
      parser_(server.options().limits) {}

Session::~Session() = default;

// ---- requests -----------------------------------------------------------------------------------------------------

size_t Session::received(Bytes data) {
  if (state_ == State::lingering || state_ == State::closing) return data.size();
  if (state_ == State::socket) return consume_frames(data);
  in_received_ = true;
  size_t consumed = 0;
  try {
    if (state_ == State::reading) consumed = consume(data);
  } catch (...) {
    in_received_ = false;
    throw;
  }
  in_received_ = false;
  if (state_ == State::lingering || state_ == State::closing) return data.size();
  if (state_ == State::socket) return consumed + consume_frames(data.substr(consumed));
  watch_request(parser_.stage() == RequestParser::Stage::body || consumed < data.size());
  if (state_ == State::waiting) {
    // Without a byte that waits, reading goes on, so that the client's leaving is seen.
    if (consumed < data.size()) connection().pause();
    // The idle timeout is for a silent client, not for a long call.
    connection().set_idle_timeout(0);
  }
  return consumed;
}

size_t Session::consume(Bytes data) {
  size_t consumed = 0;
  while (state_ == State::reading && !output_is_full()) {
    const auto before = parser_.stage();
    const size_t taken = parser_.feed(data.substr(consumed));
    consumed += taken;
    const auto stage = parser_.stage();
    if (stage == RequestParser::Stage::failed) {
      const ParseFailure& failure = parser_.failure();
      const Code code = failure.status == 400                            ? Code::invalid_argument
                        : failure.status == 505 || failure.status == 501 ? Code::unimplemented
                                                                         : Code::resource_exhausted;
      framing_ = {};
      gzip_ = false;
      origin_.clear();
      send(problem(failure.status, code, failure.detail, {}), true);
      break;
    }
    if (!judged_ && stage != RequestParser::Stage::head) {
      if (!judge_head()) continue;
      if (stage == RequestParser::Stage::body && parser_.head().expects_continue && consumed == data.size())
        connection().write("HTTP/1.1 100 Continue\r\n\r\n");
    }
    if (stage == RequestParser::Stage::complete)
      dispatch();
    else if (taken == 0 && stage == before)
      break;
  }
  return consumed;
}

bool Session::judge_head() {
  judged_ = true;
  const Request& head = parser_.head();
  framing_ = {};
  framing_.head_only = head.method == "HEAD";
  framing_.keep_alive = head.keep_alive;
  framing_.version = head.version;
  gzip_ = server_.options().gzip_bytes_min != 0 && accepts_gzip(head.header("accept-encoding"));
  origin_.clear();
  if (!server_.options().cors.origins.empty())
    if (const std::string_view origin = head.header("origin"); !origin.empty())
      origin_ = server_.options().cors.allowed(origin);
  auto refusal = preflight(head);
  if (!refusal) refusal = handler_->admit(head);
  if (!refusal) return true;
  // What follows may be a body that nobody reads: such a connection does not go on.
  send(std::move(*refusal), head.has_body);
  return false;
}

std::optional<Response> Session::preflight(const Request& head) const {
  if (origin_.empty() || head.method != "OPTIONS" || !head.has_header("access-control-request-method")) return std::nullopt;
  const Cors& cors = server_.options().cors;
  Response response{204, {}, {}, {}};
  response.headers.emplace_back("Access-Control-Allow-Methods", cors.methods);
  response.headers.emplace_back("Access-Control-Allow-Headers", cors.request_headers);
  response.headers.emplace_back("Access-Control-Max-Age", std::to_string(cors.max_age_s));
  return response;
}

void Session::dispatch() {
  disarm();
  state_ = State::waiting;
  Request request = parser_.take();
  try {
    handler_->handle(std::move(request), Responder(self()));
  } catch (const std::exception& e) {
    // The responder has answered when it was unwound; what happened is for the operator.
    server_.host().error(server_.options().name + ": a request failed: " + e.what());
  }
}

// ---- answers ------------------------------------------------------------------------------------------------------

void Session::answer(Response response) {
  if (state_ != State::waiting || !connection().is_open()) return;
  gone_ = nullptr;
  state_ = State::reading;
  send(std::move(response), false);
  if (in_received_) return;
  connection().set_idle_timeout(server_.options().idle_timeout_ms);
  if (state_ == State::reading) connection().resume();
}

Framing Session::framing_now(bool keep_alive) const {
  Framing framing = framing_;
  framing.keep_alive = keep_alive;
  framing.unix_ms = server_.workers().unix_ms(server_.host().raw());
  return framing;
}

void Session::add_cors(Response& response) const {
  if (server_.options().cors.origins.empty()) return;
  if (origin_ != "*") response.headers.emplace_back("Vary", "Origin");
  if (origin_.empty()) return;
  response.headers.emplace_back("Access-Control-Allow-Origin", origin_);
  response.headers.emplace_back("Access-Control-Expose-Headers", server_.options().cors.exposed_headers);
}

void Session::compress(Response& response) const {
  if (!gzip_ || response.body.size() < server_.options().gzip_bytes_min || !is_compressible(response.content_type)) return;
  for (const auto& [name, value] : response.headers)
    if (equal_ignoring_case(name, "content-encoding")) return;
  auto packed = gzip(response.body);
  if (!packed) return;
  response.body = std::move(*packed);
  response.headers.emplace_back("Content-Encoding", "gzip");
  response.headers.emplace_back("Vary", "Accept-Encoding");
}

void Session::send(Response response, bool ends) {
  disarm();
  judged_ = false;
  const bool keep_alive = framing_.keep_alive && !ends && !server_.stopping();
  if (parser_.stage() == RequestParser::Stage::complete) parser_.take();
  add_cors(response);
  compress(response);
  constexpr size_t kKept = 64 * 1024;
  out_.clear();
  serialize(out_, response, framing_now(keep_alive));
  connection().write(out_);
  if (out_.capacity() > kKept) std::string().swap(out_);
  server_.count_answer(response.status);
  after_answer(keep_alive, ends);
}

void Session::after_answer(bool keep_alive, bool ends) {
  if (keep_alive) return;
  if (ends) {
    state_ = State::lingering;
    arm(kLingerMs);
  } else {
    state_ = State::closing;
    connection().close();
  }
}

void Session::begin_stream(Response head) {
  if (state_ != State::waiting || !connection().is_open()) return;
  gone_ = nullptr;
  judged_ = false;
  state_ = State::streaming;
  connection().set_idle_timeout(0);
  add_cors(head);
  Framing framing = framing_now(framing_.keep_alive && framing_.version >= 11 && !server_.stopping());
  framing.chunked = framing.version >= 11;
  framing.until_close = !framing.chunked;
  framing_.keep_alive = framing.keep_alive;
  connection().write(serialize(head, framing));
  server_.count_answer(head.status);
  if (!head.body.empty()) write_stream(head.body);
  if (!in_received_) connection().resume();
}

void Session::write_stream(std::string_view data) {
  if (state_ != State::streaming || framing_.head_only || data.empty()) return;
  if (framing_.version < 11) return connection().write(data);
  char size[24];
  const int length = std::snprintf(size, sizeof size, "%zx\r\n", data.size());
  connection().write({size, static_cast<size_t>(length)});
  connection().write(data);
  connection().write("\r\n");
}

void Session::end_stream(bool whole) {
  if (state_ != State::streaming || !connection().is_open()) return;
  gone_ = nullptr;
  drained_ = nullptr;
  const bool keep_alive = framing_.keep_alive && whole && !server_.stopping();
  if (whole && framing_.version >= 11 && !framing_.head_only) connection().write("0\r\n\r\n");
  state_ = State::reading;
  after_answer(keep_alive, false);
  if (state_ != State::reading || in_received_) return;
  connection().set_idle_timeout(server_.options().idle_timeout_ms);
  connection().resume();
}

void Session::drained() {
  if (drained_) drained_();
  if (socket_) socket_->drained();
  connection().resume();
}

void Session::closed(Code) {
  disarm();
  const auto keep = self();
  state_ = State::closing;
  drained_ = nullptr;
  if (auto gone = std::exchange(gone_, nullptr)) gone();
  if (auto socket = std::move(socket_)) socket->closed(CloseCode::abnormal);
}

// ---- WebSocket ----------------------------------------------------------------------------------------------------

bool Session::upgrade(const Request& request, const std::function<std::unique_ptr<WebSocketHandler>(WebSocket)>& make) {
  if (state_ != State::waiting || !connection().is_open()) return false;
  Response response = websocket_handshake(request);
  if (response.status != 101) {
    answer(std::move(response));
    return false;
  }
  gone_ = nullptr;
  judged_ = false;
  connection().write(serialize(response, framing_now(true)));
  server_.count_answer(response.status);
  connection().set_idle_timeout(0);
  state_ = State::socket;
  frames_ = std::make_unique<FrameReader>(server_.options().message_bytes_max);
  socket_ = make(WebSocket(std::static_pointer_cast<Session>(shared_from_this())));
  if (!in_received_) connection().resume();
  return true;
}

size_t Session::consume_frames(Bytes data) {
  size_t consumed = 0;
  while (state_ == State::socket && !output_is_full()) {
    FrameReader::Event event;
    const size_t taken = frames_->next(data.substr(consumed), event);
    consumed += taken;
    if (event.kind == FrameReader::Kind::none) {
      if (taken == 0 || consumed == data.size()) break;
      continue;
    }
    take_frame(std::move(event));
  }
  return state_ == State::socket ? consumed : data.size();
}

void Session::take_frame(FrameReader::Event event) {
  switch (event.kind) {
    case FrameReader::Kind::message:
      if (!close_sent_ && socket_) socket_->message(event.text, std::move(event.payload));
      return;
    case FrameReader::Kind::ping:
      return send_frame(Opcode::pong, event.payload);
    case FrameReader::Kind::close:
      send_close(event.code, event.payload);
      return end_socket(event.code);
    case FrameReader::Kind::failed:
      send_close(event.code, event.payload);
      return end_socket(event.code);
    case FrameReader::Kind::pong:
    case FrameReader::Kind::none:
      return;
  }
}

void Session::send_frame(Opcode opcode, std::string_view payload) {
  if (!socket_is_open()) return;
  out_.clear();
  append_frame(out_, opcode, payload);
  connection().write(out_);
}

void Session::send_close(CloseCode code, std::string_view reason) {
  if (!socket_is_open()) return;
  std::string frame;
  append_close(frame, code, reason);
  connection().write(frame);
  close_sent_ = true;
  arm(kLingerMs);
}

void Session::end_socket(CloseCode code) {
  disarm();
  state_ = State::closing;
  connection().close();
  if (auto socket = std::move(socket_)) socket->closed(code);
}

// ---- time ---------------------------------------------------------------------------------------------------------

// Bytes that trickle in do not buy time: each timer runs from the request's first byte.
void Session::watch_request(bool inside_request) {
  if (state_ != State::reading || !inside_request || output_is_full()) return disarm();
  const ServerOptions& options = server_.options();
  const bool body = parser_.stage() == RequestParser::Stage::body;
  if (ticket_ != nullptr && in_body_ == body) return;
  const uint64_t now = server_.workers().monotonic_ns(server_.host().raw());
  if (ticket_ == nullptr) request_began_ns_ = now;
  disarm();
  in_body_ = body;
  const uint64_t bound = body ? options.request_timeout_ms : std::min(options.header_timeout_ms, options.request_timeout_ms);
  const uint64_t passed = (now - request_began_ns_) / 1'000'000;
  arm(bound > passed ? bound - passed : 1);
}

void Session::arm(uint64_t delay_ms) {
  disarm();
  auto ticket = std::make_unique<Ticket>(Ticket{weak_from_this()});
  ticket_ = ticket.get();
  timer_ = server_.workers().after(server_.host().raw(), delay_ms, &Ticket::fired, ticket.release());
}

void Session::disarm() {
  Ticket* const ticket = std::exchange(ticket_, nullptr);
  if (ticket != nullptr && server_.workers().cancel(server_.host().raw(), timer_) != 0) delete ticket;
}

void Session::timer_fired() {
  if (!connection().is_open() || state_ == State::closing) return;
  if (state_ == State::socket) return end_socket(CloseCode::abnormal);
  if (state_ == State::lingering) {
    state_ = State::closing;
    return connection().close();
  }
  const ServerOptions& options = server_.options();
  const bool head = !in_body_ && options.header_timeout_ms < options.request_timeout_ms;
  framing_ = {};
  origin_.clear();
  send(problem(408, Code::deadline_exceeded,
               head ? "the request's head was not complete after header_timeout_ms, " + std::to_string(options.header_timeout_ms)
                    : "the request was not complete after request_timeout_ms, " + std::to_string(options.request_timeout_ms),
               {}),
       true);
}

// ---- the handles --------------------------------------------------------------------------------------------------

Responder::~Responder() {
  if (session_) answer(problem(500, Code::internal, "the request ended without an answer", {}));
}
void Responder::answer(Response response) {
  if (const auto session = std::exchange(session_, nullptr)) session->answer(std::move(response));
}
void Responder::on_gone(std::function<void()> gone) {
  if (session_) session_->on_gone(std::move(gone));
}
Stream Responder::stream(Response head) {
  auto session = std::exchange(session_, nullptr);
  if (session) session->begin_stream(std::move(head));
  return Stream(std::move(session));
}
bool Responder::upgrade(const Request& request,
                        const std::function<std::unique_ptr<WebSocketHandler>(WebSocket)>& make) {
  const auto session = std::exchange(session_, nullptr);
  return session && session->upgrade(request, make);
}

Stream::~Stream() {
  if (session_) session_->end_stream(false);
}
bool Stream::is_open() const noexcept { return session_ && session_->streams(); }
void Stream::write(std::string_view data) {
  if (session_) session_->write_stream(data);
}
size_t Stream::output_bytes() const noexcept { return session_ ? session_->output_bytes() : 0; }
void Stream::end() {
  if (const auto session = std::exchange(session_, nullptr)) session->end_stream(true);
}
void Stream::on_gone(std::function<void()> gone) {
  if (session_) session_->on_gone(std::move(gone));
}
void Stream::on_drained(std::function<void()> drained) {
  if (session_) session_->on_drained(std::move(drained));
}

void WebSocket::send(Opcode opcode, std::string_view payload) {
  if (const auto session = session_.lock()) session->send_frame(opcode, payload);
}
void WebSocket::close(CloseCode code, std::string_view reason) {
  if (const auto session = session_.lock()) session->send_close(code, reason);
}
bool WebSocket::is_open() const noexcept {
  const auto session = session_.lock();
  return session && session->socket_is_open();
}
size_t WebSocket::output_bytes() const noexcept {
  const auto session = session_.lock();
  return session ? session->output_bytes() : 0;
}

}  // namespace orbit::http
