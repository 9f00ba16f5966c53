// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "routes.hpp"

#include "handlers.hpp"

namespace orbit::admin {

namespace {

constexpr const char* kJsonMedia = "application/json";
constexpr const char* kMetricsMedia = "text/plain; version=0.0.4; charset=utf-8";

constexpr Parameter kPathParameters[] = {
    {"type", "Name of an actor type: a protobuf service's full name or a plugin's own, as `GET /v1/types` lists it.",
     R"({"type":"string","minLength":1})"},
    {"key", "The actor's key. Keys are bytes: percent-encode every byte that is no letter, digit or one of `-._~`.",
     R"({"type":"string","maxLength":65536})"},
    {"method", "Name of one of the type's methods.", R"({"type":"string","minLength":1})"},
    {"index", "Name of one of the type's indexes.", R"({"type":"string","minLength":1})"},
    {"kind", "What is revoked: `user`, or `token`.", R"({"type":"string","enum":["user","token"]})"},
    {"value",
     "The user's name, or what the token is called: a JWT's `jti`, or `sha256:` and the hash of the token in "
     "hexadecimal.",
     R"({"type":"string","minLength":1,"maxLength":256})"},
    {"name",
     "Name of a loaded actor module, as `GET /v1/modules` lists it, or of a plugin's instance, as `GET /v1/plugins` "
     "does.",
     R"({"type":"string","minLength":1})"},
};

constexpr Parameter kRevokeQuery[] = {
    {"until_ms", "Unix time in milliseconds from which it counts no more; 0: until it is taken back.",
     R"({"type":"integer","minimum":0,"default":0})"},
};
constexpr Parameter kActivationQuery[] = {
    {"type", "Only activations of this actor type; all types when it is left out.", R"({"type":"string"})"},
    {"limit", "Most activations in one answer.", R"({"type":"integer","minimum":1,"maximum":1000,"default":100})"},
    {"cursor", "`next_cursor` of the answer before; left out for the first.", R"({"type":"string"})"},
};
constexpr Parameter kIndexQuery[] = {
    {"equals", "Only actors with this value; not together with `from` or `to`. A number or boolean in decimal or as "
               "`true` and `false`, bytes in hexadecimal.", R"({"type":"string"})"},
    {"from", "Only actors with this value or a greater one.", R"({"type":"string"})"},
    {"to", "Only actors with a lesser value.", R"({"type":"string"})"},
    {"order", "Of values, and of keys where values are the same.",
     R"({"type":"string","enum":["ascending","descending"],"default":"ascending"})"},
    {"limit", "Most actors in one answer.", R"({"type":"integer","minimum":1,"maximum":10000,"default":100})"},
    {"after", "`next` of the answer before; left out for the first.", R"({"type":"string"})"},
};
constexpr Parameter kTopQuery[] = {
    {"by", "What makes an actor hot.", R"({"type":"string","enum":["calls","time"],"default":"calls"})"},
    {"limit", "Most actors in the answer.", R"({"type":"integer","minimum":1,"maximum":1000,"default":20})"},
};
constexpr Parameter kWaitsQuery[] = {
    {"limit", "Most turns in the answer.", R"({"type":"integer","minimum":1,"maximum":10000,"default":1000})"},
};
constexpr Parameter kNewestQuery[] = {
    {"limit", "Most entries in the answer.", R"({"type":"integer","minimum":1,"maximum":1000,"default":100})"},
};
constexpr Parameter kLogQuery[] = {
    {"after", "`position` of an answer: only lines that were written since.", R"({"type":"integer","minimum":0,"default":0})"},
    {"limit", "Most lines, the last ones.", R"({"type":"integer","minimum":1,"maximum":1000,"default":1000})"},
};
constexpr Parameter kCallQuery[] = {
    {"timeout_ms", "Time that the call may take, at most the node's `call_timeout_ms`, which is also the default.",
     R"({"type":"integer","minimum":1})"},
};

constexpr Answer kHealth[] = {{200, "The process answers.", kJsonMedia, "Health"}};
constexpr Answer kReady[] = {{200, "The node has started and is not draining.", kJsonMedia, "Ready"}};
constexpr Answer kNode[] = {{200, "The node.", kJsonMedia, "Node"}};
constexpr Answer kWorkers[] = {{200, "The workers, in order.", kJsonMedia, "WorkerList"}};
constexpr Answer kPlugins[] = {{200, "Every plugin instance.", kJsonMedia, "PluginList"}};
constexpr Answer kPluginLoaded[] = {{200, "The plugin runs.", kJsonMedia, "PluginLoaded"}};
constexpr Answer kPluginUnloaded[] = {
    {204, "The plugin is stopped, its connections are closed and its actors have left.", nullptr, nullptr}};
constexpr Answer kModules[] = {{200, "Every generation of every module.", kJsonMedia, "ModuleList"}};
constexpr Answer kModule[] = {{200, "The module is loaded and active.", kJsonMedia, "Module"}};
constexpr Answer kRetired[] = {{204, "The module's activations are drained; its types are gone.", nullptr, nullptr}};
constexpr Answer kTypes[] = {{200, "The actor types.", kJsonMedia, "TypeList"}};
constexpr Answer kType[] = {{200, "The actor type.", kJsonMedia, "Type"}};
constexpr Answer kActivations[] = {{200, "One page of activations.", kJsonMedia, "ActivationPage"}};
constexpr Answer kActivation[] = {{200, "The activation.", kJsonMedia, "Activation"}};
constexpr Answer kDeactivated[] = {{204, "The actor is leaving memory.", nullptr, nullptr}};
constexpr Answer kCalled[] = {{200, "The method's answer, in protobuf's JSON mapping.", kJsonMedia, "CallAnswer"}};
constexpr Answer kIndexed[] = {{200, "One page of actors.", kJsonMedia, "IndexPage"}};
constexpr Answer kTop[] = {{200, "The workers and the busiest actors.", kJsonMedia, "Top"}};
constexpr Answer kWaits[] = {{200, "The graph.", kJsonMedia, "WaitGraph"}};
constexpr Answer kSlowTurns[] = {{200, "The slow turns, newest first.", kJsonMedia, "SlowTurnList"}};
constexpr Answer kDeadLetters[] = {{200, "The dead letters, newest first.", kJsonMedia, "DeadLetterList"}};
constexpr Answer kConfig[] = {{200, "The configuration in force.", kJsonMedia, "Config"}};
constexpr Answer kLogLevels[] = {{200, "The levels in force.", kJsonMedia, "LogLevels"}};
constexpr Answer kStorages[] = {{200, "Every storage instance of the configuration.", kJsonMedia, "StorageList"}};
constexpr Answer kMigrations[] = {{200, "The migrations.", kJsonMedia, "MigrationList"}};
constexpr Answer kBackups[] = {{200, "The backups.", kJsonMedia, "BackupList"}};
constexpr Answer kBackup[] = {{200, "The backup has begun.", kJsonMedia, "Backup"}};
constexpr Answer kStorageJobs[] = {{200, "The jobs.", kJsonMedia, "StorageJobList"}};
constexpr Answer kStorageJob[] = {{200, "The job has begun.", kJsonMedia, "StorageJob"}};
constexpr Answer kStoragePace[] = {{200, "The limit in force.", kJsonMedia, "StoragePace"}};
constexpr Answer kMigration[] = {{200, "The migration has begun.", kJsonMedia, "Migration"}};
constexpr Answer kMetrics[] = {{200, "All metrics in Prometheus' text format.", kMetricsMedia, nullptr}};
constexpr Answer kLog[] = {{200, "The lines.", kJsonMedia, "LogTail"}};
constexpr Answer kForms[] = {{200, "The messages.", kJsonMedia, "MessageForms"}};
constexpr Answer kConsole[] = {{200, "The page.", "text/html", nullptr}};
constexpr Answer kOpenApi[] = {{200, "This document.", kJsonMedia, "OpenApi"}};

constexpr Answer kRevocations[] = {{200, "The revocations.", kJsonMedia, "RevocationList"}};
constexpr Answer kRevoked[] = {{204, "It is revoked.", nullptr, nullptr}};
constexpr Answer kTakenBack[] = {{204, "It is not revoked any more.", nullptr, nullptr}};
constexpr Answer kReloaded[] = {{204, "All was read again.", nullptr, nullptr}};

constexpr int kRevokeErrors[] = {429, 503};
constexpr int kTakeBackErrors[] = {404, 429, 503};
constexpr int kReloadErrors[] = {404, 429, 503};
constexpr int kNotReady[] = {503};
constexpr int kUnimplemented[] = {501};
constexpr int kNotFound[] = {404};
constexpr int kQueryErrors[] = {404, 429, 503};
constexpr int kLoadErrors[] = {409, 415, 429};
constexpr int kPluginLoadErrors[] = {404, 409, 415, 429, 501, 503};
constexpr int kPluginUnloadErrors[] = {404, 429, 501, 503, 504};
constexpr int kMigrateErrors[] = {404, 415, 503};
constexpr int kWorkErrors[] = {404, 415, 501, 503};
constexpr int kPaceErrors[] = {415, 501};
constexpr int kCallErrors[] = {404, 409, 415, 429, 501, 503, 504};
constexpr int kLevelErrors[] = {404, 415};

constexpr Route kRoutes[] = {
    {.method = "GET",
     .path = "/",
     .operation = "getConsole",
     .tag = "node",
     .summary = "The console",
     .doc = "A page for a browser that shows the node and calls actors. Needs no token itself; it asks for one.",
     .handle = handlers::console,
     .answers = kConsole,
     .open = true},
    {.method = "GET",
     .path = "/healthz",
     .operation = "getHealth",
     .tag = "health",
     .summary = "Is the process alive?",
     .doc = "Answers as long as the process does; for a liveness probe. Needs no token.",
     .handle = handlers::health,
     .answers = kHealth,
     .open = true},
    {.method = "GET",
     .path = "/readyz",
     .operation = "getReadiness",
     .tag = "health",
     .summary = "Does the node take work?",
     .doc = "200 when the node has started and is not draining, else 503; for a readiness probe. Needs no token.",
     .handle = handlers::ready,
     .answers = kReady,
     .errors = kNotReady,
     .open = true},
    {.method = "GET",
     .path = "/v1/node",
     .operation = "getNode",
     .tag = "node",
     .summary = "The node",
     .doc = "Name, version, state, uptime, memory, listeners.",
     .handle = handlers::node,
     .answers = kNode},
    {.method = "GET",
     .path = "/v1/workers",
     .operation = "listWorkers",
     .tag = "node",
     .summary = "The workers",
     .doc = "One worker per core: what it owns and what it has done since the start.",
     .handle = handlers::workers,
     .answers = kWorkers},
    {.method = "GET",
     .path = "/v1/plugins",
     .operation = "listPlugins",
     .tag = "node",
     .summary = "The plugins",
     .doc = "Every plugin instance: those of the configuration, also the ones that were refused, with the reason, and "
            "those that were "
            "loaded since.",
     .handle = handlers::plugins,
     .answers = kPlugins},
    {.method = "POST",
     .path = "/v1/plugins",
     .operation = "loadPlugin",
     .tag = "plugins",
     .summary = "Load a plugin into the running node",
     .doc = "Does for it what the node does for each [[plugin]] of its configuration when it starts, and takes the "
            "same settings. It "
            "lasts until the node ends; the answer has what to write into the configuration. All mistakes are told at "
            "once, and after "
            "an error the node is as it was. Plugins that authenticate callers or filter calls are taken up only at a "
            "start and are "
            "refused.",
     .handle = handlers::load_plugin,
     .answers = kPluginLoaded,
     .errors = kPluginLoadErrors,
     .body = "PluginLoad",
     .body_required = true},
    {.method = "DELETE",
     .path = "/v1/plugins/{name}",
     .operation = "unloadPlugin",
     .tag = "plugins",
     .summary = "Stop a plugin that serves a wire",
     .doc = "It accepts no more and ends what was begun; connections that are open after 5 s are closed. 504: it is "
            "stopped, but connections or actors of it take longer to leave. One that the configuration has "
            "is there again after a restart. Storage engines and other plugins that something may be using are "
            "refused, and so is the "
            "one that carries this request.",
     .handle = handlers::unload_plugin,
     .answers = kPluginUnloaded,
     .errors = kPluginUnloadErrors},
    {.method = "GET",
     .path = "/v1/config",
     .operation = "getConfig",
     .tag = "node",
     .summary = "The configuration in force",
     .doc = "Defaults filled in; a secret shows as set or unset only.",
     .handle = handlers::config,
     .answers = kConfig},
    {.method = "GET",
     .path = "/v1/log",
     .operation = "getLog",
     .tag = "node",
     .summary = "The last lines of the log",
     .doc = "The node keeps the last 1000 lines in memory, wherever the log goes. Lines above 2 KiB are cut.",
     .handle = handlers::log_tail,
     .answers = kLog,
     .query = kLogQuery},
    {.method = "GET",
     .path = "/v1/log/levels",
     .operation = "getLogLevels",
     .tag = "node",
     .summary = "The log levels",
     .doc = "The default and each logger's level.",
     .handle = handlers::log_levels,
     .answers = kLogLevels},
    {.method = "PUT",
     .path = "/v1/log/levels",
     .operation = "setLogLevels",
     .tag = "node",
     .summary = "Set log levels",
     .doc = "`default` goes to all loggers first, then `loggers` to those it names. What is not named stays as it is. "
            "Names and "
            "levels are checked before the first one changes.",
     .handle = handlers::set_log_levels,
     .answers = kLogLevels,
     .errors = kLevelErrors,
     .body = "LogLevelChange",
     .body_required = true},
    {.method = "GET",
     .path = "/v1/modules",
     .operation = "listModules",
     .tag = "modules",
     .summary = "The actor modules",
     .doc = "Also modules that drain or have retired.",
     .handle = handlers::modules,
     .answers = kModules},
    {.method = "POST",
     .path = "/v1/modules",
     .operation = "loadModule",
     .tag = "modules",
     .summary = "Load or upgrade an actor module",
     .doc = "Probes the file in a child process, then loads it. A module of the same name is upgraded: new activations "
            "run "
            "the new version, and the old one retires when its last activation is drained.",
     .handle = handlers::load_module,
     .answers = kModule,
     .errors = kLoadErrors,
     .body = "ModuleLoad",
     .body_required = true},
    {.method = "DELETE",
     .path = "/v1/modules/{name}",
     .operation = "retireModule",
     .tag = "modules",
     .summary = "Retire an actor module",
     .doc = "Drains its activations, stores their state and takes its types away. The stored state stays.",
     .handle = handlers::retire_module,
     .answers = kRetired,
     .errors = kNotFound},
    {.method = "GET",
     .path = "/v1/types",
     .operation = "listTypes",
     .tag = "actors",
     .summary = "The actor types",
     .doc = "With their methods.",
     .handle = handlers::types,
     .answers = kTypes},
    {.method = "GET",
     .path = "/v1/messages",
     .operation = "listMessages",
     .tag = "actors",
     .summary = "The messages that methods take",
     .doc = "Field by field, so that a form can be made of each: of every message that a method takes, and of those "
            "within.",
     .handle = handlers::message_forms,
     .answers = kForms},
    {.method = "GET",
     .path = "/v1/types/{type}",
     .operation = "getType",
     .tag = "actors",
     .summary = "One actor type",
     .doc = "With its methods.",
     .handle = handlers::type,
     .answers = kType,
     .errors = kNotFound},
    {.method = "GET",
     .path = "/v1/types/{type}/indexes/{index}",
     .operation = "queryIndex",
     .tag = "actors",
     .summary = "Find actors by a secondary index",
     .doc =
         "Stored actors of the type in order of the indexed value, in memory or not; what completed turns changed is "
         "seen. `GET /v1/types/{type}` names the indexes.",
     .handle = handlers::query_index,
     .answers = kIndexed,
     .errors = kQueryErrors,
     .query = kIndexQuery},
    {.method = "GET",
     .path = "/v1/top",
     .operation = "getTop",
     .tag = "live",
     .summary = "What keeps the node busy",
     .doc =
         "What each worker does, and the actors with the most turns or the most time over the last 10 to 20 seconds, "
         "from a sample of the turns. A worker that does not answer, because a turn burns it, is shown with that turn.",
     .handle = handlers::top,
     .answers = kTop,
     .query = kTopQuery},
    {.method = "GET",
     .path = "/v1/waits",
     .operation = "getWaits",
     .tag = "live",
     .summary = "Who waits for whom",
     .doc = "Every turn that waits is a node; edges lead to the turns that must end first. Edges of a circle, which "
            "only a "
            "deadline or a cancellation can end, are marked. Walks all actors in memory.",
     .handle = handlers::waits,
     .answers = kWaits,
     .query = kWaitsQuery},
    {.method = "GET",
     .path = "/v1/slow-turns",
     .operation = "listSlowTurns",
     .tag = "live",
     .summary = "Turns that kept their worker for too long",
     .doc = "Turns that ran for longer than `limits.slow_turn_ms` without waiting for anything, also one that still "
            "runs. The last 128 of each worker are kept.",
     .handle = handlers::slow_turns,
     .answers = kSlowTurns,
     .query = kNewestQuery},
    {.method = "GET",
     .path = "/v1/dead-letters",
     .operation = "listDeadLetters",
     .tag = "live",
     .summary = "One-way messages that no turn handled",
     .doc = "The last 128 of each worker are kept; `counts` has all since the start.",
     .handle = handlers::dead_letters,
     .answers = kDeadLetters,
     .query = kNewestQuery},
    {.method = "GET",
     .path = "/v1/activations",
     .operation = "listActivations",
     .tag = "actors",
     .summary = "Actors in memory",
     .doc = "In no particular order. An activation that comes or goes between two pages may be missed.",
     .handle = handlers::activations,
     .answers = kActivations,
     .query = kActivationQuery},
    {.method = "GET",
     .path = "/v1/activations/{type}/{key}",
     .operation = "getActivation",
     .tag = "actors",
     .summary = "One actor in memory",
     .doc = "404 when the actor is not in memory, stored or not.",
     .handle = handlers::activation,
     .answers = kActivation,
     .errors = kNotFound},
    {.method = "DELETE",
     .path = "/v1/activations/{type}/{key}",
     .operation = "deactivate",
     .tag = "actors",
     .summary = "Make an actor leave memory",
     .doc = "When its running turn is over its state is stored and it leaves; the next message brings it back. Answers "
            "when "
            "this has begun.",
     .handle = handlers::deactivate,
     .answers = kDeactivated,
     .errors = kNotFound},
    {.method = "POST",
     .path = "/v1/actors/{type}/{key}/{method}",
     .operation = "callActor",
     .tag = "actors",
     .summary = "Call an actor",
     .doc = "One turn of the actor. The body is the method's request in protobuf's JSON mapping; no body is `{}`. "
            "`GET /v1/types/{type}` names the methods and their message types.",
     .handle = handlers::call,
     .answers = kCalled,
     .errors = kCallErrors,
     .query = kCallQuery,
     .body = "",
     .is_call = true},
    {.method = "GET",
     .path = "/v1/access/revocations",
     .operation = "listRevocations",
     .tag = "access",
     .summary = "The users and tokens that are let in no more",
     .doc = "Whatever the plugins say that authenticate.",
     .handle = handlers::revocations,
     .answers = kRevocations},
    {.method = "PUT",
     .path = "/v1/access/revocations/{kind}/{value}",
     .operation = "revoke",
     .tag = "access",
     .summary = "Let a user or a token in no more",
     .doc = "At once, also on connections that have logged in, and over restarts of this node.",
     .handle = handlers::revoke,
     .answers = kRevoked,
     .errors = kRevokeErrors,
     .query = kRevokeQuery},
    {.method = "DELETE",
     .path = "/v1/access/revocations/{kind}/{value}",
     .operation = "takeBackRevocation",
     .tag = "access",
     .summary = "Let a user or a token in again",
     .doc = "If the plugins that authenticate do.",
     .handle = handlers::take_back,
     .answers = kTakenBack,
     .errors = kTakeBackErrors},
    {.method = "POST",
     .path = "/v1/access/reload",
     .operation = "reloadAccess",
     .tag = "access",
     .summary = "Read users, tokens and keys again",
     .doc = "What cannot be read stays as it was, and the answer says why.",
     .handle = handlers::reload_access,
     .answers = kReloaded,
     .errors = kReloadErrors},
    {.method = "GET",
     .path = "/v1/storage",
     .operation = "listStorages",
     .tag = "storage",
     .summary = "The storage instances",
     .doc = "Also those that hold nothing that is in use.",
     .handle = handlers::storages,
     .answers = kStorages},
    {.method = "GET",
     .path = "/v1/storage/migrations",
     .operation = "listMigrations",
     .tag = "storage",
     .summary = "The migrations of this process, and what earlier ones left unfinished",
     .doc = "The one that runs is the last.",
     .handle = handlers::migrations,
     .answers = kMigrations},
    {.method = "POST",
     .path = "/v1/storage/migrations",
     .operation = "migrateStorage",
     .tag = "storage",
     .summary = "Move what a storage instance has to another one while the node serves",
     .doc = "Copies, passes on what is committed meanwhile, compares both by checksum and then goes on with the "
            "target. Goes on "
            "with a migration that was interrupted. Answers when it has begun.",
     .handle = handlers::migrate,
     .answers = kMigration,
     .errors = kMigrateErrors,
     .body = "MigrationStart",
     .body_required = true},
    {.method = "GET",
     .path = "/v1/storage/backups",
     .operation = "listBackups",
     .tag = "storage",
     .summary = "The backups that this process made",
     .doc = "The one that runs is the last.",
     .handle = handlers::backups,
     .answers = kBackups},
    {.method = "POST",
     .path = "/v1/storage/backups",
     .operation = "backUpStorage",
     .tag = "storage",
     .summary = "Save a storage instance into a folder of the node's machine or to an address while the node serves",
     .doc = "As of the moment when it begins. What did not change since an earlier backup there is not written again. "
            "Answers when it has begun.",
     .handle = handlers::backup,
     .answers = kBackup,
     .errors = kMigrateErrors,
     .body = "BackupStart",
     .body_required = true},
    {.method = "GET",
     .path = "/v1/storage/jobs",
     .operation = "listStorageJobs",
     .tag = "storage",
     .summary = "Checks, counts, compactions and checkpoints of this process",
     .doc = "The one that runs is the last.",
     .handle = handlers::storage_jobs,
     .answers = kStorageJobs,
     .errors = kUnimplemented},
    {.method = "POST",
     .path = "/v1/storage/jobs",
     .operation = "workOnStorage",
     .tag = "storage",
     .summary = "Have a storage instance checked, counted, compacted or copied into a directory while the node serves",
     .doc = "check reads everything and compares checksums, stats counts keys and bytes by actor type, compact gives "
            "back the room of "
            "what was erased, checkpoint makes a second database in a directory of the node's machine, of hard links "
            "where the "
            "engine and the file system can. Answers when it has begun.",
     .handle = handlers::storage_work,
     .answers = kStorageJob,
     .errors = kWorkErrors,
     .body = "StorageWork",
     .body_required = true},
    {.method = "GET",
     .path = "/v1/storage/pace",
     .operation = "getStoragePace",
     .tag = "storage",
     .summary = "How fast migrations, backups, checks and counts may read",
     .doc = "Together.",
     .handle = handlers::storage_pace,
     .answers = kStoragePace,
     .errors = kUnimplemented},
    {.method = "PUT",
     .path = "/v1/storage/pace",
     .operation = "setStoragePace",
     .tag = "storage",
     .summary = "Change how fast migrations, backups, checks and counts may read",
     .doc = "What runs heeds it too. After a restart [storage] maintenance_bytes_per_second counts again.",
     .handle = handlers::set_storage_pace,
     .answers = kStoragePace,
     .errors = kPaceErrors,
     .body = "StoragePace",
     .body_required = true},
    {.method = "GET",
     .path = "/metrics",
     .operation = "getMetrics",
     .tag = "node",
     .summary = "Metrics for Prometheus",
     .doc = "Text format 0.0.4.",
     .handle = handlers::metrics,
     .answers = kMetrics},
    {.method = "GET",
     .path = "/openapi.json",
     .operation = "getOpenApi",
     .tag = "health",
     .summary = "This document",
     .doc = "OpenAPI 3.1. Needs no token.",
     .handle = handlers::openapi,
     .answers = kOpenApi,
     .open = true},
};

// Takes the next "/segment" off a route's path.
std::string_view next_segment(std::string_view& path) {
  path.remove_prefix(1);
  const size_t end = std::min(path.find('/'), path.size());
  const std::string_view segment = path.substr(0, end);
  path.remove_prefix(end);
  return segment;
}

bool matches(const Route& route, std::span<const std::string> segments, std::vector<std::string>& parameters) {
  parameters.clear();
  std::string_view path = route.path;
  if (path == "/") return segments.empty();
  for (const std::string& segment : segments) {
    if (path.empty()) return false;
    const std::string_view expected = next_segment(path);
    if (expected.starts_with('{'))
      parameters.push_back(segment);
    else if (expected != segment)
      return false;
  }
  return path.empty();
}

}  // namespace

std::span<const Route> routes() noexcept { return kRoutes; }
std::span<const Parameter> path_parameters() noexcept { return kPathParameters; }

Match match_route(std::string_view method, std::span<const std::string> segments) {
  Match match;
  const std::string_view wanted = method == "HEAD" ? std::string_view("GET") : method;
  for (const Route& route : kRoutes) {
    if (!matches(route, segments, match.parameters)) continue;
    if (route.method == wanted) {
      match.route = &route;
      return match;
    }
    if (!match.allow.empty()) match.allow += ", ";
    match.allow += route.method;
    if (std::string_view(route.method) == "GET") match.allow += ", HEAD";
  }
  match.parameters.clear();
  return match;
}

}  // namespace orbit::admin
