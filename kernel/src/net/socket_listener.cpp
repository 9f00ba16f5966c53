// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "net/socket_listener.hpp"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "net/net_worker.hpp"
#include "net/socket_net.hpp"

namespace orbit::kernel {

namespace {

constexpr int kBacklog = 511;
constexpr int kAcceptsPerRound = 256;
constexpr uint64_t kWarnIntervalNs = 10'000'000'000;

struct AdoptJob : Job {
  SocketListener* listener;
  uint32_t worker;
  int fd;
  SocketAddress peer;
};

struct CloseJob : Job {
  SocketListener* listener;
  uint32_t worker;
};

void run_close(Job* job) noexcept {
  auto* const mine = static_cast<CloseJob*>(job);
  mine->listener->net().worker(mine->worker).close_of(*mine->listener);
  delete mine;
}

void run_adopt(Job* job) noexcept {
  auto* const mine = static_cast<AdoptJob*>(job);
  mine->listener->net().worker(mine->worker).adopt(mine->fd, mine->peer, *mine->listener);
  delete mine;
}

void set(int fd, int level, int option, int value) noexcept { ::setsockopt(fd, level, option, &value, sizeof value); }

tl::unexpected<Error> cannot_listen(const std::string& address, int error) {
  std::string message = "cannot listen on " + address + ": " + std::strerror(error);
  if (error == EADDRINUSE) message += "; another process has the port";
  if (error == EACCES) message += "; ports below 1024 need CAP_NET_BIND_SERVICE";
  if (error == EADDRNOTAVAIL) message += "; this machine has no such address";
  return fail(error == EADDRINUSE ? Code::already_exists : Code::unavailable, std::move(message));
}

}  // namespace

Result<std::unique_ptr<SocketListener>> SocketListener::open(SocketNet& net, const orbit_listen_options& options,
                                                             const orbit_connection_handler& handler, void* self) {
  if (options.address == nullptr) return fail(Code::invalid_argument, "listen: no address");
  if (handler.opened == nullptr || handler.received == nullptr || handler.closed == nullptr)
    return fail(Code::invalid_argument, "listen: the handler has no opened, received or closed");
  const auto address = parse_address(options.address);
  if (!address) return tl::unexpected<Error>(address.error());
  std::unique_ptr<TlsServer> tls;
  if (options.tls != nullptr) {
    auto made = TlsServer::make(*options.tls);
    if (!made) return tl::unexpected<Error>(made.error());
    tls = std::move(*made);
  }
  const int fd = ::socket(address->raw.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return cannot_listen(options.address, errno);
  set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (address->raw.sa_family == AF_INET6) set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  // Accepted sockets inherit these. Dead peers are found within ten minutes.
  set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 300);
  set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 100);
  set(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
  if (::bind(fd, &address->raw, address->size()) != 0 || ::listen(fd, kBacklog) != 0) {
    const int error = errno;
    ::close(fd);
    return cannot_listen(options.address, error);
  }
  return std::make_unique<SocketListener>(net, fd, options, handler, self, std::move(tls));
}

SocketListener::SocketListener(SocketNet& net, int fd, const orbit_listen_options& options,
                               const orbit_connection_handler& handler, void* self, std::unique_ptr<TlsServer> tls)
    : net_(net),
      fd_(fd),
      reserve_fd_(::open("/dev/null", O_RDONLY | O_CLOEXEC)),
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
  socklen_t size = sizeof bound;
  if (::getsockname(fd, &bound.raw, &size) == 0) address_ = bound.text();
  start_job_.listener = stop_job_.listener = this;
  start_job_.run = [](Job* job) noexcept { static_cast<ControlJob*>(job)->listener->watch(); };
  stop_job_.run = [](Job* job) noexcept { static_cast<ControlJob*>(job)->listener->unwatch(); };
}

SocketListener::~SocketListener() {
  if (fd_ >= 0) ::close(fd_);
  if (reserve_fd_ >= 0) ::close(reserve_fd_);
}

void SocketListener::start() noexcept { net_.executor().post(0, &start_job_, &start_job_); }

