// expected: member reference base type 'void' is not a structure or union
// SPDX-License-Identifier: MIT OR BSD-3-Clause

#include <orbit/actor_module.hpp>

#include "probe.orbit.hpp"

orbit::Task<> use() {
  const probe::Probe one("a");
  co_await one.tell(probe::Number());
}
