// compiles
// SPDX-License-Identifier: MIT OR BSD-3-Clause

#include <orbit/actor_module.hpp>

#include "probe.orbit.hpp"

using namespace probe;

class Mine final : public NumberedBase<Mine> {
 public:
  orbit::Task<orbit::Result<Number>> where(Nothing) const { co_return Number(); }
};

orbit::Task<> use() {
  const Numbered one(1);
  Number number = co_await one.where(Nothing());
  static_cast<void>(number);
  const Probe probe("a key");
  probe.tell(Number());
  const Blob blob(std::string("\0", 1));
  static_cast<void>(co_await blob.key_size(Nothing()));
}

ORBIT_ACTOR_MODULE("mine", "1.0.0", Mine)
