// SPDX-License-Identifier: MIT OR BSD-3-Clause
// orbit_actors_v1.state: the state of an actor as it is stored.
#pragma once

#include "orbit/ext/actors.h"

namespace orbit::kernel {

void read_state(const orbit_type* type, orbit_bytes key,
                void (*done)(void* ctx, orbit_bytes value, uint64_t version, orbit_code code, const char* message), void* ctx);

}  // namespace orbit::kernel
