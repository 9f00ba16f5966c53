// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <orbit/actor_module.hpp>

#include "upgrade.orbit.hpp"

namespace {

class GreeterActor final : public upgrade::GreeterBase<GreeterActor> {
 public:
  upgrade::Greeting greet(const upgrade::GreetRequest&) {
    mutable_state().set_greetings(state().greetings() + 1);
    upgrade::Greeting greeting;
    greeting.set_text("v1: greeting " + std::to_string(state().greetings()));
    return greeting;
  }
};

}  // namespace

ORBIT_ACTOR_MODULE("upgrade", "1.0.0", GreeterActor)
