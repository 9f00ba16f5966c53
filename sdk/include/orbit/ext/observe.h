/* SPDX-License-Identifier: MIT OR BSD-3-Clause
 *
 * orbit.log/1 and orbit.metrics/1: provided by the host.
 */
#ifndef ORBIT_EXT_OBSERVE_H
#define ORBIT_EXT_OBSERVE_H

#include "../abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ORBIT_LOG_V1 "orbit.log/1"
#define ORBIT_METRICS_V1 "orbit.metrics/1"

enum { ORBIT_LOG_TRACE = 0, ORBIT_LOG_DEBUG = 1, ORBIT_LOG_INFO = 2, ORBIT_LOG_WARN = 3, ORBIT_LOG_ERROR = 4 };

/* A field of a structured log line. */
typedef struct orbit_log_field {
  const char* name;
  orbit_bytes value;
} orbit_log_field;

typedef struct orbit_log_v1 {
  uint32_t struct_size;
  uint32_t reserved;
  int (*enabled)(const orbit_host* host, uint32_t level);
  /* Copied, queued, written by the log thread; never blocks (a full queue drops the oldest and counts it). [any thread] */
  void (*write)(const orbit_host* host, uint32_t level, orbit_bytes message, const orbit_log_field* fields, size_t count);
} orbit_log_v1;

/* Lives until the process ends. */
typedef struct orbit_counter orbit_counter;
typedef struct orbit_gauge orbit_gauge;
typedef struct orbit_histogram orbit_histogram; /* of durations; its name ends in _seconds */

typedef struct orbit_metrics_v1 {
  uint32_t struct_size;
  uint32_t reserved;
  /* Same name and labels give the same object. `labels` as in the text format, without braces: `command="get"`; may be
   * empty. Names follow Prometheus: orbit_<plugin>_<what>_<unit>[_total]. [main], [worker] */
  orbit_counter* (*counter)(const orbit_host* host, const char* name, const char* labels, const char* help);
  orbit_gauge* (*gauge)(const orbit_host* host, const char* name, const char* labels, const char* help);
  void (*add)(orbit_counter* counter, uint64_t amount); /* [any thread] */
  void (*set)(orbit_gauge* gauge, int64_t value);       /* [any thread] */

  /* ---- later additions: look at struct_size ---- */

  /* Its buckets end at 1, 2.5 and 5 of every decade from a microsecond to ten seconds. [main], [worker] */
  orbit_histogram* (*histogram)(const orbit_host* host, const char* name, const char* labels, const char* help);
  void (*observe)(orbit_histogram* histogram, uint64_t duration_ns); /* [any thread] */
} orbit_metrics_v1;

#ifdef __cplusplus
}
#endif
#endif
