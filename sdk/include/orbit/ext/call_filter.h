/* SPDX-License-Identifier: MIT OR BSD-3-Clause
 *
 * orbit.call_filter/1: provided by plugins that want to see every call of an actor on this node: to check access, to trace, to
 * count. Asked in the order of the plugins in the configuration. A node without such a plugin pays nothing.
 */
#ifndef ORBIT_EXT_CALL_FILTER_H
#define ORBIT_EXT_CALL_FILTER_H

#include "actors.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ORBIT_CALL_FILTER_V1 "orbit.call_filter/1"

/* Borrowed for the call. */
typedef struct orbit_call_info {
  uint32_t struct_size;
  uint32_t method_id;
  const char* type;     /* "bank.Account" */
  orbit_bytes key;
  const char* method;   /* "Deposit"; null: the type has no such method, or is not loaded */
  uint64_t deadline_ns; /* monotonic; 0: none */
  uint32_t one_way;
  uint32_t from_actor;  /* not 0: sent from within a turn */
} orbit_call_info;

/* Any function may be null. They run on workers, on the path of every message, and must not block. orbit_actors_v1.context
 * gives the call's context in `incoming` and in `ended`, the sender's in `outgoing`. [worker] */
typedef struct orbit_call_filter_v1 {
  uint32_t struct_size;
  uint32_t reserved;
  /* A message is about to be sent. May add to its context (orbit_actors_v1.set_context with `call`). Other than ORBIT_OK: it is
   * refused with that code and message. */
  orbit_code (*outgoing)(void* self, const orbit_call_info* info, orbit_envelope* call, orbit_error* error);
  /* A turn is about to begin: the place for checking access. Other than ORBIT_OK: it does not run, and its caller is refused. */
  orbit_code (*incoming)(void* self, const orbit_call_info* info, orbit_error* error);
  /* A turn that `incoming` let in has ended with that code. elapsed_ns: waits included; coarse, on the worker's clock. */
  void (*ended)(void* self, const orbit_call_info* info, orbit_code code, uint64_t elapsed_ns);
} orbit_call_filter_v1;

#ifdef __cplusplus
}
#endif
#endif
