// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The C++ face of orbit.net/1 (orbit/ext/net.h): what a protocol plugin is written as.
//
//   class Session final : public orbit::ConnectionHandler {
//    public:
//     Session(orbit::Connection connection, Server& server) : ConnectionHandler(std::move(connection)), server_(server)
//     {} size_t received(orbit::Bytes data) override { connection().write(data); return data.size(); }
//     ...
//   };
//
//   orbit::Result<> Echo::start() {   // of the plugin; kInfo.needs has ORBIT_NET_V1
//     auto listener = orbit::listen<Session>(host_, {.address = "127.0.0.1:7007"}, server_);
//     if (!listener) return tl::unexpected<orbit::Error>(listener.error());
//     listener_ = std::move(*listener);
//     return {};
//   }
//   void Echo::stop() noexcept { listener_.stop(); }
//
// One handler is made per connection. All its functions run on the worker that owns the connection, one at a time, so
// it needs no lock; what handlers share is used by several workers at once.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "ext/net.h"
#include "plugin.hpp"
#include "result.hpp"
#include "tls.hpp"

namespace orbit {

// The bounds of a listener and of each of its connections.
struct ListenOptions {
  std::string address;               // "127.0.0.1:7007", "[::1]:0"; port 0 takes a free one
  uint32_t connections_max = 0;      // 0: the node's limit
  std::string too_many_connections;  // sent to who comes when connections_max is reached, before that is closed
  uint64_t idle_timeout_ms = 0;      // 0: never; no byte in either direction for so long closes the connection
  // Most bytes that received() leaves unconsumed; more closes the connection. Must have room for the largest request
  // and for what one read may bring behind it.
  uint64_t input_bytes_max = 1024 * 1024;
  uint64_t output_bytes_max = 64 * 1024 * 1024;  // most bytes waiting to be sent; more closes the connection
  uint64_t output_pause_bytes = 256 * 1024;      // above it received() is not called until half of it is left
  TlsSettings tls;                // of the plugin's configuration, see orbit/tls.hpp; as made: plain TCP
  std::vector<const char*> alpn;  // protocols to agree on in TLS, the preferred one first; empty: none
  bool guarded = false;           // the codec asks every client for credentials of its own, see ORBIT_LISTEN_GUARDED
};

// One connection, while it is there. The kernel owns the socket; this borrows it, can be moved and not copied, and lets
// go of it when the connection closes: from then on is_open() is false, writing and the like do nothing, and questions
// answer nothing. [worker]
class Connection {
 public:
  Connection(const orbit_net_v1* net, orbit_connection* raw) noexcept : net_(net), raw_(raw) {}
  Connection(Connection&& other) noexcept : net_(other.net_), raw_(std::exchange(other.raw_, nullptr)) {}
  Connection& operator=(Connection&& other) noexcept {
    net_ = other.net_;
    raw_ = std::exchange(other.raw_, nullptr);
    return *this;
  }

  bool is_open() const noexcept { return raw_ != nullptr; }

  // Copies to the output, which is sent at the end of the worker's step at the latest.
  void write(Bytes data) noexcept {
    if (raw_ != nullptr) net_->write(raw_, data.data(), data.size());
  }
  // Bytes not sent yet. Above output_pause_bytes consume no more: received() comes again when there is room.
  size_t output_bytes() const noexcept { return raw_ != nullptr ? net_->output_bytes(raw_) : 0; }
  // No received() until resume(), for who waits for an answer. resume() is for later: inside received(), go on instead.
  void pause() noexcept {
    if (raw_ != nullptr) net_->pause(raw_);
  }
  void resume() noexcept {
    if (raw_ != nullptr) net_->resume(raw_);
  }
  // Closes when the output is sent. closed() follows, never from inside this call.
  void close() noexcept {
    if (raw_ != nullptr) net_->close(raw_);
  }
  // Changes the idle timeout of this connection; 0: never.
  void set_idle_timeout(uint64_t idle_timeout_ms) noexcept {
    if (raw_ != nullptr) net_->set_idle_timeout(raw_, idle_timeout_ms);
  }
  // "127.0.0.1:49152"
  std::string peer_address() const { return address(&orbit_net_v1::peer_address); }
  std::string local_address() const { return address(&orbit_net_v1::local_address); }
  // What TLS agreed on, and the client's certificate; false: plain TCP, or closed. Borrowed as long as it is open.
  bool tls(orbit_tls_info& out) const noexcept {
    out = {};
    out.struct_size = sizeof out;
    return raw_ != nullptr && net_->struct_size > offsetof(orbit_net_v1, tls) && net_->tls(raw_, &out) != 0;
  }
  // Unique in the node since its start; 0 when closed.
  uint64_t id() const noexcept { return raw_ != nullptr ? net_->id(raw_) : 0; }