void SocketListener::stop() noexcept {
  if (stopping_.exchange(true)) return;
  ::shutdown(fd_, SHUT_RDWR);  // refuses new clients at once, whatever worker 0 is doing
  net_.executor().post(0, &stop_job_, &stop_job_);
}

void SocketListener::close_connections() noexcept {
  closed_.store(true, std::memory_order_release);  // who is on the way to its worker is refused there
  for (uint32_t i = 0; i < net_.executor().workers(); ++i) {
    auto* const job = new CloseJob{{nullptr, &run_close}, this, i};
    net_.executor().post(i, job, job);
  }
}

void SocketListener::watch() noexcept {
  if (stopping_.load()) return;
  const int error = net_.executor().poller(0).add(fd_, EPOLLIN, this);
  watched_ = error == 0;
  if (!watched_) net_.warn("cannot accept on " + address_ + ": " + std::strerror(error));
}

void SocketListener::unwatch() noexcept {
  if (watched_) net_.executor().poller(0).remove(fd_, this);
  watched_ = false;
  ::close(fd_);
  fd_ = -1;
}

void SocketListener::ready(uint32_t) noexcept {
  for (int i = 0; i < kAcceptsPerRound && !stopping_.load(std::memory_order_relaxed); ++i) {
    SocketAddress peer;
    socklen_t size = sizeof peer;
    const int fd = ::accept4(fd_, &peer.raw, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      accepted(fd, peer);
      continue;
    }
    if (errno == ECONNABORTED || errno == EINTR) continue;
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) out_of_descriptors(errno);
    return;
  }
}

void SocketListener::out_of_descriptors(int error) noexcept {
  // Without this the client would hang in the backlog and the level-triggered event would come back for ever.
  if (reserve_fd_ >= 0) {
    ::close(reserve_fd_);
    const int fd = ::accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) reject(fd);
    reserve_fd_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  }
  const uint64_t now_ns = net_.executor().coarse_monotonic_ns();
  if (warned_ns_ != 0 && now_ns - warned_ns_ < kWarnIntervalNs) return;
  warned_ns_ = now_ns;
  net_.warn("a connection to " + address_ + " was refused: " + std::strerror(error) +
            "; raise the limit of open files (LimitNOFILE, ulimit -n)");
}

bool SocketListener::admit() noexcept {
  if (!net_.admit()) return false;
  if (connections_.fetch_add(1, std::memory_order_relaxed) < options_.connections_max) return true;
  released();
  return false;
}

void SocketListener::released() noexcept {
  connections_.fetch_sub(1, std::memory_order_release);
  net_.release();
}

void SocketListener::reject(int fd) noexcept {
  net_.worker(0).count_rejected();
  if (!too_many_connections_.empty() && tls_ == nullptr) {
    [[maybe_unused]] const ssize_t sent =
        ::send(fd, too_many_connections_.data(), too_many_connections_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    // What the client has sent already would turn the close into a reset, and that would take the text away.
    char ignored[4096];
    while (::recv(fd, ignored, sizeof ignored, MSG_DONTWAIT) == sizeof ignored) {
    }
  }
  ::close(fd);
}

void SocketListener::tls_failed(const std::string& peer, const std::string& why) noexcept {
  const uint64_t now_ns = net_.executor().coarse_monotonic_ns();
  uint64_t warned_ns = tls_warned_ns_.load(std::memory_order_relaxed);
  if (warned_ns != 0 && now_ns - warned_ns < kWarnIntervalNs) return;
  if (!tls_warned_ns_.compare_exchange_strong(warned_ns, now_ns)) return;
  net_.warn("a TLS handshake of " + peer + " with " + address_ + " has failed: " + why);
}

void SocketListener::accepted(int fd, const SocketAddress& peer) noexcept {
  if (!admit()) return reject(fd);
  const uint32_t worker = next_worker_++ % net_.executor().workers();
  if (worker == 0) return net_.worker(0).adopt(fd, peer, *this);
  auto* const job = new AdoptJob{{nullptr, &run_adopt}, this, worker, fd, peer};
  net_.executor().post(worker, job, job);
}

}  // namespace orbit::kernel
