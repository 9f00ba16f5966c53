/* SPDX-License-Identifier: MIT OR BSD-3-Clause
 *
 * orbit.storage_ops/1: provided by the host; what an operator does with the storage instances of a running node. Answers are
 * JSON text (UTF-8, one value), as those of orbit.node/1; docs/admin-api.md names their fields.
 */
#ifndef ORBIT_EXT_STORAGE_OPS_H
#define ORBIT_EXT_STORAGE_OPS_H

#include "../abi.h"
#include "node.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ORBIT_STORAGE_OPS_V1 "orbit.storage_ops/1"

typedef struct orbit_storage_ops_v1 {
  uint32_t struct_size;
  uint32_t reserved;

  /* These answer at once. [any thread] */
  void (*storages)(orbit_sink json);   /* [{name, used, writable, error, size_bytes}] */
  void (*migrations)(orbit_sink json); /* [{from, to, stage: copying|verifying|done|failed|interrupted, entries, bytes,
                                          written_bytes, mirrored_operations, error}], the running one last */

  /* Begins to move what one instance has to another, or goes on with a migration that was interrupted; answers the
   * migration once it has begun. FAILED_PRECONDITION: the target holds something else, or one is running. [worker] */
  void (*migrate)(orbit_bytes from, orbit_bytes to, orbit_node_done done, void* ctx);

  /* [{storage, folder, stage: saving|done|failed, number, entries, bytes, chunks, new_chunks, new_bytes, error}], the running
   * one last. [any thread] */
  void (*backups)(orbit_sink json);
  /* Begins to save an instance in use, as of this moment, into a folder of the node's machine (an absolute path); answers the
   * backup once it has begun. FAILED_PRECONDITION: one is running. [worker] */
  void (*backup)(orbit_bytes storage, orbit_bytes folder, orbit_node_done done, void* ctx);

  /* What follows is there if struct_size says so. */

  /* [{kind, storage, path, stage: running|done|failed, entries, bytes, result, error}], the running one last. [any
   * thread] */
  void (*jobs)(orbit_sink json);
  /* Begins work on an instance, used or not: "check", "stats", "compact", or "checkpoint", which makes a second
   * database in `path` (absolute, nothing is there yet; empty for the others); answers the job once it has begun.
   * FAILED_PRECONDITION: one is running; UNIMPLEMENTED: the engine cannot. [worker] */
  void (*work)(orbit_bytes kind, orbit_bytes storage, orbit_bytes path, orbit_node_done done, void* ctx);
  /* Most bytes that migrations, backups, checks and counts read a second, together; 0: no limit. What runs heeds a new
   * one. [any thread] */
  uint64_t (*bytes_per_second)(void);
  void (*set_bytes_per_second)(uint64_t limit);
} orbit_storage_ops_v1;

#ifdef __cplusplus
}
#endif
#endif
