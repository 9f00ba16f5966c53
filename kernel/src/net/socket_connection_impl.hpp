// SPDX-License-Identifier: MIT OR BSD-3-Clause
// For the files that make a network of sockets.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "net/net_worker.hpp"
#include "net/socket_connection.hpp"
#include "net/socket_listener.hpp"

namespace orbit::kernel {

inline constexpr int kPartsMax = 64;  // of one system call
// A remainder up to this size is put before the next bytes in the shared buffer; a larger one is received into directly.
inline constexpr size_t kCopyMax = 16 * 1024;

template <class Sockets>
SocketConnection<Sockets>::~SocketConnection() {
  if (fd_ >= 0) worker_.sockets().close(fd_);
  output_.clear(worker_.output_pool());
  drop_input();
}

template <class Sockets>
bool SocketConnection<Sockets>::open(int fd, const SocketAddress& peer, SocketListener<Sockets>& listener, uint64_t id,
                            std::unique_ptr<TlsStream> tls) noexcept {
  if (worker_.poller().add(fd, EPOLLIN, this) != 0) {
    if (tls != nullptr) listener.tls()->handshake_ended();
    return false;
  }
  tls_ = std::move(tls);
  fd_ = fd;
  watched_events_ = EPOLLIN;
  listener_ = &listener;
  peer_ = peer;
  id_ = id;
  context_ = nullptr;
  code_ = ORBIT_OK;
  paused_ = choked_ = blocked_ = peer_finished_ = hangup_seen_ = false;
  closing_ = doomed_ = lingering_ = dirty_ = again_ = opened_ = false;
  handshake_ = tls_ != nullptr;
  last_active_ns_ = worker_.executor().coarse_monotonic_ns();
  idle_timeout_ns_ = 0;
  set_idle_timeout(listener.options().idle_timeout_ms);
  return true;
}

template <class Sockets>
void SocketConnection<Sockets>::begin() noexcept {
  if (!handshake_) return call_opened();
  close_timer_ = worker_.executor().after(
      listener_->tls()->handshake_timeout_ms() * 1'000'000,
      [](void* ctx) {
        auto* const self = static_cast<SocketConnection*>(ctx);
        self->close_timer_ = 0;
        self->end_handshake(false);
        self->doom(ORBIT_DEADLINE_EXCEEDED);
      },
      this);
}

template <class Sockets>
void SocketConnection<Sockets>::call_opened() noexcept {
  opened_ = true;
  context_ = listener_->handler().opened(listener_->self(), this);
}

// ---- TLS -----------------------------------------------------------------------------------------------------------

template <class Sockets>
void SocketConnection<Sockets>::shake_hands() noexcept {
  const TlsStream::Step step = tls_->handshake();
  if (step == TlsStream::Step::wants_read || step == TlsStream::Step::wants_write) {
    const uint32_t wanted = step == TlsStream::Step::wants_read ? EPOLLIN : EPOLLOUT;
    if (wanted != watched_events_) worker_.poller().modify(fd_, wanted, this);
    watched_events_ = wanted;
    return;
  }
  end_handshake(step == TlsStream::Step::done);
  last_active_ns_ = worker_.executor().coarse_monotonic_ns();
  if (step == TlsStream::Step::failed) {
    listener_->tls_failed(peer_.text(), tls_->failure());
    return doom(ORBIT_OK);  // lingers, so that the peer hears why
  }
  update_events();
  call_opened();
  if (takes_input()) receive();  // what came right behind the handshake is in the stream already
}

template <class Sockets>
void SocketConnection<Sockets>::end_handshake(bool good) noexcept {
  if (!handshake_) return;
  handshake_ = false;
  listener_->tls()->handshake_ended();
  worker_.count_handshake(good);
  if (close_timer_ != 0) worker_.executor().cancel(close_timer_);
  close_timer_ = 0;
}

template <class Sockets>
ssize_t SocketConnection<Sockets>::send_tls(size_t& offered) noexcept {
  iovec parts[kPartsMax];
  const int count = output_.fill(parts, kPartsMax);
  ssize_t total = 0;
  bool full = false;
  for (int i = 0; i < count; ++i) {
    offered += parts[i].iov_len;
    if (full) continue;
    const int64_t sent = tls_->write(static_cast<const char*>(parts[i].iov_base), parts[i].iov_len);
    if (sent == TlsStream::kBroken) return errno = EPIPE, -1;
    if (sent > 0) total += sent;
    full = sent < static_cast<int64_t>(parts[i].iov_len);
  }
  return total;
}

template <class Sockets>
ssize_t SocketConnection<Sockets>::receive_tls(char* data, size_t size) noexcept {
  const int64_t got = tls_->read(data, size);
  if (got >= 0) return static_cast<ssize_t>(got);
  errno = got == TlsStream::kLater ? EAGAIN : ECONNRESET;
  if (tls_->read_wants_write()) update_events();
  return -1;
}

template <class Sockets>
bool SocketConnection<Sockets>::tls_info(orbit_tls_info& out) {
  if (tls_ == nullptr) return false;
  tls_->info(out);
  return true;
}

// ---- output --------------------------------------------------------------------------------------------------------

template <class Sockets>
char* SocketConnection<Sockets>::reserve(size_t size) { return output_.reserve(worker_.output_pool(), size); }

template <class Sockets>
void SocketConnection<Sockets>::commit(size_t size) {
  if (size == 0 || doomed_) return;  // what a doomed connection writes is overwritten by what it writes next
  output_.commit(size);
  mark_dirty();
  if (output_.bytes() > listener_->options().output_bytes_max) doom(ORBIT_RESOURCE_EXHAUSTED);
}

template <class Sockets>
ssize_t SocketConnection<Sockets>::send_plain(size_t& offered) noexcept {
  iovec parts[kPartsMax];
  const auto count = static_cast<size_t>(output_.fill(parts, kPartsMax));
  for (size_t i = 0; i < count; ++i) offered += parts[i].iov_len;
  return worker_.sockets().send(fd_, parts, count);
}

template <class Sockets>
void SocketConnection<Sockets>::flush() noexcept {
  dirty_ = false;
  if (doomed_) return;
  if (output_.bytes() != 0 && !blocked_) {
    size_t offered = 0;
    const ssize_t sent = tls_ == nullptr ? send_plain(offered) : send_tls(offered);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return doom(ORBIT_UNAVAILABLE);
    if (sent > 0) {
      worker_.count_out(static_cast<size_t>(sent));
      last_active_ns_ = worker_.executor().coarse_monotonic_ns();
      output_.consume(worker_.output_pool(), static_cast<size_t>(sent));
    }
    blocked_ = sent < static_cast<ssize_t>(offered);
    if (!blocked_ && output_.bytes() != 0) mark_dirty();  // the rest in the next round: others come first
  }
  if (choked_ && output_.bytes() <= listener_->options().output_pause_bytes / 2) unchoke();
  if (closing_ && !doomed_) {
    if (output_.bytes() == 0) {
      doom(ORBIT_OK);
    } else if (close_timer_ == 0) {
      close_timer_ = worker_.executor().after(
          worker_.close_timeout_ns(),
          [](void* ctx) {
            auto* const self = static_cast<SocketConnection*>(ctx);
            self->close_timer_ = 0;
            self->doom(ORBIT_OK);
          },
          this);
    }
  }
  if (!doomed_) update_events();
}

template <class Sockets>
void SocketConnection<Sockets>::unchoke() noexcept {
  choked_ = false;
  if (closing_) return;
  if (listener_->handler().drained != nullptr) listener_->handler().drained(context_);
  if (input_size_ != 0 || has_hidden_input()) mark_again();
}

// ---- input ---------------------------------------------------------------------------------------------------------

template <class Sockets>
void SocketConnection<Sockets>::ready(uint32_t events) noexcept {
  if (lingering_) return discard();
  if (doomed_) return;
  if (handshake_) return shake_hands();
  if ((events & EPOLLOUT) != 0) {
    blocked_ = false;
    mark_dirty();
    if (tls_ != nullptr && tls_->read_wants_write()) events |= EPOLLIN;
  }
  if ((events & ~static_cast<uint32_t>(EPOLLOUT)) == 0) return;
  // What is kept is delivered first, or each round would receive more than it consumes.
  if (again_) return;
  if (takes_input() && !peer_finished_) return receive();
  if ((events & EPOLLERR) != 0) return doom(ORBIT_UNAVAILABLE);
  if ((events & EPOLLHUP) != 0) return doom(ORBIT_OK);
  if ((events & EPOLLRDHUP) != 0 && !hangup_seen_) {
    hangup_seen_ = true;
    tell_peer_finished(false);
  }
  update_events(false);
}

template <class Sockets>
bool SocketConnection<Sockets>::tell_peer_finished(bool all_read) noexcept {
  const auto tell = listener_->handler().peer_finished;
  return tell != nullptr && !closing_ && !doomed_ && tell(context_, all_read ? 1 : 0) != 0;
}

template <class Sockets>
void SocketConnection<Sockets>::receive() noexcept {
  const bool shared = input_size_ <= kCopyMax;
  char* data = worker_.receive_buffer();
  size_t room = worker_.receive_buffer_bytes();
  if (shared) {
    if (input_size_ != 0) std::memcpy(data, input_, input_size_);
    room -= input_size_;
  } else {
    if (input_capacity_ - input_size_ < room / 2 && !grow_input(std::max(input_capacity_ * 2, input_size_ + room)))
      return doom(ORBIT_RESOURCE_EXHAUSTED);
    data = input_;
    room = input_capacity_ - input_size_;
  }
  const ssize_t got = tls_ == nullptr ? worker_.sockets().receive(fd_, data + input_size_, room)
                                      : receive_tls(data + input_size_, room);
  if (got == 0) {
    // What the peer asked before is answered first: its own end is shut, ours is not.
    peer_finished_ = true;
    if (!tell_peer_finished(true)) return close();
    return update_events(false);
  }
  if (got < 0) {
    if (errno != EAGAIN && errno != EINTR) doom(ORBIT_UNAVAILABLE);
    return;
  }
  worker_.count_in(static_cast<size_t>(got));
  last_active_ns_ = worker_.executor().coarse_monotonic_ns();
  deliver(data, input_size_ + static_cast<size_t>(got));
}

template <class Sockets>
void SocketConnection<Sockets>::deliver(char* data, size_t size) noexcept {
  const size_t consumed = std::min(listener_->handler().received(context_, data, size), size);
  keep(data + consumed, size - consumed);
  if (doomed_) return;
  if (input_size_ > listener_->options().input_bytes_max) return doom(ORBIT_RESOURCE_EXHAUSTED);
  if (output_.bytes() > listener_->options().output_pause_bytes) choked_ = true;
  if (has_hidden_input() && takes_input()) mark_again();
}

template <class Sockets>
void SocketConnection<Sockets>::keep(char* data, size_t size) noexcept {
  if (size == 0 || doomed_ || closing_) return drop_input();
  if (size > input_capacity_ && !grow_input(size)) {
    drop_input();
    return doom(ORBIT_RESOURCE_EXHAUSTED);
  }
  if (data != input_) std::memmove(input_, data, size);
  input_size_ = size;
}

template <class Sockets>
bool SocketConnection<Sockets>::grow_input(size_t capacity) noexcept {
  auto* const grown = static_cast<char*>(std::realloc(input_, capacity));
  if (grown == nullptr) return false;
  input_ = grown;
  input_capacity_ = capacity;
  return true;
}

template <class Sockets>
void SocketConnection<Sockets>::drop_input() noexcept {
  std::free(input_);
  input_ = nullptr;
  input_size_ = input_capacity_ = 0;
}

template <class Sockets>
void SocketConnection<Sockets>::deliver_again() noexcept {
  again_ = false;
  if (!takes_input()) return;
  // As from a socket: nothing more is received as long as the codec gets on with what is kept.
  const size_t kept = input_size_;
  if (kept != 0) deliver(input_, kept);
  if (has_hidden_input() && takes_input() && input_size_ == kept) receive();
}

template <class Sockets>
void SocketConnection<Sockets>::resume() noexcept {
  if (!paused_) return;
  paused_ = false;
  if (!takes_input()) return;
  if (input_size_ != 0 || has_hidden_input()) mark_again();
  update_events();
}

// ---- the end -------------------------------------------------------------------------------------------------------

template <class Sockets>
void SocketConnection<Sockets>::close() noexcept {
  if (closing_ || doomed_) return;
  closing_ = true;
  mark_dirty();
}

template <class Sockets>
void SocketConnection<Sockets>::doom(orbit_code code) noexcept {
  if (doomed_) return;
  doomed_ = true;
  code_ = code;
  worker_.add_doomed(this);
}

template <class Sockets>
void SocketConnection<Sockets>::stop() noexcept {
  if (fd_ < 0) return;
  if (lingering_) return release();
  if (doomed_) return;
  flush();
  doom(ORBIT_UNAVAILABLE);
}

template <class Sockets>
void SocketConnection<Sockets>::finish() noexcept {
  end_handshake(false);
  if (opened_) listener_->handler().closed(context_, code_);
  if (idle_timer_ != 0) worker_.executor().cancel(idle_timer_);
  if (close_timer_ != 0) worker_.executor().cancel(close_timer_);
  idle_timer_ = close_timer_ = 0;
  const bool polite = code_ == ORBIT_OK && output_.bytes() == 0 && !peer_finished_;
  if (tls_ != nullptr && opened_ && code_ == ORBIT_OK && output_.bytes() == 0) tls_->shut();
  output_.clear(worker_.output_pool());
  drop_input();
  if (polite)
    linger();
  else
    release();
}

template <class Sockets>
void SocketConnection<Sockets>::linger() noexcept {
  // Closing a socket with unread input resets the connection, and a reset can overtake our last bytes. So our direction
  // is shut first, and the peer has a while to do the same.
  lingering_ = true;
  if (worker_.sockets().shutdown(fd_, SHUT_WR) != 0) return release();
  close_timer_ = worker_.executor().after(
      worker_.close_timeout_ns(),
      [](void* ctx) {
        auto* const self = static_cast<SocketConnection*>(ctx);
        self->close_timer_ = 0;
        self->release();
      },
      this);
  watched_events_ = EPOLLIN;
  worker_.poller().modify(fd_, watched_events_, this);
}

template <class Sockets>
void SocketConnection<Sockets>::discard() noexcept {
  const ssize_t got = worker_.sockets().receive(fd_, worker_.receive_buffer(), worker_.receive_buffer_bytes());
  if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) release();
}

