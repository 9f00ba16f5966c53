// SPDX-License-Identifier: MIT OR BSD-3-Clause
#pragma once

#include "net/sim_network.hpp"
#include "orbit/testkit/network.hpp"

namespace orbit::testkit {

class Node;

inline uint64_t ns(std::chrono::milliseconds duration) {
  return duration.count() <= 0 ? 0 : static_cast<uint64_t>(std::chrono::nanoseconds(duration).count());
}

struct Network::Impl {
  Impl(uint64_t seed, Node* owner) : network({.seed = seed}), node(owner) {}

  template <class Change>
  void configure(Change change) {
    kernel::SimNetworkOptions how = network.options();
    change(how);
    network.configure(how);
  }

  kernel::SimNetwork network;
  Node* node;  // null once it is gone
};

struct Connection::Impl {
  std::shared_ptr<Network::Impl> network;  // lives longer than the client
  std::unique_ptr<kernel::SimClient> client;
};

}  // namespace orbit::testkit
