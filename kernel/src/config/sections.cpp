// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The node's own keys, said once.
#include "config/node_config.hpp"
#include "orbit/plugin.hpp"

namespace orbit::kernel {
namespace {

constexpr double kMaxMs = 1e12;

constexpr orbit_option kNode[] = {
    option_string("name", "\"orbit\"", "Name of this node, for people: in logs, metrics and answers."),
    option_integer("workers", "0", 0, 254, "Worker threads, which run connections and actors; 0: one for each core."),
    option_boolean("pin_workers", "false", "Bind each worker to a processor of its own."),
    option_integer("spin_us", "50", 0, 1000,
                   "How long a worker without work looks for more before it sleeps, while work keeps coming this soon. Sleep "
                   "and wake-up cost the asker too; 0: sleep at once."),
    option_string("data_dir", "\"data\"",
                  "Folder of the node itself: copies of loaded modules and the list of them. Relative to the working "
                  "directory; made when it is not there."),
    option_strings(
        "plugin_paths", "[\"../lib/orbit/plugins\"]",
        "Folders that are searched for a [[plugin]] without path. Relative ones are relative to the folder of "
        "the orbitd executable."),
    option_strings("module_paths", "[\"../lib/orbit/modules\"]",
                   "Folders that are searched for a [[module]] whose path has no '/'. Relative as in plugin_paths."),
};

constexpr orbit_option kLimits[] = {
    option_integer("connections_max", "20000", 1, 1e7, "Client connections of all listeners together."),
    option_integer("activations_max", "2000000", 1, 1e9, "Actors in memory; above it idle ones leave first."),
    option_integer("memory_bytes_max", "0", 0, 1e15,
                   "Memory that actors may hold, roughly; above it idle ones leave. 0: half of the machine's memory."),
    option_integer("mailbox_max", "10000", 1, 1e6, "Calls that wait for one actor, unless its type says otherwise."),
    option_integer("idle_timeout_ms", "300000", 1, kMaxMs,
                   "An actor without calls for so long leaves memory, unless its type says otherwise."),
    option_integer("flush_delay_ms", "1000", 1, 3600000,
                   "A change of durability `async` is on disk so much later at most, unless its type says otherwise."),
    option_integer("slow_turn_ms", "100", 0, 3600000,
                   "A turn that keeps its worker for longer, without waiting for anything, is logged and listed. 0: none is."),
    option_integer("io_threads", "4", 1, 1024, "Threads for what may block: storage reads and commits."),
    option_integer("io_queue_max", "65536", 1, 1e8, "Blocking jobs that wait for such a thread."),
    option_integer("plugin_create_timeout_ms", "60000", 1, 86400000,
                   "A plugin that takes longer to be created or started is given up."),
    option_integer("probe_timeout_ms", "10000", 1, 600000,
                   "An unknown library that takes longer to be tried in a child process is refused."),
    option_integer("stop_timeout_ms", "30000", 1, 86400000,
                   "Time for running turns and for each plugin to end when the node stops."),
};

constexpr const char* kLevels[] = {"trace", "debug", "info", "warn", "error", nullptr};
constexpr const char* kFormats[] = {"text", "json", nullptr};
constexpr orbit_option kLog[] = {
    option_string("level", "\"info\"", "Least level that is written.", kLevels),
    option_string("format", "\"text\"", "One line of text, or one JSON object, for each entry.", kFormats),
    option_string("file", "\"\"", "File that is appended to; empty: standard error."),
    option_integer("file_bytes_max", "104857600", 0, 1e15,
                   "Size at which the file becomes FILE.1, that one FILE.2 and so on, and a new one is begun; 0: never."),
    option_integer("files_kept", "4", 1, 1000, "How many of those older files are kept."),
    option_strings("levels", "[]", "Levels of single loggers, as \"logger=level\"; plugins log under their name."),
    option_integer("queue_max", "8192", 16, 1048576,
                   "Lines that wait to be written; when it is full the oldest is dropped and counted."),
};

constexpr orbit_option kStorage[] = {
    option_string(
        "instance", "\"\"",
        "Name of the [[plugin]] that holds the state of actors, but for what [[route]] says; empty: the only one "
        "that provides storage."),
    option_integer("maintenance_bytes_per_second", "0", 0, 1e12,
                   "Most bytes that migrations, backups, checks and counts read a second while the node serves, "
                   "together; 0: no limit. "
                   "Can be changed while it runs."),
};

constexpr orbit_option kAccess[] = {
    option_strings("anonymous_roles", "[]",
                   "Roles of a caller that gives no credentials, once there is access control: with a [[rule]] or an authenticator."),
    option_boolean("open_listeners", "false",
                   "Lets plugins listen where other machines reach them although nothing says who may: neither access control nor "
                   "TLS nor a password or token of the plugin."),
    option_integer("authenticating_max", "64", 1, 100000, "Callers whose credentials are looked at, at a time; more are refused."),
    option_integer("remember_ms", "10000", 0, 3600000,
                   "How long good credentials count without being looked at again; 0: each time they are."),
    option_integer("remembered_max", "10000", 0, 10000000, "Good credentials that are remembered so."),
    option_integer("lockout_name_failures", "10", 0, 1000000,
                   "Wrong credentials of one name in a row after which none of that name are looked at for a while, but from addresses "
                   "where it has logged in before; 0: names are not locked."),
    option_integer("lockout_address_failures", "100", 0, 1000000,
                   "Wrong credentials from one address (of IPv6 one /64) after which none from there are looked at for a while; 0: "
                   "addresses are not locked, as is right behind a proxy."),
    option_integer("lockout_ms", "5000", 1, 3600000, "How long the first time; with each further failure it is twice as long."),
    option_integer("lockout_ms_max", "300000", 1, 86400000, "And how long at most. After 15 minutes without a failure all is forgotten."),
    option_integer("lockout_entries_max", "10000", 1, 10000000,
                   "Names, and addresses, whose failures are counted; the one that was heard of longest ago makes room."),
    option_integer("revocations_max", "10000", 1, 1000000, "Revoked users and tokens; more are refused."),
    option_string("audit_file", "\"\"",
                  "File for the audit log, a JSON object a line, with the bounds of [log]; empty: it goes where [log] says, under "
                  "the logger 'audit'."),
};

constexpr const char* kEffects[] = {"allow", "deny", nullptr};
constexpr orbit_option kRule[] = {
    option_strings("roles", nullptr, "Whom it is for; \"*\": everybody who gave credentials."),
    option_strings("types", "[]",
                   "Actor types that it is about, those of plugins included. As in the next ones, '*' stands for anything, and '\\' "
                   "makes the character behind it mean itself."),
    option_strings("keys", "[\"*\"]", "Keys of these types; {name} stands for the caller's own name."),
    option_strings("methods", "[\"*\"]", "Methods of these types."),
    option_strings("admin", "[]", "Administrative actions that it is about: \"node.*\", \"modules.load\"; docs/access.md lists them."),
    option_boolean("read_only", "false", "It is only about methods and actions that change nothing."),
    option_string("effect", "\"allow\"", "What a deny fits is denied, whatever allows it; what nothing allows is denied.", kEffects),
};

constexpr orbit_option kPlugin[] = {
    option_string("name", nullptr, "Name of this instance, unique in the file."),
    option_string("id", nullptr, "What the plugin calls itself; `orbitd --describe` lists the ids."),
    option_string("path", "\"\"", "File of the plugin; empty: searched by id in node.plugin_paths."),
    option_boolean("required", "true", "Whether the node refuses to start without it."),
};

constexpr orbit_option kModule[] = {
    option_string("path", nullptr,
                  "File of the actor module: relative to the working directory, or without '/' in node.module_paths."),
    option_boolean("required", "true", "Whether the node refuses to start without it."),
};

constexpr orbit_option kRoute[] = {
    option_strings("types", nullptr,
                   "Actor types: names, or beginnings of names with '*' at the end (\"bank.*\"). The most specific entry counts: "
                   "the name itself, else the longest beginning."),
    option_string("storage", nullptr, "Name of the [[plugin]] that holds the state of these types."),
};

constexpr Section kSections[] = {
    {"node", "The node.", kNode, false},
    {"limits", "Bounds. A caller that meets one gets an error that names it.", kLimits, false},
    {"log", "Logging.", kLog, false},
    {"storage", "Where the state of actors is kept.", kStorage, false},
    {"access", "Who may do what: see [[rule]].", kAccess, false},
    {"rule", "What roles may do. With one, or with a plugin that authenticates, nobody may do what no rule allows; the role "
             "\"admin\" may do everything.",
     kRule, true},
    {"route", "Actor types whose state another storage holds. What changes several actors as one needs them in one storage.",
     kRoute, true},
    {"plugin", "A plugin to load; its own keys follow in [plugin.config].", kPlugin, true},
    {"module", "An actor module to load; its own keys, if it has any, follow in [module.config].", kModule, true},
};

}  // namespace

std::span<const Section> config_sections() { return kSections; }

}  // namespace orbit::kernel
