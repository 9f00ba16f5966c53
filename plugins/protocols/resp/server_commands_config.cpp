// SPDX-License-Identifier: MIT OR BSD-3-Clause
// CONFIG: what clients ask about, answered from the settings in force. CONFIG SET changes some of them until the node
// stops; the others are in the node's TOML file.
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "glob.hpp"
#include "numbers.hpp"
#include "session.hpp"
#include "subcommands.hpp"
#include "words.hpp"

namespace orbit::resp {
namespace {

// In Redis's names, with the value that means the same there.
std::vector<std::pair<std::string_view, std::string>> parameters(const Session& session) {
  const Settings& settings = session.settings();
  const bool logged = settings.durability != "none";
  return {
      {"appendfsync", settings.durability == "sync" ? "always"
                      : logged                      ? "everysec"
                                                    : "no"},
      {"appendonly", logged ? "yes" : "no"},
      {"bind", settings.listen.substr(0, settings.listen.rfind(':'))},
      {"client-query-buffer-limit", std::to_string(settings.request_bytes_max)},
      {"cluster-enabled", "no"},
      {"databases", std::to_string(kDatabaseCount)},
      {"lfu-decay-time", "1"},
      {"lfu-log-factor", "10"},
      {"maxclients", std::to_string(settings.connections_max)},
      {"maxmemory", "0"},
      {"maxmemory-policy", "noeviction"},
      {"notify-keyspace-events", ""},
      {"port", std::to_string(session.server().port.load())},
      {"proto-max-bulk-len", std::to_string(settings.parser.bulk_bytes_max)},
      {"requirepass", settings.password.empty() ? "" : "(set)"},
      {"save", ""},
      {"slowlog-log-slower-than", "-1"},
      {"slowlog-max-len", "0"},
      {"timeout", std::to_string(settings.idle_timeout_ms / 1000)},
  };
}

void get(Session& session, Args args, Reply& reply) {
  std::vector<std::pair<std::string_view, std::string>> found;
  for (auto& parameter : parameters(session)) {
    for (const std::string_view pattern : args.subspan(2)) {
      if (!glob_match(lower(pattern), parameter.first)) continue;
      found.push_back(std::move(parameter));
      break;
    }
  }
  reply.map(found.size());
  for (const auto& [name, value] : found) {
    reply.bulk(name);
    reply.bulk(value);
  }
}

// "1kb", "2mb", "3gb" and their like, as Redis reads them. False: no size.
bool parse_bytes(std::string_view text, int64_t& bytes) {
  constexpr std::pair<std::string_view, int64_t> kUnits[] = {
      {"kb", 1024}, {"mb", 1 << 20}, {"gb", 1 << 30}, {"k", 1000}, {"m", 1'000'000}, {"g", 1'000'000'000}, {"b", 1}};
  int64_t unit = 1;
  const std::string small = lower(text);
  std::string_view digits = small;
  for (const auto& [word, factor] : kUnits) {
    if (!digits.ends_with(word)) continue;
    digits.remove_suffix(word.size());
    unit = factor;
    break;
  }
  if (!parse_integer(digits, bytes) || bytes > INT64_MAX / unit) return false;
  bytes *= unit;
  return true;
}

// One that may change, and how. Null, or what is wrong with the value.
struct Changeable {
  std::string_view name;
  const char* (*read)(const Server& server, std::string_view text, Settings& settings);
};

constexpr Changeable kChangeable[] = {
    {"maxclients",
     [](const Server& server, std::string_view text, Settings& settings) -> const char* {
       int64_t count;
       if (!parse_integer(text, count)) return "argument couldn't be parsed into an integer";
       if (count < 1 || count > server.settings().connections_max) {
         return "argument must be between 1 and connections_max in the node's TOML file";
       }
       settings.connections_max = static_cast<uint32_t>(count);
       return nullptr;
     }},
    {"proto-max-bulk-len",
     [](const Server& server, std::string_view text, Settings& settings) -> const char* {
       int64_t bytes;
       if (!parse_bytes(text, bytes)) return "argument must be a memory value";
       if (bytes < (1 << 20) || static_cast<uint64_t>(bytes) > server.settings().parser.bulk_bytes_max) {
         return "argument must be between 1048576 and bulk_bytes_max in the node's TOML file";
       }
       settings.parser.bulk_bytes_max = static_cast<uint64_t>(bytes);
       return nullptr;
     }},
    {"requirepass",
     [](const Server& server, std::string_view text, Settings& settings) -> const char* {
       if (text.empty() && server.must_have_password.load())
         return "other machines can reach this listener, and only the password guards it; see docs/access.md";
       settings.password = text;
       return nullptr;
     }},
    {"timeout",
     [](const Server&, std::string_view text, Settings& settings) -> const char* {
       int64_t seconds;
       if (!parse_integer(text, seconds)) return "argument couldn't be parsed into an integer";
       if (seconds < 0 || seconds > INT32_MAX) return "argument must be between 0 and 2147483647 inclusive";
       settings.idle_timeout_ms = static_cast<uint64_t>(seconds) * 1000;
       return nullptr;
     }},
};

void set_failed(Reply& reply, const std::string& name, std::string_view why) {
  reply.error("ERR CONFIG SET failed (possibly related to argument '" + name + "') - ", why);
}

// Reads all pairs before any is in force. False: the error is written. What is so anyway may always be set.
bool read_changes(Session& session, Args args, Settings& settings, Reply& reply) {
  const auto all = parameters(session);
  std::vector<std::string> seen;
  for (size_t i = 2; i < args.size(); i += 2) {
    const std::string name = lower(args[i]);
    const auto found = std::ranges::find_if(all, [&](const auto& parameter) { return parameter.first == name; });
    if (found == all.end()) {
      reply.error("ERR Unknown option or number of arguments for CONFIG SET - '", std::string(args[i]) + "'");
      return false;
    }
    if (std::ranges::find(seen, name) != seen.end()) return set_failed(reply, name, "duplicate parameter"), false;
    seen.push_back(name);
    const auto changeable = std::ranges::find(kChangeable, name, &Changeable::name);
    if (changeable == std::end(kChangeable)) {
      if (equal_ignoring_case(found->second, args[i + 1])) continue;
      set_failed(reply, name, "can't set immutable config");
      return false;
    }
    if (const char* why = changeable->read(session.server(), args[i + 1], settings); why != nullptr) {
      set_failed(reply, name, why);
      return false;
    }
  }
  return true;
}

void put_in_force(Worker& worker, const Settings& settings) {
  const bool timeout_changed = worker.settings.idle_timeout_ms != settings.idle_timeout_ms;
  worker.settings.password = settings.password;
  worker.settings.idle_timeout_ms = settings.idle_timeout_ms;
  worker.settings.connections_max = settings.connections_max;
  worker.settings.parser.bulk_bytes_max = settings.parser.bulk_bytes_max;
  for (const auto& [id, session] : worker.sessions) {
    if (settings.password.empty() && !worker.server.access().enabled()) session->set_authenticated(true);
    if (timeout_changed) {
      worker.server.interfaces().net->set_idle_timeout(session->connection(), settings.idle_timeout_ms);
    }
  }
}

// One change at a time, and every worker has it before it is answered.
void set(Session& session, Args args) {
  Slot* const slot = session.begin_operation();
  const Args kept = slot->keep(args);
  exclusively(session, [&session, slot, kept](std::function<void()> leave) {
    auto settings = std::make_shared<Settings>(session.settings());
    Reply reply(slot->out, session.protocol());
    if (!read_changes(session, kept, *settings, reply)) {
      session.worker().count_error();
      session.finish(slot);
      return leave();
    }
    on_all_workers(
        session.server(), [settings](Worker& worker) { put_in_force(worker, *settings); },
        [&session, slot, leave] {
          finish_with(session, slot, [](Reply& done) { done.ok(); });
          leave();
        });
  });
}

// While nothing else counts.
void reset_counters(Session& session) {
  Slot* const slot = session.begin_operation();
  exclusively(session, [&session, slot](std::function<void()> leave) {
    session.server().reset_counters();
    finish_with(session, slot, [](Reply& reply) { reply.ok(); });
    leave();
  });
}

void config(Session& session, Args args) {
  const std::string word = lower(args[1]);
  std::string why;
  if (check_subcommand("config", args, why)) {
    if (word == "set" && args.size() % 2 == 0) return set(session, args);
    if (word == "resetstat") return reset_counters(session);
  }
  answer(session, [&](Reply& reply) {
    if (answer_subcommand("config", args, reply)) return;
    if (word == "get") return get(session, args, reply);
    if (word == "set") return reply.syntax_error();
    reply.error("ERR The server is running without a config file");
  });
}

constexpr SessionCommand kConfigCommands[] = {
    {.name = "config", .operation = &config},
};

}  // namespace

std::span<const SessionCommand> config_commands() { return kConfigCommands; }

}  // namespace orbit::resp
