// expected: co_await the call: it is not made otherwise
// SPDX-License-Identifier: MIT OR BSD-3-Clause

#include <orbit/actor_module.hpp>

#include "probe.orbit.hpp"

void use() {
  const probe::Numbered one(1);
  one.where(probe::Nothing());
}
