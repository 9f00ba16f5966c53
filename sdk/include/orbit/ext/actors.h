/* SPDX-License-Identifier: MIT OR BSD-3-Clause
 *
 * orbit.actor_types/1: provided by actor modules, and by protocol plugins whose data are actors of their own.
 * orbit.actors/1: provided by the host; how anything reaches an actor.
 *
 * An actor is (type, key). The kernel keeps at most one activation of it, on the worker hash(type, key) % workers, and runs
 * its turns one at a time there. A turn is one envelope handled by `invoke`.
 */
#ifndef ORBIT_EXT_ACTORS_H
#define ORBIT_EXT_ACTORS_H

#include "../abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ORBIT_ACTOR_TYPES_V1 "orbit.actor_types/1"
#define ORBIT_ACTORS_V1 "orbit.actors/1"

#define ORBIT_ACTOR_KEY_MAX 65536u

typedef struct orbit_type orbit_type;             /* a type's name, resolved; lives until the process ends */
typedef struct orbit_activation orbit_activation; /* an actor in memory; valid while its actor object is */
typedef struct orbit_envelope orbit_envelope;

/* ---- payloads ------------------------------------------------------------------------------------------------- */

/* How to treat a payload object. Sender and receiver may come from different modules: a receiver that does not know
 * `token` serializes the object to protobuf bytes and parses those; one that does, takes the pointer. */
typedef struct orbit_payload_ops {
  uint32_t struct_size;
  /* Of room[], how many bytes at its start an object of this type may use as long as it is in an envelope; the kernel may keep
   * a short key in the others. 0: perhaps all. A payload that lives elsewhere says 1. */
  uint32_t room_bytes;
  /* Identifies the exact C++ type in the exact module build: an address inside that module. */
  const void* token;
  /* Writes the object as protobuf bytes. Returns ORBIT_OK, or ORBIT_UNIMPLEMENTED when this payload has no wire form. */
  orbit_code (*serialize)(const void* object, orbit_sink sink);
  /* Makes a borrowed payload own what it points to, because the envelope is queued and the sender's memory will go away.
   * Null: the payload owns everything from the start. Returns the object to use from now on. */
  void* (*retain)(void* object);
  /* Ends the object's life; the memory of payloads inside the envelope is not freed. May be null. */
  void (*destroy)(void* object);
  /* Only for ORBIT_ENVELOPE_CONDITIONAL: the turn is about to begin, and the state has that version (0: there is none). 0: it does
   * not run, and its caller is refused with FAILED_PRECONDITION. [the worker of the actor] */
  int (*condition)(void* object, uint64_t state_version);
} orbit_payload_ops;

/* ---- envelopes ------------------------------------------------------------------------------------------------ */

#define ORBIT_ENVELOPE_ROOM 128u

enum {
  ORBIT_ENVELOPE_DIRTY = 1u,    /* set by the callee: this turn changed state; commit it before the reply leaves */
  ORBIT_ENVELOPE_INLINE = 2u,   /* set by the sender: may run inside send() when the actor is idle on this worker */
  ORBIT_ENVELOPE_REPLIED = 4u,  /* kernel */
  /* Set by the sender of a call from within a turn: that turn does not end before the reply came. The call then belongs to
   * the turn's chain: a cycle of calls is found, cancelling the turn cancels the call, and on_reply runs as part of the turn.
   * The kernel ends the process when the promise is broken. */
  ORBIT_ENVELOPE_AWAITED = 8u,
  /* Set by the sender: the call is made although its turn was cancelled (to clean up), and is not cancelled with it. */
  ORBIT_ENVELOPE_SHIELDED = 16u,
  /* Set by the sender of an awaited call: calls of the chain that come back to the sender's actor may enter it while its turn
   * waits for this one, instead of being a cycle. */
  ORBIT_ENVELOPE_REENTRY = 32u,
  /* Set by the sender: the turn only runs if the payload's `condition` says so. */
  ORBIT_ENVELOPE_CONDITIONAL = 64u
};

