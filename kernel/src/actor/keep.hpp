// SPDX-License-Identifier: MIT OR BSD-3-Clause
// orbit_node_v1.keep: somebody outside wants an actor to stay in memory for a while.
#pragma once

#include <cstdint>
#include <string>

#include "actor/runtime.hpp"

namespace orbit::kernel {

// Answers on the calling worker. [worker]
void keep_activation(Runtime& runtime, std::string type, std::string key, uint64_t duration_ms, uint64_t deadline_ns,
                     Runtime::Done done);

}  // namespace orbit::kernel
