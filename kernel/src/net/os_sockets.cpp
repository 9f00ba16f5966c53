// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "net/os_sockets.hpp"

#include <fcntl.h>
#include <netinet/tcp.h>

#include <cerrno>
#include <cstring>

namespace orbit::kernel {

namespace {

constexpr int kBacklog = 511;

void set(int fd, int level, int option, int value) noexcept { ::setsockopt(fd, level, option, &value, sizeof value); }

}  // namespace

tl::unexpected<Error> cannot_listen(const std::string& address, int error) {
  std::string message = "cannot listen on " + address + ": " + std::strerror(error);
  if (error == EADDRINUSE) message += "; another process has the port";
  if (error == EACCES) message += "; ports below 1024 need CAP_NET_BIND_SERVICE";
  if (error == EADDRNOTAVAIL) message += "; this machine has no such address";
  return fail(error == EADDRINUSE ? Code::already_exists : Code::unavailable, std::move(message));
}

Result<int> OsSockets::listen(const SocketAddress& address, const std::string& text) {
  const int fd = ::socket(address.raw.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return cannot_listen(text, errno);
  set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (address.raw.sa_family == AF_INET6) set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  // Accepted sockets inherit these. Dead peers are found within ten minutes.
  set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 300);
  set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 100);
  set(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
  if (::bind(fd, &address.raw, address.size()) != 0 || ::listen(fd, kBacklog) != 0) {
    const int error = errno;
    ::close(fd);
    return cannot_listen(text, error);
  }
  return fd;
}

int OsSockets::accept(int fd, SocketAddress* peer) noexcept {
  socklen_t size = sizeof *peer;
  return peer == nullptr ? ::accept4(fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)
                         : ::accept4(fd, &peer->raw, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

int OsSockets::spare() noexcept { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }

}  // namespace orbit::kernel
