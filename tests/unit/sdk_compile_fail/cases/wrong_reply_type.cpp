// expected: no viable conversion from
// SPDX-License-Identifier: MIT OR BSD-3-Clause

#include <orbit/actor_module.hpp>

#include "probe.orbit.hpp"

orbit::Task<> use() {
  const probe::Numbered one(1);
  probe::Nothing nothing = co_await one.where(probe::Nothing());
  static_cast<void>(nothing);
}