/* Method numbers at and above this are the kernel's own. */
#define ORBIT_METHOD_SYSTEM 0xffffff00u
/* The state's expires_at_ms has passed: erase it if that is still so. No payload, no reply. */
#define ORBIT_METHOD_EXPIRE 0xffffff01u
/* A timer of this activation is due. Payload: orbit_timer_tick. The next tick waits for the end of this turn. */
#define ORBIT_METHOD_TIMER 0xffffff02u
/* A moment that the actor asked for with orbit_writer.set_due has come. Payload: orbit_due_tick. Comes again, with growing
 * delays, until the actor answers ORBIT_OK; it must then have moved or removed that entry, in this turn or before. */
#define ORBIT_METHOD_DUE 0xffffff03u
/* Events of a stream, see orbit/ext/streams.h. Payload: orbit_stream_batch. */
#define ORBIT_METHOD_EVENTS 0xffffff04u

/* Payloads of the kernel's methods: borrowed, valid while the turn runs; nobody but the kernel destroys them. */
typedef struct orbit_timer_tick {
  uint32_t struct_size;
  uint32_t skipped;   /* ticks left out since the last one, because its turn took longer than the period */
  uint64_t timer;     /* as start_timer returned it */
  uint64_t cookie;    /* as start_timer was given it */
} orbit_timer_tick;

typedef struct orbit_due_tick {
  uint32_t struct_size;
  uint32_t reserved;
  orbit_bytes name;   /* as given to set_due */
  uint64_t due_ms;    /* the moment that was asked for, Unix time */
  uint64_t now_ms;    /* when the kernel sent it, Unix time */
} orbit_due_tick;
/* Write all index entries of this actor again, as if none were stored: the turn is DIRTY. Sent only to types with indexes. No
 * payload. */
#define ORBIT_METHOD_REINDEX 0xffffff08u

/* A call on its way to an actor, and then its reply on the way back. Comes from allocate; after send it belongs to the
 * kernel; a reply belongs to on_reply's callee until it calls free_envelope. The fields marked (k) are the kernel's. */
struct orbit_envelope {
  orbit_envelope* next;          /* (k) */
  void* target;                  /* (k) where it goes; while its turn runs, the call that it waits for */
  const orbit_type* type;        /* whom it is for */
  uint64_t hash;                 /* (k) of the key; once its turn has begun, when that was; of a reply, see version */
  orbit_bytes key;               /* whom it is for; borrowed until send returns, then the kernel's copy */
  const orbit_payload_ops* ops;  /* of payload; null: no payload */
  void* payload;                 /* into room[], or elsewhere */
  void (*on_reply)(void* ctx, orbit_envelope* reply); /* null: one-way. Called once, on the sender's worker */
  void* reply_ctx;
  orbit_activation* caller;      /* (k) whose turn sent it; null: from outside */
  uint64_t deadline_ns;          /* monotonic; 0: none. Expired before its turn: ORBIT_DEADLINE_EXCEEDED. A call from within a
                                    turn gets the turn's deadline when that is earlier; a one-way message does not */
  uint64_t chain;                /* (k) the turn that waits for it */
  uint32_t method;               /* orbit_method.id: which of the type's methods */
  uint16_t flags;
  uint16_t reply_worker;         /* (k) */
  orbit_code code;               /* of the reply */
  uint32_t hops;                 /* (k) length of the call chain; while its turn runs, also how many calls it waits for */
  char* message;                 /* (k) of an error reply; set with fail() */
  char room[ORBIT_ENVELOPE_ROOM]; /* a small payload lives here, 16-byte aligned */
};

/* ---- state ---------------------------------------------------------------------------------------------------- */

/* An actor's state is a main record, sub-key "", and any number of sub-records with longer sub-keys, ordered. */
typedef struct orbit_record {
  orbit_bytes subkey;
  orbit_bytes value;
} orbit_record;

/* What the kernel keeps beside a main record's value. */
typedef struct orbit_main_record {
  uint32_t struct_size;
  uint32_t schema_version; /* of the value, counted by the actor type; a type whose state_version is lower is not given it */
  uint64_t expires_at_ms;  /* as for put_main */
  uint32_t has_subrecords; /* whether any sub-record exists; if 0 only the main record is read on activation */
  uint32_t reserved;
  orbit_bytes load_from;   /* see orbit_actor_type.load_from; at most ORBIT_LOAD_FROM_MAX bytes */
} orbit_main_record;

