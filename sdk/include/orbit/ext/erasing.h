/* SPDX-License-Identifier: MIT OR BSD-3-Clause
 *
 * orbit.erasing/1: provided by the host; holds whose commit may erase all actors of whole types, in the same batch as
 * what they change.
 */
#ifndef ORBIT_EXT_ERASING_H
#define ORBIT_EXT_ERASING_H

#include "actors.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ORBIT_ERASING_V1 "orbit.erasing/1"

typedef struct orbit_erasing_v1 {
  uint32_t struct_size;
  uint32_t reserved;

  /* As orbit_actors_v1.hold, for a release that may erase `types`; refs may be none, but not types too
   * (INVALID_ARGUMENT). One at a time on the node: others wait for their turn. All types, those of refs too, lie in one
   * storage: else FAILED_PRECONDITION. UNAVAILABLE when that refuses writes. refs, keys and types are borrowed for the
   * call. [worker] */
  void (*hold)(const orbit_actor_ref* refs, size_t count, const orbit_type* const* types, size_t type_count,
               uint64_t deadline_ns, orbit_hold_granted granted, void* ctx);
  /* As orbit_actors_v1.release, which may be called instead. erase[i] not 0: all actors of types[i] end to exist,
   * durably and with everything that `dirty` says in one batch, or nothing of both happens and committed (may be null)
   * says why. In the batch the erasure comes first: a held actor of such a type has no records from then on. It is to
   * be dirty, and to have been cleared before it was changed, so that its `collect` writes all that it is.
   *
   * Waits for running turns of the types' other actors, whose activations are dropped; messages to them wait, then find
   * empty actors. The held actors stay closed until `committed`. A turn of such an actor that itself waits for a held
   * actor, or for another of these types, has it wait until that call ends. [worker that was granted] */
  void (*release)(orbit_hold* hold, const uint8_t* dirty, const uint8_t* erase, orbit_hold_committed committed,
                  void* ctx);
} orbit_erasing_v1;

#ifdef __cplusplus
}
#endif
#endif