template <class Sockets>
void SocketConnection<Sockets>::release() noexcept {
  if (close_timer_ != 0) worker_.executor().cancel(close_timer_);
  close_timer_ = 0;
  worker_.poller().remove(fd_, this);
  worker_.sockets().close(fd_);
  fd_ = -1;
  tls_.reset();
  lingering_ = false;
  listener_->released();
  worker_.recycle(this);
}

// ---- lists, events, time -------------------------------------------------------------------------------------------

template <class Sockets>
void SocketConnection<Sockets>::mark_dirty() noexcept {
  if (dirty_) return;
  dirty_ = true;
  worker_.add_dirty(this);
}

template <class Sockets>
void SocketConnection<Sockets>::mark_again() noexcept {
  if (again_) return;
  again_ = true;
  worker_.add_again(this);
}

template <class Sockets>
void SocketConnection<Sockets>::update_events(bool keep_reading) noexcept {
  uint32_t wanted = 0;
  if (!peer_finished_) {
    if (takes_input() || (keep_reading && (watched_events_ & EPOLLIN) != 0))
      wanted = EPOLLIN;
    else if (!hangup_seen_)
      wanted = EPOLLRDHUP;
  }
  if (blocked_ || (tls_ != nullptr && tls_->read_wants_write())) wanted |= EPOLLOUT;
  if (wanted == watched_events_) return;
  watched_events_ = wanted;
  worker_.poller().modify(fd_, wanted, this);
}

