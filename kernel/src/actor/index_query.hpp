// SPDX-License-Identifier: MIT OR BSD-3-Clause
// query and query_json of orbit.actors/1: actors by the value of an indexed field.
#pragma once

#include "orbit/ext/actors.h"

namespace orbit::kernel {

void query_index(const orbit_type* type, const orbit_index_query* query, orbit_visit_index visit,
                 void (*done)(void* ctx, orbit_bytes next, orbit_code code, const char* message), void* ctx);
void query_index_json(orbit_bytes type, orbit_bytes index, orbit_bytes json,
                      void (*done)(void* ctx, orbit_code code, orbit_bytes json_or_message), void* ctx);

}  // namespace orbit::kernel
