// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <orbit/actor_module.hpp>

#include "upgrade.orbit.hpp"

namespace {

class GreeterActor final : public upgrade::GreeterBase<GreeterActor> {
 public:
  upgrade::Greeting greet(const upgrade::GreetRequest&) {
    upgrade::GreeterState& mine = mutable_state();
    mine.set_greetings(mine.greetings() + 1);
    mine.set_since_upgrade(mine.since_upgrade() + 1);
    upgrade::Greeting greeting;
    greeting.set_text("v2: greeting " + std::to_string(mine.greetings()) + ", " + std::to_string(mine.since_upgrade()) +
                      " since the upgrade");
    return greeting;
  }
};

}  // namespace

ORBIT_ACTOR_MODULE("upgrade", "2.0.0", GreeterActor)