template <class Sockets>
void SocketConnection<Sockets>::set_idle_timeout(uint64_t idle_timeout_ms) {
  idle_timeout_ns_ = std::min<uint64_t>(idle_timeout_ms, UINT64_MAX / 2'000'000) * 1'000'000;
  if (idle_timer_ != 0) worker_.executor().cancel(idle_timer_);
  idle_timer_ = 0;
  if (idle_timeout_ns_ != 0) arm_idle(idle_timeout_ns_);
}

template <class Sockets>
void SocketConnection<Sockets>::arm_idle(uint64_t delay_ns) noexcept {
  idle_timer_ = worker_.executor().after(
      delay_ns, [](void* ctx) { static_cast<SocketConnection*>(ctx)->idle_expired(); }, this);
}

template <class Sockets>
void SocketConnection<Sockets>::idle_expired() noexcept {
  // Activity only notes its time; the timer catches up when it runs, so that a busy connection arms none.
  idle_timer_ = 0;
  const uint64_t idle_ns = worker_.executor().coarse_monotonic_ns() - last_active_ns_;
  if (idle_ns >= idle_timeout_ns_)
    doom(ORBIT_DEADLINE_EXCEEDED);
  else
    arm_idle(idle_timeout_ns_ - idle_ns);
}

template <class Sockets>
std::string SocketConnection<Sockets>::local_address() const {
  SocketAddress address;
  if (fd_ < 0 || !worker_.sockets().local_address(fd_, address)) return "?:0";
  return address.text();
}

}  // namespace orbit::kernel
