// expected: no member named 'wear' in 'probe::Numbered'
// SPDX-License-Identifier: MIT OR BSD-3-Clause

#include <orbit/actor_module.hpp>

#include "probe.orbit.hpp"

orbit::Task<> use() {
  const probe::Numbered one(1);
  co_await one.wear(probe::Nothing());
}