#define ORBIT_LOAD_FROM_MAX 255u

/* What `collect` writes to. All of it joins one atomic batch. The bytes are copied during the call. The functions after
 * remove_main are there when orbit_actors_v1 has `read`. */
typedef struct orbit_writer {
  void* ctx;
  /* The main record; the kernel adds version and epoch. expires_at_ms (Unix time): the actor gets ORBIT_METHOD_EXPIRE soon
   * after, also when it is not in memory; 0: never. has_subrecords: whether any sub-record exists; if 0 the kernel reads only
   * the main record on activation. */
  void (*put_main)(void* ctx, orbit_bytes value, uint64_t expires_at_ms, int has_subrecords);
  void (*put)(void* ctx, orbit_bytes subkey, orbit_bytes value);
  void (*remove)(void* ctx, orbit_bytes subkey);
  /* Removes every sub-record. Ordered with the other calls. */
  void (*remove_all_subrecords)(void* ctx);
  /* Removes the main record (and with it the actor from listings). */
  void (*remove_main)(void* ctx);
  /* Moves the actor's entry `name` (1 to ORBIT_DUE_NAME_MAX bytes) in the node's index of what is due when: it was stored for
   * was_ms (0: not stored) and is now at at_ms (0: no more), Unix time. From at_ms on the actor gets ORBIT_METHOD_DUE, also
   * when it is not in memory and after any restart. The actor keeps its own record of the entry: only it can tell was_ms. */
  void (*set_due)(void* ctx, orbit_bytes name, uint64_t was_ms, uint64_t at_ms);
  /* Once this batch is in the storage engine, as safely as the type's durability says, orbit_actor_type.stored is called. */
  void (*when_stored)(void* ctx, uint64_t cookie);
  /* put_main with all that there is to say. */
  void (*put_main_with)(void* ctx, orbit_bytes value, const orbit_main_record* with);
  /* Removes the sub-records from <= sub-key < to; an empty `to` means to the end. */
  void (*remove_range)(void* ctx, orbit_bytes from, orbit_bytes to);
  /* An entry of one of the type's indexes for this actor: the field's value, encoded as docs/formats/state.md says. The kernel
   * adds the actor's key. Putting what is there, or removing what is not, is no error. */
  void (*put_index)(void* ctx, uint32_t number, orbit_bytes value);
  void (*remove_index)(void* ctx, uint32_t number, orbit_bytes value);
} orbit_writer;

#define ORBIT_DUE_NAME_MAX 200u

/* ---- indexes -------------------------------------------------------------------------------------------------- */

typedef uint32_t orbit_index_kind;
enum { /* how values are encoded and written as text */
  ORBIT_INDEX_BOOL = 1,
  ORBIT_INDEX_SIGNED = 2,
  ORBIT_INDEX_UNSIGNED = 3,
  ORBIT_INDEX_FLOAT = 4,
  ORBIT_INDEX_TEXT = 5, /* UTF-8 */
  ORBIT_INDEX_BYTES = 6
};

enum { ORBIT_INDEX_UNIQUE = 1u }; /* at most one actor of the type has a value */

#define ORBIT_INDEX_VALUE_MAX 1024u   /* encoded bytes of one value */
#define ORBIT_INDEX_ENTRIES_MAX 1000u /* of one actor */
#define ORBIT_QUERY_LIMIT_MAX 10000u  /* entries of one page */

/* A secondary index of a type, kept by the actors' own writers (put_index). When a new version of the module declares one,
 * the kernel sends every stored actor ORBIT_METHOD_REINDEX in the background; queries are refused until that is done. */
typedef struct orbit_index {
  uint32_t struct_size;
  uint32_t flags;
  const char* name;
  uint32_t number;       /* what storage knows the index by: the field's number */
  orbit_index_kind kind;
} orbit_index;

typedef struct orbit_index_entry {
  uint32_t number;
  uint32_t reserved;
  orbit_bytes value; /* encoded */
} orbit_index_entry;

