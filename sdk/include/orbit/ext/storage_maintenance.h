/* SPDX-License-Identifier: MIT OR BSD-3-Clause
 *
 * orbit.storage.maintenance/1, orbit.storage.bulk_load/1: provided by storage plugins beside orbit.storage/1; what an
 * operator has an engine do while it is in use, and how an empty one is filled at once.
 */
#ifndef ORBIT_EXT_STORAGE_MAINTENANCE_H
#define ORBIT_EXT_STORAGE_MAINTENANCE_H

#include "../abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ORBIT_STORAGE_MAINTENANCE_V1 "orbit.storage.maintenance/1"
#define ORBIT_STORAGE_BULK_LOAD_V1 "orbit.storage.bulk_load/1"

typedef struct orbit_storage_maintenance_v1 {
  uint32_t struct_size;
  uint32_t reserved;
  /* Reads everything that is in use from the device and compares checksums; ORBIT_DATA_LOSS names the first place that
   * is damaged. Readers and writers go on. Takes as long as the device does. [any thread] */
  orbit_code (*verify)(void* self, orbit_error* error);
  /* Gives back the room of what was erased and replaced, as far as no snapshot needs it. Readers and writers go on.
   * Takes as long as writing everything again. [any thread] */
  orbit_code (*compact)(void* self, orbit_error* error);
} orbit_storage_maintenance_v1;

enum {
  ORBIT_NEXT_END = 0,
  ORBIT_NEXT_ENTRY = 1,  /* key and value were set; they are valid until the next call */
  ORBIT_NEXT_GIVE_UP = 2 /* nothing is to be loaded: ORBIT_CANCELLED */
};
typedef int (*orbit_next_entry)(void* ctx, orbit_bytes* key, orbit_bytes* value);

typedef struct orbit_storage_bulk_load_v1 {
  uint32_t struct_size;
  uint32_t reserved;
  /* Fills an engine that has no entry and no snapshot with what `next` gives, in ascending order of keys: all of it,
   * durable when this returns, or nothing. It is faster than writing, and what it makes is packed.
   * ORBIT_FAILED_PRECONDITION: the engine is not empty; ORBIT_INVALID_ARGUMENT: a key does not come after the one
   * before. Nobody else uses the engine meanwhile. [any thread] */
  orbit_code (*bulk_load)(void* self, orbit_next_entry next, void* ctx, orbit_error* error);
} orbit_storage_bulk_load_v1;

#ifdef __cplusplus
}
#endif
#endif
