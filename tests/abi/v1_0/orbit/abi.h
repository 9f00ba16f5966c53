/* SPDX-License-Identifier: MIT OR BSD-3-Clause
 *
 * The edge between an Orbit node and its plugins. Plain C, stdint only; compiles as C11 and as C++20.
 *
 * Rules of the edge
 *  - A plugin exports one symbol, `orbit_plugin`, a function of type orbit_plugin_entry. Everything else is hidden.
 *  - Every struct that may grow starts with `struct_size`. Read a field only if it lies within that size.
 *  - `ORBIT_ABI_MAJOR` changes when an existing layout or meaning changes: another major is refused. The minor grows when
 *    something is added: a plugin built against a newer minor loads, and must ask for what it needs by capability.
 *  - Neither exceptions nor C++ types cross. Errors are an orbit_code and a message in a caller-supplied orbit_error.
 *  - Strings are NUL-terminated where typed `const char*`, counted where typed orbit_bytes. Unless a comment says
 *    otherwise an argument is borrowed for the call and a returned pointer stays owned by who returned it.
 *  - Thread tags: [any thread]; [worker] the worker that owns the object; [main] the node's main thread, one call at a
 *    time; [io] a thread of the I/O pool.
 */
#ifndef ORBIT_ABI_H
#define ORBIT_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ORBIT_ABI_MAJOR 1
#define ORBIT_ABI_MINOR 0
#define ORBIT_PLUGIN_SYMBOL "orbit_plugin"

/* ---- values --------------------------------------------------------------------------------------------------- */

/* A counted, borrowed run of bytes. `data` may be null when `size` is 0. */
typedef struct orbit_bytes {
  const char* data;
  size_t size;
} orbit_bytes;

/* Frozen. The numbers and meanings are those of google.rpc.Code, so that every wire can map them. */
typedef int32_t orbit_code;
enum {
  ORBIT_OK = 0,
  ORBIT_CANCELLED = 1,
  ORBIT_UNKNOWN = 2,
  ORBIT_INVALID_ARGUMENT = 3,
  ORBIT_DEADLINE_EXCEEDED = 4,
  ORBIT_NOT_FOUND = 5,
  ORBIT_ALREADY_EXISTS = 6,
  ORBIT_PERMISSION_DENIED = 7,
  ORBIT_RESOURCE_EXHAUSTED = 8, /* a bound was reached; the message names it */
  ORBIT_FAILED_PRECONDITION = 9,
  ORBIT_ABORTED = 10,
  ORBIT_OUT_OF_RANGE = 11,
  ORBIT_UNIMPLEMENTED = 12,
  ORBIT_INTERNAL = 13,
  ORBIT_UNAVAILABLE = 14, /* try again later */
  ORBIT_DATA_LOSS = 15,
  ORBIT_UNAUTHENTICATED = 16
};

#define ORBIT_ERROR_MESSAGE_MAX 500

/* Filled by the callee when it returns another code than ORBIT_OK. The caller sets struct_size. The message is
 * NUL-terminated and cut at ORBIT_ERROR_MESSAGE_MAX - 1 bytes. */
typedef struct orbit_error {
  uint32_t struct_size;
  orbit_code code;
  char message[ORBIT_ERROR_MESSAGE_MAX];
} orbit_error;

/* Receives bytes that the callee produces; may be called several times, the parts are to be joined. The bytes are
 * borrowed for the call. */
typedef struct orbit_sink {
  void* ctx;
  void (*append)(void* ctx, orbit_bytes part);
} orbit_sink;

/* ---- configuration -------------------------------------------------------------------------------------------- */

typedef uint32_t orbit_option_type;
enum {
  ORBIT_OPTION_STRING = 1,
  ORBIT_OPTION_INTEGER = 2, /* int64; the key's last word names the unit: idle_timeout_ms, size_bytes */
  ORBIT_OPTION_NUMBER = 3,  /* double */
  ORBIT_OPTION_BOOLEAN = 4,
  ORBIT_OPTION_STRING_LIST = 5
};

enum { ORBIT_OPTION_SECRET = 1u /* never printed; `config in force` shows it as set or unset */ };

