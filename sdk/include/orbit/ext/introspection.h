/* SPDX-License-Identifier: MIT OR BSD-3-Clause
 *
 * orbit.introspection/1: provided by the host; what the actors of the node do at this moment, for operators' tools. Answers are
 * JSON text (UTF-8, one value), so that a wire can pass them on; docs/admin-api.md names their fields.
 *
 * Each worker is asked with a piece of posted work and tells about itself. One that does not come to it, because a turn burns
 * it, is not waited for: it is reported as one that does not answer, with what it runs.
 */
#ifndef ORBIT_EXT_INTROSPECTION_H
#define ORBIT_EXT_INTROSPECTION_H

#include "node.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ORBIT_INTROSPECTION_V1 "orbit.introspection/1"

#define ORBIT_HOT_ACTORS_MAX 64u       /* actors that each worker keeps count of, by each measure */
#define ORBIT_WAITING_TURNS_MAX 10000u /* turns of one answer about waits */
#define ORBIT_DEAD_LETTERS_MAX 128u    /* that each worker keeps */
#define ORBIT_SLOW_TURNS_MAX 128u      /* that each worker keeps */

enum { ORBIT_HOT_BY_CALLS = 0, ORBIT_HOT_BY_TIME = 1 };

/* All answer through done, on the calling worker, a fraction of a second later at most unless there are millions of actors.
 * A limit above its bound counts as the bound. [worker] */
typedef struct orbit_introspection_v1 {
  uint32_t struct_size;
  uint32_t reserved;

  /* The last one-way messages that no turn handled, newest first: {dead_letters: [{time, worker, type, key, method, code,
   * reason}], counts: {code: n}, silent_workers: [n]}. */
  void (*dead_letters)(size_t limit, orbit_node_done done, void* ctx);
  /* The turns that wait, and for whom: {nodes, edges, deadlocks, truncated, silent_workers}. */
  void (*waits)(size_t limit, orbit_node_done done, void* ctx);
  /* {by, window_ms, workers, hot}: the busiest actors of the last seconds, by calls or by time, and what each worker does. */
  void (*top)(uint32_t by, size_t limit, orbit_node_done done, void* ctx);
  /* Turns that ran for longer than limits.slow_turn_ms without giving their worker back, newest first: {slow_turn_ms,
   * slow_turns: [{time, worker, type, key, method, duration_ms, running}], total}. */
  void (*slow_turns)(size_t limit, orbit_node_done done, void* ctx);
} orbit_introspection_v1;

#ifdef __cplusplus
}
#endif
#endif
