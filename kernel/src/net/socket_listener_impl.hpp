// SPDX-License-Identifier: MIT OR BSD-3-Clause
// For the files that make a network of sockets.
#pragma once

#include <cerrno>
#include <cstring>

#include "net/net_worker.hpp"
#include "net/socket_listener.hpp"
#include "net/socket_net.hpp"

namespace orbit::kernel {

inline constexpr int kAcceptsPerRound = 256;
inline constexpr uint64_t kWarnIntervalNs = 10'000'000'000;

template <class Sockets>
struct AdoptJob : Job {
  SocketListener<Sockets>* listener;
  uint32_t worker;
  int fd;
  SocketAddress peer;

  static void run_it(Job* job) noexcept {
    auto* const mine = static_cast<AdoptJob*>(job);
    mine->listener->net().worker(mine->worker).adopt(mine->fd, mine->peer, *mine->listener);
    delete mine;
  }
};

template <class Sockets>
struct CloseJob : Job {
  SocketListener<Sockets>* listener;
  uint32_t worker;

  static void run_it(Job* job) noexcept {
    auto* const mine = static_cast<CloseJob*>(job);
    mine->listener->net().worker(mine->worker).close_of(*mine->listener);
    delete mine;
  }
};

template <class Sockets>
Result<std::unique_ptr<SocketListener<Sockets>>> SocketListener<Sockets>::open(
    BasicSocketNet<Sockets>& net, const orbit_listen_options& options, const orbit_connection_handler& handler,
    void* self) {
  if (options.address == nullptr) return fail(Code::invalid_argument, "listen: no address");
  if (handler.opened == nullptr || handler.received == nullptr || handler.closed == nullptr)
    return fail(Code::invalid_argument, "listen: the handler has no opened, received or closed");
  const auto address = parse_address(options.address);
  if (!address) return tl::unexpected<Error>(address.error());
  std::unique_ptr<TlsServer> tls;
  if (options.tls != nullptr && !Sockets::kHasTls)
    return fail(Code::unimplemented, "listen: this network has no TLS");
  if (options.tls != nullptr) {
    auto made = TlsServer::make(*options.tls);
    if (!made) return tl::unexpected<Error>(made.error());
    tls = std::move(*made);
  }
  const auto fd = net.sockets().listen(*address, options.address);
  if (!fd) return tl::unexpected<Error>(fd.error());
  return std::make_unique<SocketListener>(net, *fd, options, handler, self, std::move(tls));
}

template <class Sockets>
SocketListener<Sockets>::SocketListener(BasicSocketNet<Sockets>& net, int fd, const orbit_listen_options& options,
                               const orbit_connection_handler& handler, void* self, std::unique_ptr<TlsServer> tls)
    : net_(net),
      sockets_(net.sockets()),
      fd_(fd),
      reserve_fd_(sockets_.spare()),
      handler_(handler),
      self_(self),
      options_(options),
      tls_(std::move(tls)) {
  const SocketNetOptions& node = net.options();
  if (options_.connections_max == 0) options_.connections_max = node.connections_max;
  if (options_.input_bytes_max == 0) options_.input_bytes_max = node.input_bytes_max;
  if (options_.output_bytes_max == 0) options_.output_bytes_max = node.output_bytes_max;
  if (options_.output_pause_bytes == 0) options_.output_pause_bytes = node.output_pause_bytes;
  if (options.too_many_connections != nullptr) too_many_connections_ = options.too_many_connections;
  options_.address = options_.too_many_connections = nullptr;  // borrowed for the call only
  options_.tls = nullptr;
  SocketAddress bound;
  if (sockets_.local_address(fd, bound)) address_ = bound.text();
  start_job_.listener = stop_job_.listener = this;
  start_job_.run = [](Job* job) noexcept { static_cast<ControlJob*>(job)->listener->watch(); };
  stop_job_.run = [](Job* job) noexcept { static_cast<ControlJob*>(job)->listener->unwatch(); };
}

template <class Sockets>
SocketListener<Sockets>::~SocketListener() {
  if (fd_ >= 0) sockets_.close(fd_);
  if (reserve_fd_ >= 0) sockets_.close(reserve_fd_);
}

template <class Sockets>
void SocketListener<Sockets>::start() noexcept { net_.executor().post(0, &start_job_, &start_job_); }

template <class Sockets>
void SocketListener<Sockets>::stop() noexcept {
  if (stopping_.exchange(true)) return;
  sockets_.shutdown(fd_, SHUT_RDWR);  // refuses new clients at once, whatever worker 0 is doing
  net_.executor().post(0, &stop_job_, &stop_job_);
}

template <class Sockets>
void SocketListener<Sockets>::close_connections() noexcept {
  closed_.store(true, std::memory_order_release);  // who is on the way to its worker is refused there
  for (uint32_t i = 0; i < net_.executor().workers(); ++i) {
    auto* const job = new CloseJob<Sockets>{{nullptr, &CloseJob<Sockets>::run_it}, this, i};
    net_.executor().post(i, job, job);
  }
}

template <class Sockets>
void SocketListener<Sockets>::watch() noexcept {
  if (stopping_.load()) return;
  const int error = sockets_.poller(0).add(fd_, EPOLLIN, this);
  watched_ = error == 0;
  if (!watched_) net_.warn("cannot accept on " + address_ + ": " + std::strerror(error));
}

template <class Sockets>
void SocketListener<Sockets>::unwatch() noexcept {
  if (watched_) sockets_.poller(0).remove(fd_, this);
  watched_ = false;
  sockets_.close(fd_);
  fd_ = -1;
}

template <class Sockets>
void SocketListener<Sockets>::ready(uint32_t) noexcept {
  for (int i = 0; i < kAcceptsPerRound && !stopping_.load(std::memory_order_relaxed); ++i) {
    SocketAddress peer;
    const int fd = sockets_.accept(fd_, &peer);
    if (fd >= 0) {
      accepted(fd, peer);
      continue;
    }
    if (errno == ECONNABORTED || errno == EINTR) continue;
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) out_of_descriptors(errno);
    return;
  }
}

