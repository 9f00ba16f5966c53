// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "server.hpp"

#include <chrono>

#include "session.hpp"

namespace orbit::grpc_wire {

namespace {

// The kernel sends what is left of a connection that closes for at most 5 s.
constexpr uint64_t kClosingMs = 6'000;

}  // namespace

Server::Server(Host host, ServerOptions options)
    : options_(std::move(options)), wire_(host, options_.limits), sessions_(wire_.workers.count(host.raw())) {
  options_.listen.alpn = {"h2"};
  // Frames are taken as they come: nothing is left unconsumed but while output waits.
  options_.listen.input_bytes_max = 1024 * 1024;
  options_.listen.output_bytes_max = 64 * 1024 * 1024;
}

Server::~Server() = default;

Result<> Server::start() {
  auto listener = listen<Session>(wire_.host, options_.listen, *this);
  if (!listener) return tl::unexpected<Error>(listener.error());
  listener_ = std::move(*listener);
  return {};
}

void Server::begin_drain() {
  listener_.stop();
  wire_.drain();
  each_session(&Session::drain);
}

void Server::stop() noexcept {
  begin_drain();
  if (await_none(options_.stop_grace_ms)) return;
  each_session(&Session::cut);
  await_none(kClosingMs);
}

void Server::joined(Session* session) {
  sessions_[wire_.workers.current(wire_.host.raw())].insert(session);
  const std::lock_guard lock(mutex_);
  ++session_count_;
}

void Server::left(Session* session) {
  sessions_[wire_.workers.current(wire_.host.raw())].erase(session);
  const std::lock_guard lock(mutex_);
  if (--session_count_ == 0) none_.notify_all();
}

bool Server::hold(size_t bytes) noexcept {
  const uint64_t before = held_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  if (options_.memory_bytes_max == 0 || before + bytes <= options_.memory_bytes_max) return true;
  let_go(bytes);
  return false;
}

void Server::each_session(void (Session::*what)()) {
  struct Visit {
    Server& server;
    void (Session::*what)();
    uint32_t worker;
  };
  for (uint32_t worker = 0; worker < sessions_.size(); ++worker)
    wire_.workers.post(
        wire_.host.raw(), worker,
        [](void* ctx) {
          const std::unique_ptr<Visit> visit(static_cast<Visit*>(ctx));
          const std::vector<Session*> all(visit->server.sessions_[visit->worker].begin(),
                                          visit->server.sessions_[visit->worker].end());
          for (Session* session : all) (session->*visit->what)();
        },
        new Visit{*this, what, worker});
}

bool Server::await_none(uint64_t timeout_ms) {
  std::unique_lock lock(mutex_);
  return none_.wait_for(lock, std::chrono::milliseconds(timeout_ms), [this] { return session_count_ == 0; });
}

}  // namespace orbit::grpc_wire
