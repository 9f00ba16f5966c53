// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "net/sim_net.hpp"

#include "net/socket_net_impl.hpp"

namespace orbit::kernel {

namespace {
constexpr uint64_t kStopStepsMax = 10'000'000;
}

template class SocketConnection<SimSockets>;
template class SocketListener<SimSockets>;
template class NetWorker<SimSockets>;
template class BasicSocketNet<SimSockets>;

SimSockets::SimSockets(SimExecutor& executor, SimNetwork& network) : executor_(executor), network_(network) {
  for (uint32_t i = 0; i < executor.workers(); ++i) {
    pollers_.push_back(std::make_unique<SimPoller>(network, executor, i));
    executor.attach(i, pollers_.back().get());
  }
}

bool SimSockets::Output::step() noexcept {
  const bool runs = inner_->pending();
  const bool more = inner_->step();
  if (runs) executor_.wake(worker_);
  return more;
}

void SimSockets::attach(uint32_t worker, Resident* resident) {
  outputs_.push_back(std::make_unique<Output>(executor_, worker, resident));
  executor_.attach(worker, outputs_.back().get());
}

void SimSockets::wait(std::latch& done) noexcept {
  executor_.run_until([&done] { return done.try_wait(); }, kStopStepsMax);
}

SimNet::SimNet(SimExecutor& executor, SimNetwork& network, SocketNetOptions options)
    : BasicSocketNet(SimSockets(executor, network), std::move(options)) {}

SimNet::~SimNet() = default;

}  // namespace orbit::kernel
