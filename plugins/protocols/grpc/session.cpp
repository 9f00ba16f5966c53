// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "session.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

namespace orbit::grpc_wire {

namespace {

// How much a peer may send ahead: of one RPC that is not read, and on the connection. The latter is given back as soon
// as it is here, so that one RPC that is not read does not hold up the others.
constexpr uint32_t kStreamWindowBytes = 256 * 1024;
constexpr int32_t kConnectionWindowBytes = 4 * 1024 * 1024;
// A peer that has not said a word of HTTP/2 by then has come to the wrong door, or wants to keep it open.
constexpr uint64_t kGreetingMs = 10'000;
// As gRPC's own servers: so many pings that come too early are forgiven.
constexpr uint32_t kPingStrikesMax = 2;
constexpr uint8_t kAlivePing[8] = {'a', 'l', 'i', 'v', 'e'};
constexpr uint8_t kDrainPing[8] = {'d', 'r', 'a', 'i', 'n'};
constexpr uint64_t kNsPerMs = 1'000'000;

std::string_view view(const uint8_t* data, size_t size) noexcept { return {reinterpret_cast<const char*>(data), size}; }

}  // namespace

// What nghttp2 calls.
struct Session::Callbacks {
  static Session& session(void* user_data) noexcept { return *static_cast<Session*>(user_data); }
  static Call* call(nghttp2_session* http2, int32_t stream) noexcept {
    return static_cast<Call*>(nghttp2_session_get_stream_user_data(http2, stream));
  }
  static bool is_request(const nghttp2_frame* frame) noexcept {
    return frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
  }

  static int begin_headers(nghttp2_session* http2, const nghttp2_frame* frame, void* user_data) {
    if (!is_request(frame)) return 0;
    Session& self = session(user_data);
    auto* const made = new Call(self, frame->hd.stream_id);
    made->next_ = self.calls_;
    if (self.calls_ != nullptr) self.calls_->previous_ = made;
    self.calls_ = made;
    ++self.open_calls_;
    self.ping_strikes_ = 0;
    nghttp2_session_set_stream_user_data(http2, frame->hd.stream_id, made);
    return 0;
  }

  static int header(nghttp2_session* http2, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                    const uint8_t* value, size_t value_size, uint8_t, void*) {
    if (!is_request(frame)) return 0;
    if (Call* const one = call(http2, frame->hd.stream_id)) one->field(view(name, name_size), view(value, value_size));
    return 0;
  }

  static int frame_received(nghttp2_session* http2, const nghttp2_frame* frame, void* user_data) {
    Session& self = session(user_data);
    self.frame_seen_ = true;
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
      case NGHTTP2_DATA: {
        Call* const one = call(http2, frame->hd.stream_id);
        if (one == nullptr) return 0;
        if (is_request(frame)) one->begin();
        if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) one->half_closed();
        return 0;
      }
      case NGHTTP2_PING:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0)
          self.ping_received();
        else
          self.ping_answered(std::memcmp(frame->ping.opaque_data, kDrainPing, sizeof kDrainPing) == 0);
        return 0;
      default:
        return 0;
    }
  }

  static int data(nghttp2_session* http2, uint8_t, int32_t stream, const uint8_t* bytes, size_t size, void*) {
    nghttp2_session_consume_connection(http2, size);
    if (Call* const one = call(http2, stream)) one->received(view(bytes, size));
    return 0;
  }

  static int stream_closed(nghttp2_session* http2, int32_t stream, uint32_t, void* user_data) {
    Call* const one = call(http2, stream);
    if (one == nullptr) return 0;
    nghttp2_session_set_stream_user_data(http2, stream, nullptr);
    session(user_data).ended(*one);
    return 0;
  }

  // Who was answered before it has sent all is told that the rest is not wanted (RFC 9113 section 8.1).
  static int frame_sent(nghttp2_session* http2, const nghttp2_frame* frame, void*) {
    const bool ends = (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
                      (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (ends && nghttp2_session_get_stream_remote_close(http2, frame->hd.stream_id) == 0)
      nghttp2_submit_rst_stream(http2, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
    return 0;
  }

  // Made once; nghttp2 copies it into every session.
  static const nghttp2_session_callbacks* table() {
    static const nghttp2_session_callbacks* const made = [] {
      nghttp2_session_callbacks* out = nullptr;
      if (nghttp2_session_callbacks_new(&out) != 0) throw std::bad_alloc();
      nghttp2_session_callbacks_set_on_begin_headers_callback(out, &begin_headers);
      nghttp2_session_callbacks_set_on_header_callback(out, &header);
      nghttp2_session_callbacks_set_on_frame_recv_callback(out, &frame_received);
      nghttp2_session_callbacks_set_on_data_chunk_recv_callback(out, &data);
      nghttp2_session_callbacks_set_on_stream_close_callback(out, &stream_closed);
      nghttp2_session_callbacks_set_on_frame_send_callback(out, &frame_sent);
      return out;
    }();
    return made;
  }
  static const nghttp2_option* options() {
    static const nghttp2_option* const made = [] {
      nghttp2_option* out = nullptr;
      if (nghttp2_option_new(&out) != 0) throw std::bad_alloc();
      nghttp2_option_set_no_auto_window_update(out, 1);
      return out;
    }();
    return made;
  }
};

Session::Session(Connection its_connection, Server& server)
    : ConnectionHandler(std::move(its_connection)), server_(server) {
  if (nghttp2_session_server_new2(&http2_, Callbacks::table(), this, Callbacks::options()) != 0) throw std::bad_alloc();
  const ServerOptions& options = server.options();
  const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, options.connection_calls_max},
                                             {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindowBytes},
                                             {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, options.metadata_bytes_max},
                                             {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1}};
  nghttp2_submit_settings(http2_, NGHTTP2_FLAG_NONE, settings, std::size(settings));
  nghttp2_session_set_local_window_size(http2_, NGHTTP2_FLAG_NONE, 0, kConnectionWindowBytes);
  last_frame_ns_ = last_call_ns_ = server.monotonic_ns();
  server.joined(this);
  flush();
  arm();
  if (server.wire().draining()) drain();
}