template <class Sockets>
void SocketListener<Sockets>::out_of_descriptors(int error) noexcept {
  // Without this the client would hang in the backlog and the level-triggered event would come back for ever.
  if (reserve_fd_ >= 0) {
    sockets_.close(reserve_fd_);
    const int fd = sockets_.accept(fd_, nullptr);
    if (fd >= 0) reject(fd);
    reserve_fd_ = sockets_.spare();
  }
  const uint64_t now_ns = net_.executor().coarse_monotonic_ns();
  if (warned_ns_ != 0 && now_ns - warned_ns_ < kWarnIntervalNs) return;
  warned_ns_ = now_ns;
  net_.warn("a connection to " + address_ + " was refused: " + std::strerror(error) +
            "; raise the limit of open files (LimitNOFILE, ulimit -n)");
}

template <class Sockets>
bool SocketListener<Sockets>::admit() noexcept {
  if (!net_.admit()) return false;
  if (connections_.fetch_add(1, std::memory_order_relaxed) < options_.connections_max) return true;
  released();
  return false;
}

template <class Sockets>
void SocketListener<Sockets>::released() noexcept {
  connections_.fetch_sub(1, std::memory_order_release);
  net_.release();
}

template <class Sockets>
void SocketListener<Sockets>::reject(int fd) noexcept {
  net_.worker(0).count_rejected();
  if (!too_many_connections_.empty() && tls_ == nullptr) {
    iovec text{too_many_connections_.data(), too_many_connections_.size()};
    [[maybe_unused]] const ssize_t sent = sockets_.send(fd, &text, 1);
    // What the client has sent already would turn the close into a reset, and that would take the text away.
    char ignored[4096];
    while (sockets_.receive(fd, ignored, sizeof ignored) == sizeof ignored) {
    }
  }
  sockets_.close(fd);
}

template <class Sockets>
void SocketListener<Sockets>::tls_failed(const std::string& peer, const std::string& why) noexcept {
  const uint64_t now_ns = net_.executor().coarse_monotonic_ns();
  uint64_t warned_ns = tls_warned_ns_.load(std::memory_order_relaxed);
  if (warned_ns != 0 && now_ns - warned_ns < kWarnIntervalNs) return;
  if (!tls_warned_ns_.compare_exchange_strong(warned_ns, now_ns)) return;
  net_.warn("a TLS handshake of " + peer + " with " + address_ + " has failed: " + why);
}

template <class Sockets>
void SocketListener<Sockets>::accepted(int fd, const SocketAddress& peer) noexcept {
  if (!admit()) return reject(fd);
  const uint32_t worker = next_worker_++ % net_.executor().workers();
  if (worker == 0) return net_.worker(0).adopt(fd, peer, *this);
  auto* const job = new AdoptJob<Sockets>{{nullptr, &AdoptJob<Sockets>::run_it}, this, worker, fd, peer};
  net_.executor().post(worker, job, job);
}

}  // namespace orbit::kernel
