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
  void attach(uint32_t worker, Resident* resident);
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
  // In a worker's loop the others' end of the round comes after this one's step, whose work may need it.
  class Output final : public Resident {
   public:
    Output(SimExecutor& executor, uint32_t worker, Resident* inner) noexcept
        : executor_(executor), worker_(worker), inner_(inner) {}
    bool step() noexcept override;
    void end_of_round() noexcept override { inner_->end_of_round(); }
    bool pending() const noexcept override { return inner_->pending(); }

   private:
    SimExecutor& executor_;
    const uint32_t worker_;
    Resident* const inner_;
  };

  SimExecutor& executor_;
  SimNetwork& network_;
  std::vector<std::unique_ptr<SimPoller>> pollers_;
  std::vector<std::unique_ptr<Output>> outputs_;
};

}  // namespace orbit::kernel
