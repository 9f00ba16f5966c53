// expected: (const, because it is read_only)
// SPDX-License-Identifier: MIT OR BSD-3-Clause

#include <orbit/actor_module.hpp>

#include "probe.orbit.hpp"

class Mine final : public probe::NumberedBase<Mine> {
 public:
  probe::Number where(const probe::Nothing&) { return {}; }
};
ORBIT_ACTOR_MODULE("mine", "1.0.0", Mine)
