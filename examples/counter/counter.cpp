// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "counter.hpp"

#include <orbit/actor_module.hpp>

namespace counter {

orbit::Result<> CounterActor::add_to_state(int64_t by) {
  int64_t sum = 0;
  if (__builtin_add_overflow(state().value(), by, &sum)) {
    return orbit::fail(orbit::Code::out_of_range, "the counter would leave the range of int64");
  }
  mutable_state().set_value(sum);
  return {};
}

orbit::Result<Value> CounterActor::add(const AddRequest& request) {
  if (orbit::Result<> added = add_to_state(request.by()); !added) return tl::unexpected(added.error());
  Value reply;
  reply.set_value(state().value());
  return reply;
}

orbit::Result<> CounterActor::bump(const AddRequest& request) { return add_to_state(request.by()); }

Value CounterActor::get(const GetRequest&) const {
  Value reply;
  reply.set_value(state().value());
  return reply;
}

Nothing CounterActor::reset(const ResetRequest&) {
  erase_state();
  return {};
}

}  // namespace counter

ORBIT_ACTOR_MODULE("counter", "1.0.0", counter::CounterActor)
