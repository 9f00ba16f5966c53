// expected: rpc probe.Numbered.Where: the actor class needs a public method where(const ::probe::Nothing&) const
// SPDX-License-Identifier: MIT OR BSD-3-Clause

#include <orbit/actor_module.hpp>

#include "probe.orbit.hpp"

class Mine final : public probe::NumberedBase<Mine> {};
ORBIT_ACTOR_MODULE("mine", "1.0.0", Mine)
