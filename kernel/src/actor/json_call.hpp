// SPDX-License-Identifier: MIT OR BSD-3-Clause
// call_json and start_json of orbit.actors/1: a method by name, with JSON in and out.
#pragma once

#include "orbit/ext/actors.h"

namespace orbit::kernel {

orbit_envelope* start_json(orbit_bytes type, orbit_bytes key, orbit_bytes method, orbit_bytes json, uint64_t deadline_ns,
                           const orbit_context_entry* context, size_t context_count,
                           void (*done)(void* ctx, orbit_code code, orbit_bytes json_or_message), void* ctx);

}  // namespace orbit::kernel
