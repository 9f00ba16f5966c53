/* SPDX-License-Identifier: MIT OR BSD-3-Clause
 *
 * orbit.storage.fenced/1, orbit.storage.shared/1: provided by storage plugins beside orbit.storage/1.
 *
 * Fenced: a batch that is applied only if conditions on keys hold at the moment when it is applied. A node that was
 * overtaken cannot write any more, whatever it still believes: it carries its epoch as a FENCE, and whoever took over has
 * raised that.
 */
#ifndef ORBIT_EXT_STORAGE_FENCED_H
#define ORBIT_EXT_STORAGE_FENCED_H

#include "storage.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ORBIT_STORAGE_FENCED_V1 "orbit.storage.fenced/1"
#define ORBIT_STORAGE_SHARED_V1 "orbit.storage.shared/1"

enum {
  ORBIT_CONDITION_ABSENT = 1, /* there is no such key; `value` is not looked at */
  ORBIT_CONDITION_EQUALS = 2, /* the key is there and has exactly this value */
  /* There is no such key, or its value is at most this one (unsigned bytes, shorter first: write epochs as big-endian
   * numbers of one width). The batch then also sets the key to `value`, before its operations: an epoch is raised, checked
   * and remembered in the one step. */
  ORBIT_CONDITION_FENCE = 3
};

/* Most conditions of a batch. */
#define ORBIT_CONDITIONS_MAX 64u

typedef struct orbit_condition {
  uint32_t kind;
  uint32_t reserved;
  orbit_bytes key;
  orbit_bytes value;
} orbit_condition;

typedef struct orbit_storage_fenced_v1 {
  uint32_t struct_size;
  uint32_t reserved;
  /* As `write` of orbit.storage/1 if every condition holds; nobody changes their keys between the check and the write.
   * Otherwise nothing changes and the code is ORBIT_ABORTED, which means nothing else: `*failed` (may be null) is the index
   * of a condition that does not hold, and the message names its key, what was expected and what was found. A key may be in
   * one condition only, and there are at most ORBIT_CONDITIONS_MAX: else ORBIT_INVALID_ARGUMENT. One of `write` and
   * `write_if` is called at a time. [any thread] */
  orbit_code (*write_if)(void* self, const orbit_condition* conditions, size_t condition_count, const orbit_write_op* ops,
                         size_t count, int sync, size_t* failed, orbit_error* error);
} orbit_storage_fenced_v1;

/* A promise without functions: all instances that are configured alike, in any process on any machine, see one map. What
 * one has acknowledged, every read of another that begins afterwards sees; batches of different instances do not mix. An
 * engine that does not provide it belongs to one instance at a time. */
typedef struct orbit_storage_shared_v1 {
  uint32_t struct_size;
  uint32_t reserved;
} orbit_storage_shared_v1;

#ifdef __cplusplus
}
#endif
#endif
