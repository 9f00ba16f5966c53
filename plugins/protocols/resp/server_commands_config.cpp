// SPDX-License-Identifier: MIT OR BSD-3-Clause
// CONFIG: what clients ask about, answered from the settings in force. Settings are changed in the node's TOML file
// only.
#include <string>
#include <utility>
#include <vector>

#include "glob.hpp"
#include "session.hpp"
#include "words.hpp"

namespace orbit::resp {
namespace {

// In Redis's names, with the value that means the same there.
std::vector<std::pair<std::string_view, std::string>> parameters(const Server& server) {
  const Settings& settings = server.settings();
  const bool logged = settings.durability != "none";
  return {
      {"appendfsync", settings.durability == "sync" ? "always" : logged ? "everysec" : "no"},
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
      {"port", std::to_string(server.port.load())},
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
  for (auto& parameter : parameters(session.server())) {
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

// Succeeds when nothing has to change, so that clients that set what is so anyway go on.
void set(Session& session, Args args, Reply& reply) {
  const auto all = parameters(session.server());
  for (size_t i = 2; i < args.size(); i += 2) {
    const std::string name = lower(args[i]);
    const auto found = std::ranges::find_if(all, [&](const auto& parameter) { return parameter.first == name; });
    if (found == all.end()) {
      reply.error("ERR Unknown option or number of arguments for CONFIG SET - '", std::string(args[i]) + "'");
      return;
    }
    if (!equal_ignoring_case(found->second, args[i + 1])) {
      reply.error("ERR CONFIG SET failed (possibly related to argument '" + name +
                  "') - can't set immutable config: change the node's TOML file");
      return;
    }
  }
  reply.ok();
}

void config(Session& session, Args args, Reply& reply) {
  const std::string word = lower(args[1]);
  if (word == "get" && args.size() >= 3) {
    get(session, args, reply);
  } else if (word == "set" && args.size() >= 4) {
    args.size() % 2 == 0 ? set(session, args, reply) : reply.syntax_error();
  } else if (word == "get" || word == "set") {
    reply_wrong_arguments("config|" + word, reply);
  } else if (word == "resetstat" && args.size() == 2) {
    reply.error("ERR CONFIG RESETSTAT is not supported: counters only grow");
  } else if (word == "rewrite" && args.size() == 2) {
    reply.error("ERR CONFIG REWRITE is not supported: settings are in the node's TOML file");
  } else {
    reply_unknown_subcommand(args, reply);
  }
}

constexpr SessionCommand kConfigCommands[] = {
    {.name = "config", .function = &config},
};

}  // namespace

std::span<const SessionCommand> config_commands() { return kConfigCommands; }

}  // namespace orbit::resp
