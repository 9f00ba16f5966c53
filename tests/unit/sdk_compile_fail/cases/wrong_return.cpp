// expected: rpc probe.Numbered.Where: where must return ::probe::Number, or orbit::Result, orbit::Task
// SPDX-License-Identifier: MIT OR BSD-3-Clause

#include <orbit/actor_module.hpp>

#include "probe.orbit.hpp"

class Mine final : public probe::NumberedBase<Mine> {
 public:
  orbit::Task<probe::State> where(const probe::Nothing&) const { co_return probe::State(); }
};
ORBIT_ACTOR_MODULE("mine", "1.0.0", Mine)
