// expected: 'this' argument to member function 'mutable_state' has type 'const Mine'
// SPDX-License-Identifier: MIT OR BSD-3-Clause

#include <orbit/actor_module.hpp>

#include "probe.orbit.hpp"

class Mine final : public probe::NumberedBase<Mine> {
 public:
  probe::Number where(const probe::Nothing&) const {
    mutable_state().set_value(1);
    return {};
  }
};
ORBIT_ACTOR_MODULE("mine", "1.0.0", Mine)