typedef struct orbit_index_query {
  uint32_t struct_size;
  uint32_t number;
  orbit_bytes from;    /* encoded, inclusive; empty: from the least value */
  orbit_bytes to;      /* exclusive; empty: to the greatest */
  orbit_bytes after;   /* `next` of the page before; empty: the first page */
  uint32_t limit;      /* 1 to ORBIT_QUERY_LIMIT_MAX */
  uint32_t descending;
} orbit_index_query;

/* One entry, in order of value and key. Return 0 to stop. */
typedef int (*orbit_visit_index)(void* ctx, orbit_bytes value, orbit_bytes key);

/* ---- actor types ---------------------------------------------------------------------------------------------- */

typedef uint32_t orbit_durability;
enum {
  ORBIT_DURABILITY_SYNC = 1,  /* the reply leaves when the change survives a power cut */
  ORBIT_DURABILITY_ASYNC = 2, /* the reply leaves at once; the change survives a power cut flush_delay_ms later at most */
  ORBIT_DURABILITY_NONE = 3   /* written when the activation leaves memory and at an orderly stop; no promise */
};

enum {
  ORBIT_METHOD_READ_ONLY = 1u, /* while a turn of it waits, turns of other read-only methods may run */
  ORBIT_METHOD_ONE_WAY = 2u,
  ORBIT_METHOD_REENTRANT = 4u  /* while a turn of it waits, any other turn may run */
};

/* What happens to a message for an actor whose mailbox is full. */
typedef uint32_t orbit_overload;
enum {
  ORBIT_OVERLOAD_REJECT = 0,     /* it is refused: a call with ORBIT_RESOURCE_EXHAUSTED, a one-way message is a dead letter */
  ORBIT_OVERLOAD_DROP_OLDEST = 1 /* the oldest one-way message that waits makes room and is a dead letter; none: as REJECT */
};

/* Why an activation leaves memory. */
typedef uint32_t orbit_deactivation;
enum {
  ORBIT_DEACTIVATION_IDLE = 1,     /* not used for its idle timeout */
  ORBIT_DEACTIVATION_MEMORY = 2,   /* a bound on memory or activations */
  ORBIT_DEACTIVATION_ASKED = 3,    /* deactivate_when_idle, or an operator */
  ORBIT_DEACTIVATION_UPGRADE = 4,  /* another version of the module takes over, or the module is retired */
  ORBIT_DEACTIVATION_SHUTDOWN = 5, /* the node stops */
  ORBIT_DEACTIVATION_ERASED = 6    /* erase_all: what it changes now is not stored */
};

typedef struct orbit_method {
  uint32_t struct_size;
  uint32_t flags;
  const char* name;        /* "Deposit" */
  const char* input_type;  /* full protobuf name, "bank.DepositRequest"; null: no wire form, native senders only */
  const char* output_type;
  /* What envelopes carry. For protobuf services: FNV-1a, 32 bits, of the method's name (orbit_method_id), so that modules
   * built from different versions of a .proto agree; native types number as they like, below ORBIT_METHOD_SYSTEM. */
  uint32_t id;
  uint32_t reserved;
} orbit_method;

/* FNV-1a over the name; the top byte's all-ones values belong to the kernel and are folded away. */
#ifdef __cplusplus
constexpr
#else
static inline
#endif
    uint32_t
    orbit_method_id(const char* name, size_t size) {
  uint32_t hash = 2166136261u; /* offset basis and prime: FNV, section "Parameters" */
  for (size_t i = 0; i < size; ++i) hash = (hash ^ (unsigned char)name[i]) * 16777619u;
  return hash >= ORBIT_METHOD_SYSTEM ? hash & 0x7fffffffu : hash;
}

enum { ORBIT_TURN_DONE = 0, ORBIT_TURN_PENDING = 1 };

