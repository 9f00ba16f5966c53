// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "schemas.hpp"

namespace orbit::admin {

const char* const kSchemas = R"json({
  "Problem": {
    "type": "object",
    "description": "An error, as RFC 9457 describes it.",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
      "type": {"type": "string", "format": "uri-reference", "description": "Always `about:blank`: `code` tells problems apart."},
      "title": {"type": "string", "description": "The status in words."},
      "status": {"type": "integer", "minimum": 400, "maximum": 599},
      "detail": {"type": "string", "description": "What was found, what was expected, what to do."},
      "instance": {"type": "string", "format": "uri-reference", "description": "The request's target, unless it was unreadable."},
      "code": {"$ref": "#/components/schemas/Code"},
      "errors": {"type": "array", "items": {"type": "string"}, "description": "Every mistake by itself, where a request can have several."}
    }
  },
  "Code": {
    "type": "string",
    "description": "The name of a google.rpc.Code.",
    "enum": ["CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
             "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
             "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"]
  },
  "LogTail": {
    "type": "object", "required": ["position", "lines"],
    "properties": {
      "position": {"type": "integer", "minimum": 0, "description": "Lines since the start of the node; `after` for the next request."},
      "lines": {"type": "array", "items": {"type": "string"}}
    }
  },
  "MessageForms": {
    "type": "object", "required": ["messages"],
    "properties": {
      "messages": {"type": "object", "description": "By full name.", "additionalProperties": {"$ref": "#/components/schemas/MessageForm"}}
    }
  },
  "MessageForm": {
    "type": "object", "required": ["fields"],
    "properties": {"fields": {"type": "array", "items": {"$ref": "#/components/schemas/FormField"}}}
  },
  "FormField": {
    "type": "object", "required": ["name", "kind", "repeated"],
    "properties": {
      "name": {"type": "string", "description": "As in JSON."},
      "kind": {"type": "string", "description": "A scalar type of protobuf, `enum`, `message` or `map`."},
      "repeated": {"type": "boolean"},
      "values": {"type": "array", "items": {"type": "string"}, "description": "Of an enum."},
      "message": {"type": "string", "description": "Full name of a message."}
    }
  },
  "Health": {
    "type": "object", "required": ["status"],
    "properties": {"status": {"const": "ok"}}
  },
  "Ready": {
    "type": "object", "required": ["status"],
    "properties": {"status": {"const": "ready"}}
  },
  "Listener": {
    "type": "object", "required": ["plugin", "address", "tls", "open_to"],
    "properties": {
      "plugin": {"type": "string", "description": "The plugin instance that listens."},
      "address": {"type": "string", "examples": ["127.0.0.1:6379"]},
      "tls": {"type": "boolean"},
      "open_to": {"type": "string", "description": "Who may use it, for people.",
                  "examples": ["this machine only; TLS; by the rules of access control"]}
    }
  },
  "Node": {
    "type": "object",
    "required": ["name", "version", "state", "started_at", "uptime_ms", "pid", "workers", "memory_bytes", "activations",
                 "listeners"],
    "properties": {
      "name": {"type": "string"},
      "version": {"type": "string"},
      "state": {"type": "string", "enum": ["starting", "ready", "draining"]},
      "started_at": {"type": "string", "format": "date-time"},
      "uptime_ms": {"type": "integer", "minimum": 0},
      "pid": {"type": "integer", "minimum": 1},
      "workers": {"type": "integer", "minimum": 1},
      "memory_bytes": {"type": "integer", "minimum": 0, "description": "Resident memory of the process."},
      "activations": {"type": "integer", "minimum": 0, "description": "Actors in memory."},
      "listeners": {"type": "array", "items": {"$ref": "#/components/schemas/Listener"}}
    }
  },
  "Worker": {
    "type": "object",
    "required": ["worker", "activations", "memory_bytes", "turns_total", "messages_total", "remote_messages_total",
                 "rejected_total", "expired_total", "cancelled_total", "failed_turns_total", "loads_total",
                 "deactivations_total", "connections"],
    "properties": {
      "worker": {"type": "integer", "minimum": 0, "description": "Its number, from 0."},
      "activations": {"type": "integer", "minimum": 0, "description": "Actors in memory."},
      "memory_bytes": {"type": "integer", "minimum": 0, "description": "Memory of those actors, roughly."},
      "turns_total": {"type": "integer", "minimum": 0, "description": "Turns that began."},
      "messages_total": {"type": "integer", "minimum": 0, "description": "Messages that reached an activation."},
      "remote_messages_total": {"type": "integer", "minimum": 0, "description": "Messages sent to another worker."},
      "rejected_total": {"type": "integer", "minimum": 0, "description": "Messages refused before their turn, by a bound for example."},
      "expired_total": {"type": "integer", "minimum": 0, "description": "Messages whose deadline passed before their turn."},
      "cancelled_total": {"type": "integer", "minimum": 0, "description": "Messages whose caller gave up before their turn."},
      "failed_turns_total": {"type": "integer", "minimum": 0, "description": "Turns that ended with an error."},
      "loads_total": {"type": "integer", "minimum": 0, "description": "Reads of an actor's state."},
      "deactivations_total": {"type": "integer", "minimum": 0, "description": "Actors that left memory."},
      "connections": {"type": "integer", "minimum": 0, "description": "Open connections."}
    }
  },
  "WorkerList": {
    "type": "object", "required": ["workers"],
    "properties": {"workers": {"type": "array", "items": {"$ref": "#/components/schemas/Worker"}}}
  },
  "Plugin": {
    "type": "object",
    "required": ["instance", "id", "version", "file", "state", "configured", "provides", "needs", "error"],
    "properties": {
      "instance": {"type": "string", "description": "The name of the [[plugin]] entry."},
      "id": {"type": "string", "examples": ["orbit.protocol.admin"]},
      "version": {"type": "string"},
      "file": {"type": "string"},
      "state": {"type": "string"},
      "configured": {"type": "boolean", "description": "False: it was loaded while the node ran, and ends with it."},
      "provides": {"type": "array", "items": {"type": "string"}},
      "needs": {"type": "array", "items": {"type": "string"}},
      "error": {"type": "string", "description": "Why the plugin was refused; empty when it was not."}
    }
  },
  "PluginLoad": {
    "type": "object", "required": ["name", "id"], "additionalProperties": false,
    "description": "What stands under [[plugin]] in the configuration.",
    "properties": {
      "name": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$", "description": "Of the instance; no other plugin has it."},
      "id": {"type": "string", "examples": ["orbit.protocol.resp"]},
      "path": {"type": "string", "pattern": "^/", "description": "Absolute path of the library on the node's machine; without it node.plugin_paths are searched for the id."},
      "required": {"type": "boolean", "description": "For the configuration: whether the node stops when the plugin is refused. Means nothing here."},
      "config": {"type": "object", "description": "Its settings, as under [plugin.config]; ${NAME} is a variable of the node's environment."}
    }
  },
  "PluginLoaded": {
    "type": "object", "required": ["plugin", "toml", "lasts"],
    "properties": {
      "plugin": {"$ref": "#/components/schemas/Plugin"},
      "toml": {"type": "string", "description": "The entry as text for the configuration."},
      "lasts": {"type": "string", "description": "How long the plugin stays, for people."}
    }
  },
  "PluginList": {
    "type": "object", "required": ["plugins"],
    "properties": {"plugins": {"type": "array", "items": {"$ref": "#/components/schemas/Plugin"}}}
  },
  "Module": {
    "type": "object",
    "required": ["name", "version", "generation", "file", "state", "types", "activations"],
    "properties": {
      "name": {"type": "string"},
      "version": {"type": "string"},
      "generation": {"type": "integer", "minimum": 1, "description": "Counts the loads of this module."},
      "file": {"type": "string"},
      "state": {"type": "string", "enum": ["active", "draining", "retired"]},
      "types": {"type": "array", "items": {"type": "string"}, "description": "The actor types that it brings."},
      "activations": {"type": "integer", "minimum": 0}
    }
  },
  "ModuleList": {
    "type": "object", "required": ["modules"],
    "properties": {"modules": {"type": "array", "items": {"$ref": "#/components/schemas/Module"}}}
  },
  "ModuleLoad": {
    "type": "object", "required": ["path"], "additionalProperties": false,
    "properties": {
      "path": {"type": "string", "pattern": "^/", "description": "Absolute path of the library on the node's machine."}
    }
  },
  "Method": {
    "type": "object", "required": ["name", "input", "output", "read_only", "one_way"],
    "properties": {
      "name": {"type": "string"},
      "input": {"type": ["string", "null"], "description": "Full name of the request message; null: no wire form, so that it cannot be called here."},
      "output": {"type": ["string", "null"], "description": "Full name of the answer message."},
      "read_only": {"type": "boolean", "description": "Does not change state."},
      "one_way": {"type": "boolean", "description": "Typed callers do not wait for it."}
    }
  },
  "Type": {
    "type": "object",
    "required": ["name", "module", "generation", "storage", "durability", "state_type", "idle_timeout_ms", "mailbox_max", "activations",
                 "methods", "state_version", "indexes"],
    "properties": {
      "name": {"type": "string"},
      "module": {"type": "string", "description": "The module or the plugin instance that brings the type."},
      "generation": {"type": "integer", "minimum": 0, "description": "The module's generation that new activations run."},
      "storage": {"type": "string", "description": "The storage instance that holds its state."},
      "durability": {"type": "string", "enum": ["sync", "async", "none"]},
      "state_type": {"type": ["string", "null"], "description": "Full name of the state message; null: the plugin's own form."},
      "idle_timeout_ms": {"type": "integer", "minimum": 0, "description": "An actor unused for so long leaves memory."},
      "mailbox_max": {"type": "integer", "minimum": 0, "description": "Most messages that wait for one actor."},
      "activations": {"type": "integer", "minimum": 0},
      "methods": {"type": "array", "items": {"$ref": "#/components/schemas/Method"}},
      "state_version": {"type": "integer", "minimum": 0, "description": "The schema version that its module says; 0: none."},
      "indexes": {"type": "array", "items": {"$ref": "#/components/schemas/Index"}}
    }
  },
  "Index": {
    "type": "object",
    "required": ["name", "unique", "stage", "error"],
    "properties": {
      "name": {"type": "string"},
      "unique": {"type": "boolean", "description": "At most one actor of the type has a value."},
      "stage": {"type": "string", "enum": ["ready", "building", "failed", "unknown"],
                "description": "Queries use it when it is ready; unknown until storage was looked at."},
      "error": {"type": ["string", "null"], "description": "Why it is not built."}
    }
  },
  "TypeList": {
    "type": "object", "required": ["types"],
    "properties": {"types": {"type": "array", "items": {"$ref": "#/components/schemas/Type"}}}
  },
  "Activation": {
    "type": "object",
    "required": ["type", "key", "worker", "mailbox", "memory_bytes", "idle_ms", "version", "generation", "state", "turns"],
    "properties": {
      "type": {"type": "string"},
      "key": {"type": "string", "description": "Bytes that are not printable ASCII, and `%`, are percent-encoded."},
      "worker": {"type": "integer", "minimum": 0},
      "mailbox": {"type": "integer", "minimum": 0, "description": "Messages that wait."},
      "memory_bytes": {"type": "integer", "minimum": 0, "description": "Memory of the activation and its state, roughly."},
      "idle_ms": {"type": "integer", "minimum": 0},
      "version": {"type": "integer", "minimum": 0, "description": "Of the stored state; grows with every commit."},
      "generation": {"type": "integer", "minimum": 0, "description": "The module's generation whose code it runs."},
      "state": {"type": "string", "enum": ["loading", "idle", "busy", "leaving"]},
      "turns": {"type": "array", "items": {"$ref": "#/components/schemas/Turn"}, "description": "Those that have begun and wait; at most 16."}
    }
  },
  "Turn": {
    "type": "object", "required": ["method", "age_ms", "waits_for", "called_by"],
    "properties": {
      "method": {"type": "string", "description": "In parentheses: the kernel's own, `(timer)`, `(reminder)`, `(hold)` and such."},
      "age_ms": {"type": ["integer", "null"], "minimum": 0, "description": "Since it began; null: unknown."},
      "waits_for": {"type": "array", "items": {"$ref": "#/components/schemas/Wait"}},
      "called_by": {"type": "array", "items": {"$ref": "#/components/schemas/TurnName"},
                    "description": "The turns that wait for this one, from near to far, at most 32; empty: called from outside, or nobody waits."}
    }
  },
  "TurnName": {
    "type": "object", "required": ["type", "key", "method"],
    "properties": {
      "type": {"type": "string"},
      "key": {"type": "string", "description": "Of a key with more than 128 bytes the beginning, and `...`."},
      "method": {"type": "string"}
    }
  },
  "Wait": {
    "type": "object", "required": ["kind"],
    "properties": {
      "kind": {"type": "string", "enum": ["call", "save", "read", "claim", "hold", "other"],
               "description": "A call of another actor; storage: save, read, claim (of unique values); hold: a place in another actor for work on several at once; other: what the kernel does not know, of an actor's own making."},
      "for_ms": {"type": "integer", "minimum": 0, "description": "How long; of storage only."},
      "type": {"type": "string", "description": "Of a call: whom."},
      "key": {"type": "string"},
      "method": {"type": "string"}
    }
  },
  "IndexPage": {
    "type": "object", "required": ["actors", "next"],
    "properties": {
      "actors": {"type": "array", "items": {"$ref": "#/components/schemas/IndexEntry"}},
      "next": {"type": ["string", "null"], "description": "`after` of the next page; null: this was the last one."}
    }
  },
  "IndexEntry": {
    "type": "object", "required": ["key", "value"],
    "properties": {
      "key": {"type": "string", "description": "As of activations."},
      "value": {"type": ["string", "number", "boolean"], "description": "Whole numbers as strings, as in protobuf's JSON mapping; bytes in hexadecimal."}
    }
  },
  "Top": {
    "type": "object", "required": ["by", "window_ms", "workers", "hot"],
    "properties": {
      "by": {"type": "string", "enum": ["calls", "time"]},
      "window_ms": {"type": "integer", "minimum": 0, "description": "How long ago the counting of hot actors began."},
      "workers": {"type": "array", "items": {"$ref": "#/components/schemas/BusyWorker"}},
      "hot": {"type": "array", "items": {"$ref": "#/components/schemas/HotActor"}, "description": "The hottest first."}
    }
  },
  "BusyWorker": {
    "type": "object",
    "required": ["worker", "answers", "activations", "turns_total", "messages_total", "turns_per_second", "queued",
                 "waiting_turns", "runs"],
    "properties": {
      "worker": {"type": "integer", "minimum": 0},
      "answers": {"type": "boolean", "description": "False: it did not come to this question within 250 ms, and what only it can tell is null."},
      "activations": {"type": "integer", "minimum": 0},
      "turns_total": {"type": "integer", "minimum": 0, "description": "Turns that have begun since the start."},
      "messages_total": {"type": "integer", "minimum": 0},
      "turns_per_second": {"type": ["number", "null"], "minimum": 0, "description": "Over the window."},
      "queued": {"type": ["integer", "null"], "minimum": 0, "description": "Messages in the mailboxes of its actors."},
      "waiting_turns": {"type": ["integer", "null"], "minimum": 0},
      "runs": {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/RunningTurn"}],
               "description": "Of a worker that does not answer: the actor whose code it runs, if it is one's."}
    }
  },
  "RunningTurn": {
    "type": "object", "required": ["type", "key", "method", "age_ms"],
    "properties": {
      "type": {"type": "string"},
      "key": {"type": "string", "description": "Its first 128 bytes."},
      "method": {"type": ["string", "null"], "description": "Null: it activates or deactivates the actor."},
      "age_ms": {"type": ["integer", "null"], "minimum": 0}
    }
  },
  "HotActor": {
    "type": "object",
    "required": ["type", "key", "key_cut", "worker", "calls", "calls_per_second", "time_ms", "time_percent", "lacks_percent"],
    "properties": {
      "type": {"type": "string"},
      "key": {"type": "string"},
      "key_cut": {"type": "boolean", "description": "The key is longer; these are its first 128 bytes."},
      "worker": {"type": "integer", "minimum": 0},
      "calls": {"type": "integer", "minimum": 0, "description": "Turns within the window, estimated."},
      "calls_per_second": {"type": "number", "minimum": 0},
      "time_ms": {"type": "number", "minimum": 0, "description": "Time that they ran, estimated; with the calls that were answered while they did."},
      "time_percent": {"type": "number", "minimum": 0, "description": "Of its worker's time."},
      "lacks_percent": {"type": "number", "minimum": 0, "maximum": 100, "description": "At most so much of the measure that was asked for is not counted, because the actor was not among the 64 counted ones all the time."}
    }
  },
  "WaitGraph": {
    "type": "object", "required": ["nodes", "edges", "deadlocks", "truncated", "silent_workers"],
    "properties": {
      "nodes": {"type": "array", "items": {"$ref": "#/components/schemas/WaitNode"}},
      "edges": {"type": "array", "items": {"$ref": "#/components/schemas/WaitEdge"}},
      "deadlocks": {"type": "integer", "minimum": 0, "description": "Groups of turns that wait for each other."},
      "truncated": {"type": "boolean", "description": "There is more than `limit` allows."},
      "silent_workers": {"$ref": "#/components/schemas/SilentWorkers"}
    }
  },
  "WaitNode": {
    "type": "object", "required": ["id", "type", "key", "worker", "method", "age_ms", "mailbox", "state", "waits_for"],
    "properties": {
      "id": {"type": "integer", "minimum": 0, "description": "Within this answer."},
      "type": {"type": ["string", "null"]},
      "key": {"type": "string", "description": "Of a key with more than 128 bytes the beginning, and `...`."},
      "worker": {"type": ["integer", "null"], "minimum": 0, "description": "Null: not known."},
      "method": {"type": ["string", "null"], "description": "Of the turn; null: an actor without a turn that others wait for."},
      "age_ms": {"type": ["integer", "null"], "minimum": 0, "description": "Since the turn began."},
      "mailbox": {"type": "integer", "minimum": 0},
      "state": {"type": "string", "enum": ["waits", "loading", "scheduled", "unknown"],
                "description": "loading: its state is being read; scheduled: its next turn is about to begin; unknown: a worker that does not answer has it, or the call is on its way."},
      "waits_for": {"type": "array", "items": {"$ref": "#/components/schemas/Wait"}, "description": "Kinds; whom, is in the edges."}
    }
  },
  "WaitEdge": {
    "type": "object", "required": ["from", "to", "method", "queued", "deadlock"],
    "properties": {
      "from": {"type": "integer", "minimum": 0},
      "to": {"type": "integer", "minimum": 0},
      "method": {"type": "string", "description": "That was called."},
      "queued": {"type": "boolean", "description": "The call waits in the mailbox, for the turn that the edge leads to."},
      "deadlock": {"type": "boolean", "description": "The edge lies on a circle."}
    }
  },
  "SilentWorkers": {
    "type": "array", "items": {"type": "integer", "minimum": 0},
    "description": "Workers that did not answer within 250 ms and whose part is missing; GET /v1/top tells what they run."
  },
  "SlowTurn": {
    "type": "object", "required": ["time", "worker", "type", "key", "method", "duration_ms", "running"],
    "properties": {
      "time": {"type": "string", "format": "date-time", "description": "When it began."},
      "worker": {"type": "integer", "minimum": 0},
      "type": {"type": "string"},
      "key": {"type": "string", "description": "Its first 128 bytes."},
      "method": {"type": ["string", "null"], "description": "Null: it activated or deactivated the actor."},
      "duration_ms": {"type": "integer", "minimum": 0, "description": "Known to a quarter of slow_turn_ms; so far, if it runs."},
      "running": {"type": "boolean"}
    }
  },
  "SlowTurnList": {
    "type": "object", "required": ["slow_turn_ms", "slow_turns", "total"],
    "properties": {
      "slow_turn_ms": {"type": "integer", "minimum": 0, "description": "The bound in force; 0: turns are not watched."},
      "slow_turns": {"type": "array", "items": {"$ref": "#/components/schemas/SlowTurn"}},
      "total": {"type": "integer", "minimum": 0, "description": "Since the start."}
    }
  },
  "DeadLetter": {
    "type": "object", "required": ["time", "worker", "type", "key", "method", "code", "reason"],
    "properties": {
      "time": {"type": "string", "format": "date-time"},
      "worker": {"type": "integer", "minimum": 0},
      "type": {"type": ["string", "null"], "description": "Null: the message named none."},
      "key": {"type": "string", "description": "Of a key with more than 128 bytes the beginning, and `...`."},
      "method": {"type": "string"},
      "code": {"$ref": "#/components/schemas/Code"},
      "reason": {"type": "string"}
    }
  },
  "DeadLetterList": {
    "type": "object", "required": ["dead_letters", "counts", "silent_workers"],
    "properties": {
      "dead_letters": {"type": "array", "items": {"$ref": "#/components/schemas/DeadLetter"}},
      "counts": {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}, "description": "All since the start, by code."},
      "silent_workers": {"$ref": "#/components/schemas/SilentWorkers"}
    }
  },
  "ActivationPage": {
    "type": "object", "required": ["activations", "next_cursor"],
    "properties": {
      "activations": {"type": "array", "items": {"$ref": "#/components/schemas/Activation"}},
      "next_cursor": {"type": ["string", "null"], "description": "`cursor` of the next page; null: this was the last one."}
    }
  },
  "Storage": {
    "type": "object", "required": ["name", "used", "writable", "error", "size_bytes"],
    "properties": {
      "name": {"type": "string", "description": "The name of the [[plugin]] entry."},
      "used": {"type": "boolean", "description": "State of actors that counts is read from it and written to it."},
      "writable": {"type": "boolean", "description": "False while the engine refuses writes."},
      "error": {"type": "string", "description": "Why it refuses them; empty when it does not."},
      "size_bytes": {"type": "integer", "minimum": 0, "description": "As the engine says, roughly."}
    }
  },
  "RevocationList": {
    "type": "object", "required": ["revocations"],
    "properties": {
      "revocations": {
        "type": "array",
        "items": {
          "type": "object", "required": ["kind", "value", "until_ms"],
          "properties": {
            "kind": {"type": "string", "enum": ["user", "token"]},
            "value": {"type": "string"},
            "until_ms": {"type": "integer", "minimum": 0, "description": "Unix time from which it counts no more; 0: none."}
          }
        }
      }
    }
  },
  "StorageList": {
    "type": "object", "required": ["storages"],
    "properties": {"storages": {"type": "array", "items": {"$ref": "#/components/schemas/Storage"}}}
  },
  "Migration": {
    "type": "object",
    "required": ["from", "to", "stage", "entries", "bytes", "written_bytes", "mirrored_operations", "error"],
    "properties": {
      "from": {"type": "string"},
      "to": {"type": "string"},
      "stage": {"type": "string", "enum": ["copying", "verifying", "done", "failed", "interrupted"],
                "description": "interrupted: an earlier process ended in it; begin it again."},
      "entries": {"type": "integer", "minimum": 0, "description": "Read in this stage so far."},
      "bytes": {"type": "integer", "minimum": 0, "description": "Of their keys and values."},
      "written_bytes": {"type": "integer", "minimum": 0, "description": "What the target did not have."},
      "mirrored_operations": {"type": "integer", "minimum": 0, "description": "Puts and deletes of commits that went to both."},
      "error": {"type": "string", "description": "Why it failed; empty when it did not."}
    }
  },
  "MigrationList": {
    "type": "object", "required": ["migrations"],
    "properties": {"migrations": {"type": "array", "items": {"$ref": "#/components/schemas/Migration"}}}
  },
  "MigrationStart": {
    "type": "object", "required": ["from", "to"], "additionalProperties": false,
    "properties": {
      "from": {"type": "string", "minLength": 1, "description": "A storage instance in use."},
      "to": {"type": "string", "minLength": 1, "description": "An empty storage instance of the configuration."}
    }
  },
  "Backup": {
    "type": "object",
    "required": ["storage", "folder", "stage", "number", "entries", "bytes", "chunks", "new_chunks", "new_bytes", "error"],
    "properties": {
      "storage": {"type": "string"},
      "folder": {"type": "string"},
      "stage": {"type": "string", "enum": ["saving", "done", "failed"]},
      "number": {"type": "integer", "minimum": 0, "description": "Of the backup in its folder; 0 until it is done."},
      "entries": {"type": "integer", "minimum": 0, "description": "Read so far."},
      "bytes": {"type": "integer", "minimum": 0, "description": "Of their keys and values."},
      "chunks": {"type": "integer", "minimum": 0},
      "new_chunks": {"type": "integer", "minimum": 0, "description": "Those that were not there."},
      "new_bytes": {"type": "integer", "minimum": 0},
      "error": {"type": "string", "description": "Why it failed; empty when it did not."}
    }
  },
  "BackupList": {
    "type": "object", "required": ["backups"],
    "properties": {"backups": {"type": "array", "items": {"$ref": "#/components/schemas/Backup"}}}
  },
  "BackupStart": {
    "type": "object", "required": ["storage", "folder"], "additionalProperties": false,
    "properties": {
      "storage": {"type": "string", "minLength": 1, "description": "A storage instance in use."},
      "folder": {"type": "string", "pattern": "^(/|[a-z0-9]+://)", "description": "Absolute path on the node's machine, made when missing; or an address that one of the node's plugins opens."}
    }
  },
  "StorageJob": {
    "type": "object", "required": ["kind", "storage", "path", "stage", "entries", "bytes", "result", "error"],
    "properties": {
      "kind": {"type": "string", "enum": ["check", "stats", "compact", "checkpoint"]},
      "storage": {"type": "string"},
      "path": {"type": "string", "description": "Of a checkpoint; empty for the others."},
      "stage": {"type": "string", "enum": ["running", "done", "failed"]},
      "entries": {"type": "integer", "minimum": 0, "description": "Read so far."},
      "bytes": {"type": "integer", "minimum": 0, "description": "Of their keys and values."},
      "result": {"type": ["object", "null"], "description": "What came of it: of a check `damaged`, `damages`, `orphans`, `verified` and `counts_compared` beside what stats has; of stats `types` and `engine_bytes`; of compact `bytes_before` and `bytes_after`."},
      "error": {"type": "string", "description": "Why it failed; empty when it did not."}
    }
  },
  "StorageJobList": {
    "type": "object", "required": ["jobs"],
    "properties": {"jobs": {"type": "array", "items": {"$ref": "#/components/schemas/StorageJob"}}}
  },
  "StorageWork": {
    "type": "object", "required": ["kind", "storage"], "additionalProperties": false,
    "properties": {
      "kind": {"type": "string", "enum": ["check", "stats", "compact", "checkpoint"]},
      "storage": {"type": "string", "minLength": 1, "description": "A storage instance of the configuration."},
      "path": {"type": "string", "pattern": "^/", "description": "Of a checkpoint: an absolute path on the node's machine where nothing is."}
    }
  },
  "StoragePace": {
    "type": "object", "required": ["bytes_per_second"], "additionalProperties": false,
    "properties": {"bytes_per_second": {"type": "integer", "minimum": 0, "description": "0: no limit."}}
  },
  "CallAnswer": {
    "description": "The method's answer message; its schema is the module's own."
  },
  "Config": {
    "type": "object",
    "description": "The node's TOML file as JSON."
  },
  "LogLevel": {
    "type": "string",
    "enum": ["trace", "debug", "info", "warn", "error"]
  },
  "LogLevels": {
    "type": "object", "required": ["default", "loggers"],
    "properties": {
      "default": {"$ref": "#/components/schemas/LogLevel"},
      "loggers": {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/LogLevel"}}
    }
  },
  "LogLevelChange": {
    "type": "object", "minProperties": 1, "additionalProperties": false,
    "properties": {
      "default": {"$ref": "#/components/schemas/LogLevel"},
      "loggers": {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/LogLevel"}}
    }
  },
  "OpenApi": {
    "type": "object", "required": ["openapi", "info", "paths"],
    "properties": {
      "openapi": {"type": "string", "pattern": "^3\\.1\\."},
      "info": {"type": "object"},
      "paths": {"type": "object"},
      "servers": {"type": "array"},
      "tags": {"type": "array"},
      "security": {"type": "array"},
      "components": {"type": "object"}
    }
  }
})json";

}  // namespace orbit::admin
