/* SPDX-License-Identifier: MIT OR BSD-3-Clause
 *
 * orbit.storage.checkpoint/1: provided by storage plugins beside orbit.storage/1 whose data lies in a directory.
 */
#ifndef ORBIT_EXT_STORAGE_CHECKPOINT_H
#define ORBIT_EXT_STORAGE_CHECKPOINT_H

#include "../abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ORBIT_STORAGE_CHECKPOINT_V1 "orbit.storage.checkpoint/1"

typedef struct orbit_storage_checkpoint_v1 {
  uint32_t struct_size;
  uint32_t reserved;
  /* Makes a second, whole database at `path`, where nothing may be yet, of what was written before the call and perhaps of
   * what is written meanwhile; it survives a power cut when this returns. Readers and writers go on. Files may be shared with
   * the original where the file system can. The same plugin opens it when its data path is set to `path`. [any thread] */
  orbit_code (*checkpoint)(void* self, orbit_bytes path, orbit_error* error);
} orbit_storage_checkpoint_v1;

#ifdef __cplusplus
}
#endif
#endif
