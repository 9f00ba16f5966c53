// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Sockets of a SimNetwork, for the classes of this folder; see os_sockets.hpp.
#pragma once

#include <latch>
#include <memory>
#include <vector>

#include "net/sim_network.hpp"

namespace orbit::kernel {

class SimSockets {
 public:
  using Executor = SimExecutor;
  using Poller = SimPoller;
  static constexpr bool kHasTls = false;

  // Attaches its pollers.
  SimSockets(SimExecutor& executor, SimNetwork& network);

  SimExecutor& executor() noexcept { return executor_; }
  SimPoller& poller(uint32_t worker) noexcept { return *pollers_[worker]; }
  void attach(uint32_t worker, Resident* resident) { executor_.attach(worker, resident); }
  void wait(std::latch& done) noexcept;

  ssize_t send(int fd, iovec* parts, size_t count) noexcept { return network_.send(fd, parts, count); }
  ssize_t receive(int fd, char* data, size_t size) noexcept { return network_.receive(fd, data, size); }
  int shutdown(int fd, int how) noexcept { return network_.shutdown(fd, how); }
  void close(int fd) noexcept { network_.close(fd); }
  bool local_address(int fd, SocketAddress& out) const noexcept { return network_.local_address(fd, out); }
  Result<int> listen(const SocketAddress& address, const std::string& text) { return network_.listen(address, text); }
  int accept(int fd, SocketAddress* peer) noexcept { return network_.accept(fd, peer); }
  int spare() noexcept { return -1; }  // descriptors do not run out

 private:
  SimExecutor& executor_;
  SimNetwork& network_;
  std::vector<std::unique_ptr<SimPoller>> pollers_;
};

}  // namespace orbit::kernel
