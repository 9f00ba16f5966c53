/* SPDX-License-Identifier: MIT OR BSD-3-Clause
 *
 * orbit.storage/1, orbit.storage.snapshot/1, orbit.storage.cached/1: provided by storage plugins.
 *
 * A storage engine is an ordered map from byte strings to byte strings; keys compare as unsigned bytes (memcmp, shorter
 * first). It is synchronous and needs no threads: the kernel adds the I/O pool, group commit and metrics. Any function may
 * be called from several threads at once [any thread]; `write` is called by one thread at a time.
 */
#ifndef ORBIT_EXT_STORAGE_H
#define ORBIT_EXT_STORAGE_H

#include "../abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ORBIT_STORAGE_V1 "orbit.storage/1"
#define ORBIT_STORAGE_SNAPSHOT_V1 "orbit.storage.snapshot/1"
#define ORBIT_STORAGE_CACHED_V1 "orbit.storage.cached/1"

typedef struct orbit_snapshot orbit_snapshot; /* opaque; owned by the engine until released */

enum {
  ORBIT_WRITE_PUT = 1,         /* key, value */
  ORBIT_WRITE_DELETE = 2,      /* key; deleting what is not there is not an error */
  ORBIT_WRITE_DELETE_RANGE = 3 /* key <= k < value; an empty value means to the end */
};

typedef struct orbit_write_op {
  uint32_t kind;
  uint32_t reserved;
  orbit_bytes key;
  orbit_bytes value;
} orbit_write_op;

/* Called for each entry; the bytes are borrowed for the call. Return 0 to stop the scan, another value to go on. */
typedef int (*orbit_visit_entry)(void* ctx, orbit_bytes key, orbit_bytes value);
/* Called once per asked key, in any order; value is meaningful only when found. */
typedef void (*orbit_visit_value)(void* ctx, size_t index, int found, orbit_bytes value);

typedef struct orbit_storage_v1 {
  uint32_t struct_size;
  uint32_t reserved;
  /* Appends the value to `value`. ORBIT_NOT_FOUND (message may be left empty) when there is none. `snapshot` may be null:
   * the newest state. */
  orbit_code (*get)(void* self, orbit_snapshot* snapshot, orbit_bytes key, orbit_sink value, orbit_error* error);
  orbit_code (*multi_get)(void* self, orbit_snapshot* snapshot, const orbit_bytes* keys, size_t count,
                          orbit_visit_value visit, void* ctx, orbit_error* error);
  /* Visits from <= key < to in ascending order, or the same range in descending order when `reverse` is not 0. An empty
   * `to` means to the end. A scan sees one consistent state. */
  orbit_code (*scan)(void* self, orbit_snapshot* snapshot, orbit_bytes from, orbit_bytes to, int reverse,
                     orbit_visit_entry visit, void* ctx, orbit_error* error);
  /* Applies all operations in order, or none. With `sync` not 0 it returns only when they survive a power cut; without, when
   * they survive the death of the process if the engine is durable at all. A later op on the same key wins. */
  orbit_code (*write)(void* self, const orbit_write_op* ops, size_t count, int sync, orbit_error* error);
  /* Makes every earlier write survive a power cut. */
  orbit_code (*sync)(void* self, orbit_error* error);
  /* Tries to leave an error state (a full disk that has room again). ORBIT_OK when writes may be tried again. */
  orbit_code (*recover)(void* self, orbit_error* error);
  /* Approximate bytes held, on disk or in memory. */
  uint64_t (*size_bytes)(void* self);
} orbit_storage_v1;

typedef struct orbit_storage_snapshot_v1 {
  uint32_t struct_size;
  uint32_t reserved;
  /* A consistent view for the reading functions of orbit.storage/1; cheap; writers are not blocked. */
  orbit_code (*create)(void* self, orbit_snapshot** snapshot, orbit_error* error);
  void (*release)(void* self, orbit_snapshot* snapshot);
} orbit_storage_snapshot_v1;

typedef struct orbit_storage_cached_v1 {
  uint32_t struct_size;
  uint32_t reserved;
  /* As get on the newest state, but never waits for a device: ORBIT_UNAVAILABLE when only that could tell. */
  orbit_code (*get)(void* self, orbit_bytes key, orbit_sink value, orbit_error* error);
} orbit_storage_cached_v1;

#ifdef __cplusplus
}
#endif
#endif