Session::~Session() { nghttp2_session_del(http2_); }

void Session::closed(Code) {
  closing_ = true;
  if (timer_ != 0) server_.wire().workers.cancel(server_.wire().host.raw(), std::exchange(timer_, 0));
  while (calls_ != nullptr) {
    Call& call = *calls_;
    nghttp2_session_set_stream_user_data(http2_, call.stream_, nullptr);
    ended(call);
  }
  server_.left(this);
}

size_t Session::received(Bytes data) {
  if (closing_) return data.size();
  in_received_ = true;
  const ssize_t taken = nghttp2_session_mem_recv(http2_, reinterpret_cast<const uint8_t*>(data.data()), data.size());
  in_received_ = false;
  if (std::exchange(frame_seen_, false)) {
    greeted_ = true;
    last_frame_ns_ = server_.monotonic_ns();
  }
  flush();
  if (taken >= 0) return data.size();
  // No HTTP/2, or more of its frames than anybody needs.
  closing_ = true;
  connection().close();
  return data.size();
}

void Session::flush_soon() {
  if (in_received_ || flushing_ || flush_later_ != nullptr || closing_) return;
  flush_later_ = self();
  server_.wire().workers.post(
      server_.wire().host.raw(), server_.wire().workers.current(server_.wire().host.raw()),
      [](void* ctx) {
        const std::shared_ptr<Session> session = std::move(static_cast<Session*>(ctx)->flush_later_);
        session->flush();
      },
      this);
}

void Session::flush() {
  if (closing_ || flushing_ || !connection().is_open()) return;
  flushing_ = true;
  do {
    while (connection().output_bytes() < server_.options().listen.output_pause_bytes) {
      const uint8_t* data = nullptr;
      const ssize_t size = nghttp2_session_mem_send(http2_, &data);
      if (size <= 0) break;
      connection().write(view(data, static_cast<size_t>(size)));
    }
  } while (tell_sent());
  flushing_ = false;
  if (nghttp2_session_want_read(http2_) == 0 && nghttp2_session_want_write(http2_) == 0) {
    closing_ = true;
    return connection().close();
  }
  end_if_drained();
}

bool Session::tell_sent() {
  if (sent_streams_.empty()) return false;
  std::vector<int32_t> streams;
  streams.swap(sent_streams_);
  for (const int32_t stream : streams)
    if (Call* const call = Callbacks::call(http2_, stream)) call->tell_sent();
  return true;
}

void Session::ended(Call& call) {
  if (call.next_ != nullptr) call.next_->previous_ = call.previous_;
  (call.previous_ != nullptr ? call.previous_->next_ : calls_) = call.next_;
  if (--open_calls_ == 0) last_call_ns_ = last_frame_ns_;
  call.over();
}

