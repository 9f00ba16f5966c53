// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <orbit/actor_module.hpp>

#include "bench_wires.orbit.hpp"

namespace bench_wires {

class EchoActor final : public EchoBase<EchoActor> {
 public:
  Text say(const Text& text) {
    mutable_state().set_calls(state().calls() + 1);
    return text;
  }
  EchoState calls(const Nothing&) const { return state(); }
};

}  // namespace bench_wires

ORBIT_ACTOR_MODULE("actors.bench_wires", "1.0.0", bench_wires::EchoActor)