typedef struct orbit_actor_type {
  uint32_t struct_size;
  orbit_durability durability;
  const char* name;         /* the protobuf service's full name, or the plugin's own: "redis.db0" */
  const char* state_type;   /* full protobuf name of the state message; null: opaque */
  uint64_t flush_delay_ms;  /* for ASYNC; 0: the node's default */
  uint64_t idle_timeout_ms; /* 0: the node's default */
  uint32_t mailbox_max;     /* envelopes waiting; 0: the node's default */
  uint32_t method_count;
  const orbit_method* methods;
  orbit_bytes descriptor_set; /* serialized google.protobuf.FileDescriptorSet with imports; may be empty */
  void* type_self;
  /* Makes the object of one activation. Null on failure with *error filled. [worker] */
  void* (*create)(void* type_self, orbit_activation* activation, orbit_bytes key, orbit_error* error);
  void (*destroy)(void* actor);
  /* The state as stored, main record first; called once before the first turn also when there is none (count 0). A failure
   * refuses the activation; its callers get the error. [worker] */
  orbit_code (*load)(void* actor, const orbit_record* records, size_t count, uint64_t version, orbit_error* error);
  /* One turn. ORBIT_TURN_DONE: the reply (payload, ops, code, message, DIRTY flag) is in the envelope, whose request payload
   * the callee has destroyed. ORBIT_TURN_PENDING: finish(activation, envelope) follows. Never throws. [worker] */
  int (*invoke)(void* actor, orbit_envelope* envelope);
  /* Writes what completed turns changed since the last collect. Called between any two events of the actor, also while a
   * turn is pending, whose changes it must leave out. [worker] */
  void (*collect)(void* actor, const orbit_writer* writer);
  /* Rough bytes of memory held by the actor object and what it owns. May be null. [worker] */
  size_t (*memory_bytes)(const void* actor);
  /* Whether the activation may leave memory now (a watched key must not). Null: always. [worker] */
  int (*may_deactivate)(const void* actor);
  /* What orbit_writer.when_stored asked for. Not called when the batch failed (the actor object is dropped then) or when the
   * actor has left memory meanwhile. Runs between turns: must not change state. May be null. [worker] */
  void (*stored)(void* actor, uint64_t cookie);

  /* ---- later additions: read only if struct_size says that they are there ---- */

  /* Not 0: a stateless worker. Up to that many activations of each actor on every worker, and a message goes to one on its
   * sender's worker: an idle one, else a new one, else the one with the shortest mailbox. Nothing is loaded or stored. */
  uint32_t stateless_copies;
  orbit_overload overload;
  /* The activation is about to leave memory: no turn runs, and none will. May change state; returns whether it did, and that is
   * stored before it leaves. May be null. [worker] */
  int (*deactivating)(void* actor, orbit_deactivation reason);
  const orbit_index* indexes;
  uint32_t index_count;
  /* The greatest schema version that `load` understands. A record with a greater one refuses the activation with
   * FAILED_PRECONDITION. */
  uint32_t state_version;
  /* On activation sub-records with sub-keys less than this one and less than the record's own load_from are not read; empty:
   * all are read. */
  orbit_bytes load_from;
  /* Which bytes of the actor object a usual turn touches, at most 128: the kernel asks for their cache lines ahead of the turn. 0
   * bytes: the first 128. */
  uint32_t hot_offset;
  uint32_t hot_bytes;
} orbit_actor_type;

typedef struct orbit_actor_types_v1 {
  uint32_t struct_size;
  uint32_t count;
  const orbit_actor_type* const* types;
} orbit_actor_types_v1;

/* ---- holds: one turn over several actors ---------------------------------------------------------------------- */

/* A set of activations that are closed to everyone else, so that one piece of code may read and change all of them, as one
 * turn that commits in one batch. Taken in one global order, so that holds do not deadlock each other. */
typedef struct orbit_hold orbit_hold;

typedef struct orbit_actor_ref {
  const orbit_type* type;
  orbit_bytes key;
} orbit_actor_ref;

/* actors[i] is the actor object of refs[i] (the same object for equal refs), or null when code is not ORBIT_OK. Whatever
 * worker owns it, it may be used from this callback until release. May be called inside hold(). [the calling worker] */
typedef void (*orbit_hold_granted)(void* ctx, orbit_hold* hold, void* const* actors, size_t count, orbit_code code,
                                   const char* message);
/* The hold's changes are as durable as the strictest changed type promises, or code says why not (nothing was changed). */
typedef void (*orbit_hold_committed)(void* ctx, orbit_code code, const char* message);

