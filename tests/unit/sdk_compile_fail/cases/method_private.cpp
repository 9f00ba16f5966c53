// expected: rpc probe.Numbered.Where: the actor class needs a public method
// SPDX-License-Identifier: MIT OR BSD-3-Clause

#include <orbit/actor_module.hpp>

#include "probe.orbit.hpp"

class Mine final : public probe::NumberedBase<Mine> {
 private:
  probe::Number where(const probe::Nothing&) const { return {}; }
};
ORBIT_ACTOR_MODULE("mine", "1.0.0", Mine)
