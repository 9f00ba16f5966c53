// SPDX-License-Identifier: MIT OR BSD-3-Clause
#pragma once

#include "counter.orbit.hpp"

namespace counter {

class CounterActor final : public CounterBase<CounterActor> {
 public:
  orbit::Result<Value> add(const AddRequest& request);
  orbit::Result<> bump(const AddRequest& request);
  Value get(const GetRequest& request) const;
  Nothing reset(const ResetRequest& request);

 private:
  orbit::Result<> add_to_state(int64_t by);
};

}  // namespace counter