/* One key of a plugin's [plugin.config] table; said once, and from it come validation, defaults, --describe and
 * configs/reference.toml. */
typedef struct orbit_option {
  uint32_t struct_size;
  orbit_option_type type;
  uint32_t flags;
  uint32_t reserved;
  const char* key;            /* dots nest: "tls.certificate" is certificate in [plugin.config.tls] */
  const char* default_value;  /* as it would be written in TOML, e.g. "\"0.0.0.0\"" or "100"; null: required */
  const char* doc;            /* one sentence */
  const char* const* choices; /* STRING: null-ended list of allowed values; null: any */
  double min;                 /* INTEGER, NUMBER: inclusive bounds, used when min < max */
  double max;
} orbit_option;

/* One value of the validated configuration. Every key of the schema is present, defaults filled in. */
typedef struct orbit_value {
  const char* key;
  orbit_option_type type;
  uint32_t list_count;
  orbit_bytes string;       /* STRING */
  int64_t integer;          /* INTEGER; BOOLEAN as 0 or 1 */
  double number;            /* NUMBER */
  const orbit_bytes* list;  /* STRING_LIST */
} orbit_value;

/* Borrowed by `create`; copy what is to be kept. */
typedef struct orbit_config {
  uint32_t struct_size;
  uint32_t count;
  const orbit_value* values;
  const char* instance; /* the `name` of this [[plugin]] entry */
} orbit_config;

/* ---- the host, as a plugin sees it ---------------------------------------------------------------------------- */

/* One per plugin instance; lives until the process ends. Passed back in every call to a host interface, so that the
 * kernel knows who calls. */
typedef struct orbit_host {
  uint32_t struct_size;
  uint16_t abi_major;
  uint16_t abi_minor;
  /* The host's interface of that id (`orbit.net/1`, see orbit/ext), or null: this host does not have it.
   * The table lives until the process ends. [any thread] */
  const void* (*get_extension)(const struct orbit_host* host, const char* id);
} orbit_host;

/* ---- the plugin, as the host sees it -------------------------------------------------------------------------- */

/* A running instance. Returned by `create`, owned by the plugin until `destroy`. */
typedef struct orbit_plugin_instance {
  uint32_t struct_size;
  uint32_t reserved;
  void* self;
  /* The plugin's interface of that id, or null. Must answer every id that the descriptor says it `provides`.
   * [any thread], after create */
  const void* (*get_extension)(void* self, const char* id);
  /* All plugins exist and storage is open: begin to listen, register types, start timers. [main] */
  orbit_code (*start)(void* self, orbit_error* error);
  /* Stop taking new work, finish what was begun. Called in the reverse order of start. Bounded by the node's
   * `stop_timeout_ms`. [main] */
  void (*stop)(void* self);
  /* Free everything. Nothing of this instance is called afterwards; its code stays mapped. [main] */
  void (*destroy)(void* self);
} orbit_plugin_instance;

typedef struct orbit_plugin_descriptor {
  uint32_t struct_size;
  uint16_t abi_major; /* ORBIT_ABI_MAJOR of the header it was built with */
  uint16_t abi_minor;
  const char* id;              /* reverse-dotted and unique in a node: "orbit.storage.rocksdb" */
  const char* version;         /* the plugin's own, semver */
  const char* doc;             /* one sentence */
  const char* const* provides; /* null-ended interface ids that instances answer in get_extension */
  const char* const* needs;    /* null-ended: host interfaces, or interfaces that some plugin must provide */
  const orbit_option* options;
  uint32_t option_count;
  uint32_t reserved;
  /* Makes an instance from a validated configuration. On success returns ORBIT_OK and sets *instance. Must return
   * within the node's `plugin_create_timeout_ms`. [main] */
  orbit_code (*create)(const orbit_host* host, const orbit_config* config, orbit_plugin_instance** instance,
                       orbit_error* error);
} orbit_plugin_descriptor;

/* The one exported symbol: returns a descriptor that lives as long as the process. Must not throw, block or start
 * threads: it is also called in a probe process. */
typedef const orbit_plugin_descriptor* (*orbit_plugin_entry)(void);

#ifdef __cplusplus
}
#endif
#endif /* ORBIT_ABI_H */
