/* SPDX-License-Identifier: MIT OR BSD-3-Clause
 *
 * orbit.streams/1: provided by the host. Durable publish and subscribe between actors.
 *
 * A stream is an actor of the kernel's type ORBIT_STREAM_TYPE; its key names it. Keys of streams of typed C++ actors are the
 * full name of the message, "/", and the stream's name. It keeps events in the order in which they were appended and numbers
 * them from 1 (their position), takes each (publisher, sequence) once, and delivers to its subscribers, one batch at a time
 * each, until they answer ORBIT_OK: at least once, in order. A subscriber that stores the position with what it does is
 * exactly-once in effect.
 */
#ifndef ORBIT_EXT_STREAMS_H
#define ORBIT_EXT_STREAMS_H

#include "actors.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ORBIT_STREAMS_V1 "orbit.streams/1"
#define ORBIT_STREAM_TYPE "orbit.Stream"

#define ORBIT_STREAM_NEW UINT64_MAX      /* as a position to begin at: what is appended from now on */
#define ORBIT_STREAM_EVENT_MAX 1048576u  /* bytes of one event */

typedef struct orbit_stream_event {
  uint64_t position;
  uint64_t sequence;         /* the publisher's own number */
  uint64_t time_ms;          /* when it was appended, Unix time */
  orbit_bytes publisher_type;
  orbit_bytes publisher_key;
  orbit_bytes payload;
} orbit_stream_event;

/* The payload of ORBIT_METHOD_EVENTS. Valid while the turn runs. */
typedef struct orbit_stream_batch {
  uint32_t struct_size;
  uint32_t count;
  const orbit_stream_event* events;  /* in order of position */
  orbit_bytes stream;
  uint64_t subscription;             /* as given to subscribe */
  uint32_t unsubscribed;             /* set to 1 by a callee that has no such subscription: it is removed */
  uint32_t reserved;
} orbit_stream_batch;

typedef struct orbit_stream_publish {
  uint64_t sequence;    /* of one publisher ever greater; one that the stream has already is not taken again */
  orbit_bytes payload;
} orbit_stream_publish;

typedef void (*orbit_stream_done)(void* ctx, orbit_code code, const char* message);

/* All arguments are borrowed for the call; done comes on the calling worker, possibly before the function returns. [worker] */
typedef struct orbit_streams_v1 {
  uint32_t struct_size;
  uint32_t reserved;
  /* Appends all or none. ORBIT_OK: the events are stored. RESOURCE_EXHAUSTED: the stream holds as many events as it may that
   * some subscriber has not taken (the message names the bound and the subscriber); try again later. */
  void (*append)(orbit_bytes stream, orbit_bytes publisher_type, orbit_bytes publisher_key, const orbit_stream_publish* events,
                 size_t count, orbit_stream_done done, void* ctx);
  /* Delivers to that actor from now on: events at `from` (at the earliest that is kept, if that is later; or
   * ORBIT_STREAM_NEW) and later. `subscription` comes with every batch; a greater one than that in force replaces it, an equal
   * or lesser one changes nothing. With ORBIT_STREAM_NEW a subscriber that is known goes on where it is. */
  void (*subscribe)(orbit_bytes stream, orbit_bytes type, orbit_bytes key, uint64_t from, uint64_t subscription,
                    orbit_stream_done done, void* ctx);
  void (*unsubscribe)(orbit_bytes stream, orbit_bytes type, orbit_bytes key, uint64_t subscription, orbit_stream_done done,
                      void* ctx);

  /* A transient observer, in memory only: on_events on this worker for what is stored at `from` and later, in order, each event
   * once, until its lease ends. on_end is called once: ORBIT_OK after cancel, DEADLINE_EXCEEDED when the lease ended,
   * RESOURCE_EXHAUSTED when it did not keep up, UNAVAILABLE when the stream had to be read from storage anew. */
  uint64_t (*observe)(orbit_bytes stream, uint64_t from, uint64_t lease_ms,
                      void (*on_events)(void* ctx, const orbit_stream_event* events, size_t count),
                      void (*on_end)(void* ctx, orbit_code code, const char* message), void* ctx);
  /* The lease begins anew. Returns 0 when there is no such observer any more. [the worker that called observe] */
  int (*renew)(uint64_t observer, uint64_t lease_ms);
  /* [the worker that called observe] */
  void (*cancel)(uint64_t observer);
} orbit_streams_v1;

#ifdef __cplusplus
}
#endif
#endif