 private:
  std::string address(void (*orbit_net_v1::*which)(orbit_connection*, char*, size_t)) const {
    char buffer[128] = "";
    if (raw_ != nullptr) (net_->*which)(raw_, buffer, sizeof buffer);
    return buffer;
  }

  const orbit_net_v1* net_;
  orbit_connection* raw_;
};

namespace detail {
template <class Handler, class... Shared>
struct ListenState;
}

// What a protocol does with one connection; derive, and take a Connection as first argument of the constructor. An
// exception out of any of these functions, or of the constructor, is logged and closes the connection.
//
// Always held by a std::shared_ptr. Who waits for something gives it `weak_from_this()`: when the connection has closed
// meanwhile, lock() answers null, or, if someone held it longer, connection().is_open() is false.
class ConnectionHandler : public std::enable_shared_from_this<ConnectionHandler> {
 public:
  explicit ConnectionHandler(Connection connection) noexcept : connection_(std::move(connection)) {}
  ConnectionHandler(const ConnectionHandler&) = delete;
  ConnectionHandler& operator=(const ConnectionHandler&) = delete;
  virtual ~ConnectionHandler() = default;

  // Bytes that were received and not consumed yet. Returns how many are consumed now; the rest is kept, and comes again
  // with more, after resume(), or when output that was over the limit is sent. [worker]
  virtual size_t received(Bytes data) = 0;
  // Output that was over output_pause_bytes fell below half of it; received() goes on by itself. [worker]
  virtual void drained() {}
  // The connection is gone, whoever closed it. ok: closed by plugin or peer; deadline_exceeded: idle;
  // resource_exhausted: a limit; unavailable: an I/O error, or the node stops. Last call; connection() is not open any
  // more. [worker]
  virtual void closed(Code why) { static_cast<void>(why); }

 protected:
  Connection& connection() noexcept { return connection_; }

 private:
  template <class Handler, class... Shared>
  friend struct detail::ListenState;

  Connection connection_;
};

namespace detail {

struct ListenStateBase {
  ListenStateBase* next = nullptr;
  virtual ~ListenStateBase() = default;
};

// States that are let go of but never freed: connections of theirs may be open. Reachable, for leak checkers.
inline std::atomic<ListenStateBase*> kept_states{nullptr};

inline void keep(ListenStateBase* state) noexcept {
  state->next = kept_states.load(std::memory_order_relaxed);
  while (!kept_states.compare_exchange_weak(state->next, state, std::memory_order_release)) {
  }
}

// What the kernel calls; one per listener.
template <class Handler, class... Shared>
struct ListenState final : ListenStateBase {
  struct Context {
    ListenState* listener;
    std::shared_ptr<ConnectionHandler> handler;
  };

  Host host;
  const orbit_net_v1* net;
  std::tuple<Shared&...> shared;

  ListenState(Host h, const orbit_net_v1* n, Shared&... s) : host(h), net(n), shared(s...) {}

  // Exceptions end here.
  template <class F>
  bool guarded(F&& function) const noexcept {
    try {
      std::forward<F>(function)();
      return true;
    } catch (const std::exception& e) {
      complain(e.what());
    } catch (...) {
      complain("an exception that is no std::exception");
    }
    return false;
  }
  void complain(const char* what) const noexcept {
    host.log(ORBIT_LOG_ERROR, "connection closed: its handler threw", {{"exception", to_c(std::string_view(what))}});
  }