/* ---- what the host offers ------------------------------------------------------------------------------------- */

typedef struct orbit_context_entry {
  orbit_bytes name;
  orbit_bytes value;
} orbit_context_entry;

/* One entry of a listing. Return 0 to stop. */
typedef int (*orbit_visit_actor)(void* ctx, orbit_bytes key, uint64_t hash);

typedef struct orbit_actors_v1 {
  uint32_t struct_size;
  uint32_t reserved;

  /* The handle of a type name, which need not be loaded yet. [any thread] */
  const orbit_type* (*type)(const char* name);

  /* An envelope with all fields zero; payload points to room. Null only outside workers. [worker] */
  orbit_envelope* (*allocate)(void);
  /* Hands it over. Whatever happens, on_reply is called exactly once if set, possibly before send returns (with
   * ORBIT_ENVELOPE_INLINE, or on an immediate error). `hint` may be null, or point to 16 zeroed bytes that the sender keeps
   * for this (type, key) on this worker; the kernel remembers there where the activation is. [worker] */
  void (*send)(orbit_envelope* envelope, uint64_t* hint);
  /* Destroys the payload and recycles the envelope. [worker] */
  void (*free_envelope)(orbit_envelope* envelope);
  /* Makes the envelope an error reply: destroys the payload, sets code, copies the message. [worker] */
  void (*fail)(orbit_envelope* envelope, orbit_code code, orbit_bytes message);
  /* Ends a pending turn; the envelope is as `invoke` leaves it for ORBIT_TURN_DONE. [worker] */
  void (*finish)(orbit_activation* activation, orbit_envelope* envelope);
  /* While code of an activation runs outside invoke (a coroutine that an awaited reply resumes), the kernel sets the current
   * activation itself; this tells whose turn it is, or null. [worker] */
  orbit_activation* (*current)(void);
  /* Asks for the activation to leave memory when its mailbox is empty. [worker] */
  void (*deactivate_when_idle)(orbit_activation* activation);

  /* Takes all refs; refs and keys are borrowed for the call. [worker] */
  void (*hold)(const orbit_actor_ref* refs, size_t count, uint64_t deadline_ns, orbit_hold_granted granted, void* ctx);
  /* dirty[i] not 0: refs[i] was changed. Opens them again at once (later turns see the changes); committed (may be null) is
   * called on this worker when durable. The hold is gone when release returns. [worker that was granted] */
  void (*release)(orbit_hold* hold, const uint8_t* dirty, orbit_hold_committed committed, void* ctx);

  /* Visits up to limit stored actors of the type with hash >= from_hash, ordered by hash, after writing out what is in
   * memory; then done(ctx, next_hash, code): next_hash is where to go on, 0 at the end. All actors of one hash come in one
   * call. visit runs on an I/O thread, done on the calling worker. [worker] */
  void (*list)(const orbit_type* type, uint64_t from_hash, size_t limit, orbit_visit_actor visit,
               void (*done)(void* ctx, uint64_t next_hash, orbit_code code, const char* message), void* ctx);
  /* Number of stored actors of the type; exact when nothing writes. As list. [worker] */
  void (*count)(const orbit_type* type, void (*done)(void* ctx, uint64_t count, orbit_code code, const char* message),
                void* ctx);
  /* Erases every actor of the type: waits for running turns, drops the activations, deletes the records, durably. Calls that
   * arrive meanwhile wait. [worker] */
  void (*erase_all)(const orbit_type* type, void (*done)(void* ctx, orbit_code code, const char* message), void* ctx);

  /* A call as a person would write it: the method by name, the request as JSON (protobuf's JSON mapping; empty: {}), the
   * answer as JSON. All borrowed for the call. done on the calling worker; at the deadline at the latest, when the call is
   * cancelled. [worker] */
  void (*call_json)(orbit_bytes type, orbit_bytes key, orbit_bytes method, orbit_bytes json, uint64_t deadline_ns,
                    void (*done)(void* ctx, orbit_code code, orbit_bytes json_or_message), void* ctx);

  /* ORBIT_OK, or why a turn should not change state now: the storage engine refuses writes (a full disk). It is about the
   * storage of the actor whose turn it is, or of the hold that is being granted; elsewhere about all. Cheap; ask before
   * changing anything that is not SYNC, whose callers are answered before the engine is. [worker] */
  orbit_code (*writable)(orbit_error* error);

  /* ---- later additions: look at struct_size ---- */

  /* The sender of a call no longer wants its answer. A message that waits in a mailbox is answered with ORBIT_CANCELLED at
   * once (possibly before cancel returns); a turn that runs is told: see cancelled(), and the calls that it waits for are
   * cancelled in turn. on_reply comes in any case, with whatever the turn ended with. `call` was sent from this worker with
   * on_reply, which has not been called yet. [worker] */
  void (*cancel)(orbit_envelope* call);
  /* Whether the caller of the current turn, or somebody further up its chain, has cancelled: its further calls fail with
   * ORBIT_CANCELLED unless ORBIT_ENVELOPE_SHIELDED. 0 outside turns. [worker] */
  int (*cancelled)(void);
  /* The current turn's deadline, monotonic; 0: none, or outside turns. [worker] */
  uint64_t (*deadline_ns)(void);
  /* Names the current turn among those that are open on its actor; null outside turns. [worker] */
  const void* (*turn)(void);
  /* As call_json, with a context for the call (see set_context). Returns what `cancel` takes, until done is called; null when done was called already. [worker] */
  orbit_envelope* (*start_json)(orbit_bytes type, orbit_bytes key, orbit_bytes method, orbit_bytes json, uint64_t deadline_ns,
                                const orbit_context_entry* context, size_t context_count,
                                void (*done)(void* ctx, orbit_code code, orbit_bytes json_or_message), void* ctx);
  /* What travels with a call from hop to hop, also with one-way messages: names and values, ORBIT_CONTEXT_BYTES_MAX together.
   * Known names: "traceparent" and "tracestate" (W3C Trace Context), "tenant", "user". `call`: an envelope that is not sent yet,
   * which then has the current turn's context and this; null: the current turn, for what it sends from now on. An empty value
   * takes the name away. RESOURCE_EXHAUSTED over the bound. [worker] */
  orbit_code (*set_context)(orbit_envelope* call, orbit_bytes name, orbit_bytes value, orbit_error* error);
  /* The current turn's value of that name, borrowed until the turn ends or sets its context. 0: there is none. [worker] */
  int (*context)(orbit_bytes name, orbit_bytes* value);
  /* For so long from now the idle timeout does not count; 0: it counts again. A bound on memory counts all the same. At most
   * ORBIT_DELAY_DEACTIVATION_MS_MAX. [worker, while code of that actor runs] */
  void (*delay_deactivation)(orbit_activation* activation, uint64_t duration_ms);
  /* Starts a timer of an activation: from due_ms on (of the injected clock), then every period_ms (0: once), the actor gets
   * ORBIT_METHOD_TIMER as a turn like any other. Ticks keep to the grid start + due + n * period; those whose time passed
   * while the turn of an earlier one ran are left out and counted. Ends with the activation. RESOURCE_EXHAUSTED with more
   * than ORBIT_TIMERS_MAX timers. [worker, while code of that actor runs] */
  orbit_code (*start_timer)(orbit_activation* activation, uint64_t due_ms, uint64_t period_ms, uint64_t cookie,
                            uint32_t flags, uint64_t* timer, orbit_error* error);
  /* Returns 1 when there was such a timer. A tick that waits in the mailbox already still comes. [worker] */
  int (*cancel_timer)(orbit_activation* activation, uint64_t timer);
  /* As count, for several types at the price of one: counts[i] is of types[i]. Both arrays must live until done. [worker] */
  void (*counts)(const orbit_type* const* types, size_t type_count, uint64_t* counts,
                 void (*done)(void* ctx, orbit_code code, const char* message), void* ctx);
  /* What is beside the main record that `load` is given; all zero when there is none. Valid until `load` returns. [worker,
   * inside `load`] */
  void (*main_record)(orbit_activation* activation, orbit_main_record* out);
  /* In the middle of a turn of the activation: makes what it changed so far durable, whatever the type's durability. The callee
   * may be asked to `collect` what earlier turns changed before this returns; what `collect` writes afterwards must have the
   * turn's changes. done: never inside save, before the turn ends; with an error nothing was stored, and if the type is SYNC the
   * turn will fail too. [worker] */
  void (*save)(orbit_activation* activation, void (*done)(void* ctx, orbit_code code, const char* message), void* ctx);
  /* In a turn of the activation: reads its stored sub-records with from <= sub-key < to (empty: to the end), in order, at most
   * records_max, and stops after bytes_max bytes. What completed turns changed is stored first. done, never inside read:
   * more is not 0 when the bounds ended it; the records are borrowed for the call. [worker] */
  void (*read)(orbit_activation* activation, orbit_bytes from, orbit_bytes to, size_t records_max, size_t bytes_max,
               void (*done)(void* ctx, const orbit_record* records, size_t count, int more, orbit_code code,
                            const char* message),
               void* ctx);
  /* In a turn of the activation that is about to end: takes values of unique indexes for its actor until its changes are
   * stored. done, never inside claim: ORBIT_OK, and then the turn must end with its changes (or save them) inside done; or
   * ORBIT_ALREADY_EXISTS with a message that names index and value, and none is taken. [worker] */
  void (*claim)(orbit_activation* activation, const orbit_index_entry* entries, size_t count,
                void (*done)(void* ctx, orbit_code code, const char* message), void* ctx);
  /* Visits the entries of an index of a type, after writing out what is in memory unless the type is SYNC. visit runs on an
   * I/O thread, then done on the calling worker; next is where the following page begins, empty at the end. Refused with
   * FAILED_PRECONDITION while the index is not complete. [worker] */
  void (*query)(const orbit_type* type, const orbit_index_query* query, orbit_visit_index visit,
                void (*done)(void* ctx, orbit_bytes next, orbit_code code, const char* message), void* ctx);
  /* The same as a person would write it. The query is JSON: {"equals": value} or {"from": value, "to": value} (to is exclusive;
   * either may be absent), "descending": true, "limit": 100, "after": "the page's next". The answer is {"actors": [{"key",
   * "value"}], "next": token or null}; keys as in the admin API, bytes values in hexadecimal. [worker] */
  void (*query_json)(orbit_bytes type, orbit_bytes index, orbit_bytes json,
                     void (*done)(void* ctx, orbit_code code, orbit_bytes json_or_message), void* ctx);
  /* The version that the callee's state had when the turn of this reply ended: one more with every turn that changed it, also over
   * restarts, until it is erased and the actor leaves memory. 0: it never had one. Of replies with ORBIT_OK, in on_reply.
   * [worker] */
  uint64_t (*version)(const orbit_envelope* reply);
  /* The value of an actor's main record and its version, as completed turns left it; the actor does not come into memory. done,
   * with value borrowed; NOT_FOUND when it has no state. [worker] */
  void (*state)(const orbit_type* type, orbit_bytes key,
                void (*done)(void* ctx, orbit_bytes value, uint64_t version, orbit_code code, const char* message), void* ctx);
  /* For a hold that stays open after `granted` has returned: without this its worker begins no commit of its own until the
   * release. To be called in `granted`, before anything is changed. What the held actors had changed before is on its way then,
   * so that commits of other actors, list and count neither wait for the hold nor tell what is changed under it. [worker that
   * was granted] */
  void (*keep)(orbit_hold* hold);
  /* The hash of a key, which list orders by. [any thread] */
  uint64_t (*hash)(orbit_bytes key);
  /* As send, but the envelope needs no key: 1 when the hint (not null) tells which activation of this worker the actor is. 0: it
   * does not, and nothing has happened; set the key and send it. [worker] */
  int (*send_known)(orbit_envelope* envelope, uint64_t* hint);
} orbit_actors_v1;

#define ORBIT_TIMERS_MAX 64u
#define ORBIT_CONTEXT_BYTES_MAX 2048u
#define ORBIT_DELAY_DEACTIVATION_MS_MAX 31536000000u /* a year */
enum { ORBIT_TIMER_KEEPS_ACTIVE = 1u /* ticks count as use: the activation does not become idle */ };

#ifdef __cplusplus
}
#endif
#endif