// ---- pings and time -----------------------------------------------------------------------------------------------

void Session::close_with(uint32_t error_code, std::string_view why) {
  nghttp2_submit_goaway(http2_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(http2_), error_code,
                        reinterpret_cast<const uint8_t*>(why.data()), why.size());
  flush_soon();
  close_after_flush_ = true;
}

void Session::ping_received() {
  const uint64_t min_ns = server_.options().keepalive_min_interval_ms * kNsPerMs;
  if (min_ns == 0 || open_calls_ != 0) return;
  const uint64_t now_ns = server_.monotonic_ns();
  const bool early = last_peer_ping_ns_ != 0 && now_ns - last_peer_ping_ns_ < min_ns;
  last_peer_ping_ns_ = now_ns;
  if (early && ++ping_strikes_ > kPingStrikesMax) close_with(NGHTTP2_ENHANCE_YOUR_CALM, "too_many_pings");
}

void Session::ping_answered(bool of_drain) {
  ping_sent_ns_ = 0;
  if (!of_drain) return;
  // What the peer had sent before it knew is here now, and was refused.
  drain_answered_ = true;
  nghttp2_submit_goaway(http2_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(http2_), NGHTTP2_NO_ERROR,
                        nullptr, 0);
  flush_soon();
}

void Session::arm() {
  const ServerOptions& options = server_.options();
  uint64_t due_ns = !greeted_            ? last_frame_ns_ + kGreetingMs * kNsPerMs
                    : ping_sent_ns_ != 0 ? ping_sent_ns_ + options.keepalive_timeout_ms * kNsPerMs
                                         : last_frame_ns_ + options.keepalive_time_ms * kNsPerMs;
  if (options.idle_timeout_ms != 0 && open_calls_ == 0)
    due_ns = std::min(due_ns, last_call_ns_ + options.idle_timeout_ms * kNsPerMs);
  const uint64_t now_ns = server_.monotonic_ns();
  const uint64_t left_ms = due_ns > now_ns ? (due_ns - now_ns) / kNsPerMs + 1 : 1;
  timer_ = server_.wire().workers.after(
      server_.wire().host.raw(), left_ms,
      [](void* ctx) {
        auto* const self = static_cast<Session*>(ctx);
        self->timer_ = 0;
        self->tick();
      },
      this);
}

void Session::tick() {
  const ServerOptions& options = server_.options();
  const uint64_t now_ns = server_.monotonic_ns();
  const auto passed = [now_ns](uint64_t since_ns, uint64_t ms) { return now_ns >= since_ns + ms * kNsPerMs; };
  if (!greeted_ ? passed(last_frame_ns_, kGreetingMs)
                : ping_sent_ns_ != 0 && passed(ping_sent_ns_, options.keepalive_timeout_ms)) {
    closing_ = true;
    return connection().close();
  }
  if (options.idle_timeout_ms != 0 && open_calls_ == 0 && passed(last_call_ns_, options.idle_timeout_ms)) {
    close_with(NGHTTP2_NO_ERROR, "idle");
  } else if (greeted_ && ping_sent_ns_ == 0 && passed(last_frame_ns_, options.keepalive_time_ms)) {
    // Whole frames count: bytes that trickle in do not.
    ping_sent_ns_ = now_ns;
    nghttp2_submit_ping(http2_, NGHTTP2_FLAG_NONE, kAlivePing);
    flush_soon();
  }
  arm();
}

// ---- the node stops -----------------------------------------------------------------------------------------------

void Session::drain() {
  if (closing_ || std::exchange(draining_, true)) return;
  if (!greeted_) {
    // Nobody to tell.
    closing_ = true;
    return connection().close();
  }
  nghttp2_submit_shutdown_notice(http2_);
  nghttp2_submit_ping(http2_, NGHTTP2_FLAG_NONE, kDrainPing);
  for (Call* call = calls_; call != nullptr; call = call->next_) call->drain();
  flush();
}

void Session::cut() {
  if (closing_) return;
  for (Call* call = calls_; call != nullptr; call = call->next_) call->cut();
  flush();
  closing_ = true;
  connection().close();
}

void Session::end_if_drained() {
  if (closing_ || !((draining_ && drain_answered_ && open_calls_ == 0) || close_after_flush_)) return;
  closing_ = true;
  connection().close();
}

}  // namespace orbit::grpc_wire
