// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Leases: an actor that a client holds stays in memory past its idle timeout.
#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "call.hpp"

namespace orbit::client {

struct LeaseOptions {
  std::chrono::milliseconds duration{60'000};  // cut to the node's lease_ms_max; renewed after a third of it
};

namespace detail {
class HeldActor;
}

// While it, or a copy of it, lives, the client renews the lease in the background, many in one RPC. Letting go is not
// renewing: the actor may leave when the last client's lease has run out and its own idle timeout has passed.
//
// A lease is no lock and no promise: a node that runs into a bound on memory or activations lets actors leave all the
// same, and so does one that stops; the next renewal, or a call, brings the actor back with what it has stored.
class Lease {
 public:
  explicit Lease(std::shared_ptr<detail::HeldActor> held) : held_(std::move(held)) {}

  // Until then the node has promised.
  std::chrono::steady_clock::time_point until() const;
  // Why the last renewal failed; none: it did not. The client goes on trying.
  std::optional<Failure> failure() const;

 private:
  std::shared_ptr<detail::HeldActor> held_;
};

}  // namespace orbit::client
