// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The network of a simulated node: the connections and listeners of SocketNet, on sockets of a SimNetwork. TLS is
// refused: OpenSSL draws random numbers and reads a clock of its own, so that no seed would say what it does.
#pragma once

#include "net/sim_sockets.hpp"
#include "net/socket_net.hpp"

namespace orbit::kernel {

class SimNet final : public BasicSocketNet<SimSockets> {
 public:
  // Attaches itself to the executor's workers, so before its start. The network is attached to the executor already,
  // and both live longer.
  SimNet(SimExecutor& executor, SimNetwork& network, SocketNetOptions options);
  ~SimNet() override;
};

}  // namespace orbit::kernel
