/* SPDX-License-Identifier: MIT OR BSD-3-Clause
 *
 * orbit.node/1: provided by the host; what an operator's tool needs: to see the node and to act on it. Answers are JSON
 * text (UTF-8, one value), so that a wire can pass them on; docs/admin-api.md names their fields.
 */
#ifndef ORBIT_EXT_NODE_H
#define ORBIT_EXT_NODE_H

#include "../abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ORBIT_NODE_V1 "orbit.node/1"

/* json: the answer, or the error's message when code is not ORBIT_OK. Borrowed for the call. */
typedef void (*orbit_node_done)(void* ctx, orbit_code code, orbit_bytes json);

typedef struct orbit_node_v1 {
  uint32_t struct_size;
  uint32_t reserved;

  /* These answer at once. [any thread] */
  void (*node)(orbit_sink json);       /* {name, version, state: starting|ready|draining, started_at, uptime_ms, pid, workers,
                                          memory_bytes, activations, listeners: [{plugin, address, tls,
                                          open_to}]} */
  void (*workers)(orbit_sink json);    /* [{worker, activations, memory_bytes, turns_total, messages_total, ..._total}] */
  void (*plugins)(orbit_sink json);    /* [{instance, id, version, file, state, configured, provides, needs, error}] */
  void (*modules)(orbit_sink json);    /* [{name, version, generation, file, state: active|draining|retired, types: [..],
                                          activations}] */
  void (*types)(orbit_sink json);      /* [{name, module, generation, storage, durability, state_type, idle_timeout_ms, mailbox_max,
                                          activations, methods: [{name, input, output, read_only, one_way}]}] */
  void (*config)(orbit_sink json);     /* the configuration in force, defaults filled in, secrets as "(set)" */
  void (*metrics)(orbit_sink text);    /* Prometheus text format 0.0.4 */
  int (*ready)(void);                  /* 1: started and not draining */
  orbit_code (*set_log_level)(orbit_bytes logger, orbit_bytes level, orbit_error* error); /* empty logger: all */
  void (*log_levels)(orbit_sink json); /* {"default": "info", loggers: {...}} */

  /* These answer through done, on the calling worker. [worker] */
  void (*activations)(orbit_bytes type, orbit_bytes cursor, size_t limit, orbit_node_done done, void* ctx);
                                       /* {activations: [{type, key, worker, mailbox, memory_bytes, idle_ms, version,
                                          generation, state}], next_cursor (null at the end)}; empty type: all */
  void (*activation)(orbit_bytes type, orbit_bytes key, orbit_node_done done, void* ctx); /* one of them, or NOT_FOUND */
  void (*deactivate)(orbit_bytes type, orbit_bytes key, orbit_node_done done, void* ctx);
  /* Probes the file in a child process, then loads it; a module whose name is loaded already is upgraded. */
  void (*load_module)(orbit_bytes path, orbit_node_done done, void* ctx);
  /* Drains a module's activations; its types answer NOT_FOUND afterwards. */
  void (*retire_module)(orbit_bytes name, orbit_node_done done, void* ctx);

  /* ---- later additions: look at struct_size ---- */

  /* {position, lines: [..]}: the last lines of the log behind a position of an earlier answer (0: all that are kept, at most 1000),
   * at most `limit` of them. Longer ones than 2 KiB are cut. [any thread] */
  void (*log_tail)(uint64_t after, size_t limit, orbit_sink json);
  /* Brings an actor into memory unless it is there, and keeps it there for duration_ms from now: its idle timeout does not count
   * until then. A later call makes the time longer, never shorter. A bound on memory or activations, deactivate, and the actor's own
   * wish to leave count all the same. {kept_ms: how long from now}. FAILED_PRECONDITION: its type is stateless. duration_ms: at most
   * ORBIT_KEEP_MS_MAX. deadline_ns: monotonic, 0: none. Answers through done, on the calling worker. [worker] */
  void (*keep)(orbit_bytes type, orbit_bytes key, uint64_t duration_ms, uint64_t deadline_ns, orbit_node_done done, void* ctx);
  /* Does for one more plugin what a node does for each [[plugin]] when it starts: finds its file, tries it in a child
   * process, checks its settings, creates and starts it. `entry` is a JSON object with what stands under [[plugin]]:
   * {name, id, path, required, config: {..}}. Answers {plugin: as `plugins` lists it, toml: the entry as text for the
   * configuration, lasts: for people how long}. INVALID_ARGUMENT: every mistake, one a line.
   * FAILED_PRECONDITION: also a kind of plugin that a node takes up only when it starts. After an error the node is as
   * it was. Answers through done, on the calling worker. [worker] */
  void (*load_plugin)(orbit_bytes entry, orbit_node_done done, void* ctx);
  /* Stops a plugin that serves a wire, and answers when its connections have ended, which the node closes after 5 s,
   * and its actors have left. Its name is free then, not before. FAILED_PRECONDITION: it provides something that others
   * may use, is the instance that `host` belongs to, or is being unloaded. DEADLINE_EXCEEDED: it is stopped and its
   * name is free, but workers have not closed its connections within another 5 s, or actors have not left within
   * stop_timeout_ms: they do when what they are in ends. INTERNAL: its stop hung or threw; it accepts no more, stays
   * listed as failed and keeps its name, and to ask again answers the same. Answers through done, on the calling
   * worker. [worker] */
  void (*unload_plugin)(const orbit_host* host, orbit_bytes name, orbit_node_done done, void* ctx);
} orbit_node_v1;

#define ORBIT_KEEP_MS_MAX 86400000u /* a day */

#ifdef __cplusplus
}
#endif
#endif
