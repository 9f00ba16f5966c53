// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The sockets that connections and listeners stand on: here the operating system's, with a worker's epoll set. The
// classes of this folder are templates over them, so that a simulated network runs the very same code, and nothing is
// called virtually for it (sim_sockets.hpp has the other ones).
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <latch>
#include <string>

#include "executor/asio_executor.hpp"
#include "executor/poller.hpp"
#include "net/address.hpp"
#include "orbit/result.hpp"

namespace orbit::kernel {

// Functions are as the system calls of the same names, errno included.
class OsSockets {
 public:
  using Executor = AsioExecutor;
  using Poller = kernel::Poller;
  static constexpr bool kHasTls = true;

  explicit OsSockets(AsioExecutor& executor) noexcept : executor_(executor) {}

  AsioExecutor& executor() noexcept { return executor_; }
  Poller& poller(uint32_t worker) noexcept { return executor_.poller(worker); }
  // The resident sends what the worker's others have written.
  void attach(uint32_t worker, Resident* resident) { executor_.attach_output(worker, resident); }
  // Until the workers have counted it down.
  void wait(std::latch& done) noexcept { done.wait(); }

  ssize_t send(int fd, iovec* parts, size_t count) noexcept {
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = count;
    return count == 1 ? ::send(fd, parts[0].iov_base, parts[0].iov_len, MSG_NOSIGNAL | MSG_DONTWAIT)
                      : ::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  ssize_t receive(int fd, char* data, size_t size) noexcept { return ::recv(fd, data, size, MSG_DONTWAIT); }
  int shutdown(int fd, int how) noexcept { return ::shutdown(fd, how); }
  void close(int fd) noexcept { ::close(fd); }
  bool local_address(int fd, SocketAddress& out) const noexcept {
    socklen_t size = sizeof out;
    return ::getsockname(fd, &out.raw, &size) == 0;
  }

  // A socket that is bound and listens; what is accepted inherits its options.
  Result<int> listen(const SocketAddress& address, const std::string& text);
  int accept(int fd, SocketAddress* peer) noexcept;
  // A descriptor to give up when they have run out; -1: there is none.
  int spare() noexcept;

 private:
  AsioExecutor& executor_;
};

// What listen has to say when it does not work.
tl::unexpected<Error> cannot_listen(const std::string& address, int error);

}  // namespace orbit::kernel
