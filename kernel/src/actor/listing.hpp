// SPDX-License-Identifier: MIT OR BSD-3-Clause
// list and count of orbit.actors/1: over everything that is stored of a type, not only what is in memory.
#pragma once

#include "orbit/ext/actors.h"

namespace orbit::kernel {

void list_actors(const orbit_type* type, uint64_t from_hash, size_t limit, orbit_visit_actor visit,
                 void (*done)(void* ctx, uint64_t next_hash, orbit_code code, const char* message), void* ctx);
void count_actors(const orbit_type* type, void (*done)(void* ctx, uint64_t count, orbit_code code, const char* message), void* ctx);
void count_actors_of_types(const orbit_type* const* types, size_t type_count, uint64_t* counts,
                           void (*done)(void* ctx, orbit_code code, const char* message), void* ctx);

}  // namespace orbit::kernel
