/* SPDX-License-Identifier: MIT OR BSD-3-Clause
 *
 * orbit.backup_target/1: provided by plugins that keep backups elsewhere than in a folder of the machine.
 *
 * A place is a set of named objects of bytes, as a folder is one of files. The kernel writes backups into it in the format of
 * docs/formats/backup.md, and asks for nothing but what is here. Names are lower-case letters, digits and slashes, at most 100
 * bytes. Places are strongly consistent: what was written is read and listed by everybody from then on.
 */
#ifndef ORBIT_EXT_BACKUP_TARGET_H
#define ORBIT_EXT_BACKUP_TARGET_H

#include "../abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ORBIT_BACKUP_TARGET_V1 "orbit.backup_target/1"

typedef struct orbit_backup_place orbit_backup_place; /* opaque; owned by the plugin until it is closed */

/* Called for each object; the name is borrowed for the call. */
typedef void (*orbit_visit_object)(void* ctx, orbit_bytes name, uint64_t size);

/* All of these may wait for a network. They are called from one thread at a time per place [io, or main where no node runs]. */
typedef struct orbit_backup_target_v1 {
  uint32_t struct_size;
  uint32_t reserved;
  /* Of the addresses that this instance opens, without "://". Lives as long as the instance. [any thread] */
  orbit_bytes (*scheme)(void* self);
  /* Opens the place of an address, "SCHEME://" included. That nothing is there is not an error. */
  orbit_code (*open)(void* self, orbit_bytes address, orbit_backup_place** place, orbit_error* error);
  void (*close)(void* self, orbit_backup_place* place);
  /* Appends the object's bytes to `bytes`. ORBIT_NOT_FOUND: there is no such object. ORBIT_DATA_LOSS: it is longer than
   * bytes_max. */
  orbit_code (*read)(void* self, orbit_backup_place* place, orbit_bytes name, uint64_t bytes_max, orbit_sink bytes, orbit_error* error);
  /* The object is there, whole and safe from a power cut, when this returns ORBIT_OK; it is never there in part. With `replace`
   * 0 it must not exist: else ORBIT_ALREADY_EXISTS, and nothing changes, whoever asks at the same time. */
  orbit_code (*write)(void* self, orbit_backup_place* place, orbit_bytes name, orbit_bytes bytes, int replace, orbit_error* error);
  /* In ascending order of names, those that begin with the prefix. */
  orbit_code (*list)(void* self, orbit_backup_place* place, orbit_bytes prefix, orbit_visit_object visit, void* ctx, orbit_error* error);
  /* That it is not there is not an error. */
  orbit_code (*remove)(void* self, orbit_backup_place* place, orbit_bytes name, orbit_error* error);
} orbit_backup_target_v1;

#ifdef __cplusplus
}
#endif
#endif