  static void* opened(void* self, orbit_connection* raw) {
    auto* const state = static_cast<ListenState*>(self);
    std::unique_ptr<Context> context;
    const bool made = state->guarded([&] {
      context = std::make_unique<Context>(state, nullptr);
      context->handler = std::apply(
          [&](Shared&... s) { return std::make_shared<Handler>(Connection(state->net, raw), s...); }, state->shared);
    });
    if (made) return context.release();
    state->net->close(raw);
    return nullptr;
  }
  static size_t received(void* raw, const char* data, size_t size) {
    auto* const context = static_cast<Context*>(raw);
    if (context == nullptr) return size;
    size_t consumed = size;
    if (!context->listener->guarded([&] { consumed = context->handler->received({data, size}); }))
      context->handler->connection_.close();
    return consumed;
  }
  static void drained(void* raw) {
    auto* const context = static_cast<Context*>(raw);
    if (context != nullptr && !context->listener->guarded([&] { context->handler->drained(); }))
      context->handler->connection_.close();
  }
  static void closed(void* raw, orbit_code code) {
    const std::unique_ptr<Context> context(static_cast<Context*>(raw));
    if (context == nullptr) return;
    context->handler->connection_ = Connection(context->listener->net, nullptr);
    context->listener->guarded([&] { context->handler->closed(static_cast<Code>(code)); });
  }

  static constexpr orbit_connection_handler kHandler = {
      sizeof(orbit_connection_handler), 0, &opened, &received, &drained, &closed, nullptr,
  };
};

}  // namespace detail

// A listening address. One that goes, or that another is assigned to, accepts no more; its open connections stay, and
// use what `shared` borrows: have that live as long as the plugin object. [main]
class Listener {
 public:
  Listener() noexcept = default;  // listens nowhere
  Listener(Listener&& other) noexcept
      : net_(other.net_), raw_(std::exchange(other.raw_, nullptr)), state_(std::move(other.state_)) {}
  Listener& operator=(Listener&& other) noexcept {
    if (this == &other) return *this;
    let_go();
    net_ = other.net_;
    raw_ = std::exchange(other.raw_, nullptr);
    state_ = std::move(other.state_);
    return *this;
  }
  ~Listener() { let_go(); }
  Listener(const orbit_net_v1* net, orbit_listener* raw, std::unique_ptr<detail::ListenStateBase> state) noexcept
      : net_(net), raw_(raw), state_(std::move(state)) {}

  // As bound, "127.0.0.1:7007"; empty when it listens nowhere.
  std::string_view address() const noexcept { return raw_ != nullptr ? net_->address(raw_) : std::string_view(); }
  // Accepts no more; open connections stay.
  void stop() noexcept {
    if (raw_ != nullptr) net_->stop_listening(raw_);
  }

 private:
  void let_go() noexcept {
    stop();
    if (state_) detail::keep(state_.release());
  }

  const orbit_net_v1* net_ = nullptr;
  orbit_listener* raw_ = nullptr;
  std::unique_ptr<detail::ListenStateBase> state_;
};

// Binds at once, so that an error is told here, and makes a Handler(Connection, shared...) for every connection from
// then on. `shared` is borrowed and must live as long as the plugin object. Call it in the plugin's start(). [main]
template <class Handler, class... Shared>
Result<Listener> listen(Host host, const ListenOptions& options, Shared&... shared) {
  using State = detail::ListenState<Handler, Shared...>;
  const auto* net = host.require<orbit_net_v1>(ORBIT_NET_V1);
  auto state = std::make_unique<State>(host, net, shared...);
  orbit_listen_options raw{};
  raw.struct_size = sizeof raw;
  raw.connections_max = options.connections_max;
  raw.address = options.address.c_str();
  raw.idle_timeout_ms = options.idle_timeout_ms;
  raw.input_bytes_max = options.input_bytes_max;
  raw.output_bytes_max = options.output_bytes_max;
  raw.output_pause_bytes = options.output_pause_bytes;
  raw.too_many_connections = options.too_many_connections.empty() ? nullptr : options.too_many_connections.c_str();
  if (auto good = options.tls.check(); !good) return tl::unexpected<Error>(good.error());
  std::vector<const char*> alpn = options.alpn;
  alpn.push_back(nullptr);
  const orbit_tls_options tls = options.tls.raw(alpn.data());
  if (options.tls.enabled()) raw.tls = &tls;
  if (options.guarded) raw.flags |= ORBIT_LISTEN_GUARDED;
  orbit_listener* listener = nullptr;
  ErrorOut error;
  const orbit_code code = net->listen(host.raw(), &raw, &State::kHandler, state.get(), &listener, &error);
  if (code != ORBIT_OK) return tl::unexpected<Error>(error.take(code));
  return Listener(net, listener, std::move(state));
}

}  // namespace orbit
