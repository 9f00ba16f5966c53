/* SPDX-License-Identifier: MIT OR BSD-3-Clause
 *
 * orbit.workers/1: provided by the host. Workers, time, timers and the I/O pool; the only clock and random source that a
 * plugin should use, so that a simulated node replays.
 */
#ifndef ORBIT_EXT_WORKERS_H
#define ORBIT_EXT_WORKERS_H

#include "../abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ORBIT_WORKERS_V1 "orbit.workers/1"
#define ORBIT_NO_WORKER 0xffffffffu

typedef void (*orbit_function)(void* ctx);
typedef uint64_t orbit_timer; /* 0: none */

typedef struct orbit_workers_v1 {
  uint32_t struct_size;
  uint32_t reserved;
  uint32_t (*count)(const orbit_host* host);                 /* [any thread] */
  uint32_t (*current)(const orbit_host* host);               /* ORBIT_NO_WORKER outside workers [any thread] */
  /* Runs function(ctx) on that worker soon, in order of posting per posting thread. [any thread] */
  void (*post)(const orbit_host* host, uint32_t worker, orbit_function function, void* ctx);
  /* Runs function(ctx) once on the current worker after delay_ms (of the injected clock). [worker] */
  orbit_timer (*after)(const orbit_host* host, uint64_t delay_ms, orbit_function function, void* ctx);
  /* Returns 1 when the timer will not run any more because of this call. [the worker that armed it] */
  int (*cancel)(const orbit_host* host, orbit_timer timer);
  /* Runs function(ctx) on the I/O pool, for what may block. ORBIT_RESOURCE_EXHAUSTED when its queue is full. [any thread] */
  orbit_code (*blocking)(const orbit_host* host, orbit_function function, void* ctx);
  uint64_t (*monotonic_ns)(const orbit_host* host);          /* [any thread] */
  uint64_t (*unix_ms)(const orbit_host* host);               /* coarse on a worker: read once per step [any thread] */
  uint64_t (*random)(const orbit_host* host);                /* 64 uniform bits from the node's seed [worker] */
} orbit_workers_v1;

#ifdef __cplusplus
}
#endif
#endif
