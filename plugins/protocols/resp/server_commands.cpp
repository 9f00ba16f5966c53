// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Small commands of the connection and the node.
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "numbers.hpp"
#include "session.hpp"
#include "subcommands.hpp"
#include "words.hpp"

namespace orbit::resp {

void reply_unknown_subcommand(Args args, Reply& reply) {
  std::string text = "ERR unknown subcommand '";
  text += args[1].substr(0, 128);
  text += "'. Try ";
  for (const char c : args[0]) text += c >= 'a' && c <= 'z' ? static_cast<char>(c - ('a' - 'A')) : c;
  reply.error(text, " HELP.");
}

void reply_wrong_arguments(std::string_view command, Reply& reply) {
  std::string text = "ERR wrong number of arguments for '";
  text += command;
  reply.error(text, "' command");
}

namespace {

void ping(Session& session, Args args, Reply& reply) {
  if (args.size() > 2) {
    reply_wrong_arguments("ping", reply);
  } else if (session.subscribed() && session.protocol() < 3) {
    reply.array(2);
    reply.bulk("pong");
    reply.bulk(args.size() == 2 ? args[1] : std::string_view());
  } else if (args.size() == 2) {
    reply.bulk(args[1]);
  } else {
    reply.simple("PONG");
  }
}

void echo(Session&, Args args, Reply& reply) { reply.bulk(args[1]); }

void quit(Session& session, Args, Reply& reply) {
  reply.ok();
  session.close_after_replies();
}

void reset(Session& session, Args, Reply& reply) {
  session.reset_state();
  reply.set_protocol(2);
  reply.simple("RESET");
}

void select(Session& session, Args args, Reply& reply) {
  int64_t index = 0;
  if (!parse_integer(args[1], index)) {
    reply.not_an_integer();
  } else if (index < 0 || index >= static_cast<int64_t>(kDatabaseCount)) {
    reply.error("ERR DB index is out of range");
  } else {
    session.select(static_cast<uint32_t>(index));
    reply.ok();
  }
}

void time(Session& session, Args, Reply& reply) {
  const Interfaces& node = session.server().interfaces();
  const uint64_t now_ms = node.workers->unix_ms(node.host);
  reply.array(2);
  reply.bulk(std::to_string(now_ms / 1000));
  reply.bulk(std::to_string(now_ms % 1000 * 1000));
}

void answer_ok(Session&, Args, Reply& reply) { reply.ok(); }

void role(Session&, Args, Reply& reply) {
  reply.array(3);
  reply.bulk("master");
  reply.integer(0);
  reply.array(0);
}

// There are no replicas of the Redis kind: what is acknowledged is in the node's storage.
void wait(Session&, Args args, Reply& reply) {
  int64_t replicas = 0;
  int64_t timeout_ms = 0;
  if (!parse_integer(args[1], replicas) || !parse_integer(args[2], timeout_ms)) {
    reply.not_an_integer();
  } else if (timeout_ms < 0) {
    reply.error("ERR timeout is negative");
  } else {
    reply.integer(0);
  }
}

void lolwut(Session& session, Args, Reply& reply) {
  reply.verbatim("txt",
                 "Orbit, which speaks the language of Redis ver. 7.0.15 (run " + session.server().run_id + ")\n");
}

constexpr size_t kUsersMax = 10'000;  // in one answer

struct User {
  std::string name;
  std::vector<std::string> roles;
};

// Those that authenticators can tell, each name once, and "default".
std::vector<User> users_of(const Session& session) {
  std::map<std::string, std::set<std::string>> found;
  found["default"];
  const Access& access = session.server().access();
  access.api()->users(
      access.host(),
      [](void* ctx, const orbit_identity* user) {
        auto& all = *static_cast<std::map<std::string, std::set<std::string>>*>(ctx);
        std::set<std::string>& roles = all[std::string(from_c(user->name))];
        for (uint32_t i = 0; i < user->role_count; ++i) roles.emplace(from_c(user->roles[i]));
        return all.size() < kUsersMax ? 1 : 0;
      },
      &found);
  std::vector<User> out;
  for (auto& [name, roles] : found) out.push_back({name, {roles.begin(), roles.end()}});
  return out;
}

// One line of ACL LIST: roles instead of Redis's categories, which have no like here.
std::string line_of(const User& user, bool access_control) {
  if (!access_control) return "user " + user.name + " on nopass ~* &* +@all";
  std::string out = "user " + user.name + " on";
  for (const std::string& role : user.roles) out += " @" + role;
  return out;
}

void tell_user(const Session& session, std::string_view name, Reply& reply) {
  const auto users = users_of(session);
  const auto found = std::ranges::find(users, name, &User::name);
  if (found == users.end()) return reply.null();
  reply.map(3);
  reply.bulk("flags");
  reply.array(1);
  reply.bulk("on");
  reply.bulk("passwords");  // never told
  reply.array(0);
  reply.bulk("roles");
  reply.array(found->roles.size());
  for (const std::string& role : found->roles) reply.bulk(role);
}

void acl(Session& session, Args args, Reply& reply) {
  if (answer_subcommand("acl", args, reply)) return;
  if (equal_ignoring_case(args[1], "whoami") && args.size() == 2) {
    reply.bulk(session.user());
  } else if (equal_ignoring_case(args[1], "users") && args.size() == 2) {
    const auto users = users_of(session);
    reply.array(users.size());
    for (const User& user : users) reply.bulk(user.name);
  } else if (equal_ignoring_case(args[1], "list") && args.size() == 2) {
    const auto users = users_of(session);
    reply.array(users.size());
    for (const User& user : users) reply.bulk(line_of(user, session.server().access().enabled()));
  } else if (equal_ignoring_case(args[1], "getuser") && args.size() == 3) {
    tell_user(session, args[2], reply);
  } else {
    reply_unknown_subcommand(args, reply);
  }
}

void lastsave(Session& session, Args, Reply& reply) {
  reply.integer(static_cast<int64_t>(session.server().saved_at_s.load(std::memory_order_relaxed)));
}

// Slow commands are not recorded: the log is empty.
void slowlog(Session&, Args args, Reply& reply) {
  if (answer_subcommand("slowlog", args, reply)) return;
  if (equal_ignoring_case(args[1], "get")) {
    reply.array(0);
  } else if (equal_ignoring_case(args[1], "len") && args.size() == 2) {
    reply.integer(0);
  } else if (equal_ignoring_case(args[1], "reset") && args.size() == 2) {
    reply.ok();
  } else {
    reply_unknown_subcommand(args, reply);
  }
}

// Latency is not sampled: there are no events.
void latency(Session&, Args args, Reply& reply) {
  if (answer_subcommand("latency", args, reply)) return;
  if (equal_ignoring_case(args[1], "latest") || equal_ignoring_case(args[1], "history")) {
    reply.array(0);
  } else if (equal_ignoring_case(args[1], "reset")) {
    reply.integer(0);
  } else {
    reply_unknown_subcommand(args, reply);
  }
}

void shutdown(Session&, Args, Reply& reply) {
  reply.error("ERR SHUTDOWN is not supported: stop the node with SIGTERM or its admin tool");
}

void debug(Session&, Args, Reply& reply) { reply.error("ERR DEBUG is not supported"); }

void bgrewriteaof(Session&, Args, Reply& reply) {
  reply.error("ERR BGREWRITEAOF is not supported: the storage engine keeps its own log");
}

constexpr SessionCommand kConnectionCommands[] = {
    {.name = "ping", .function = &ping},
    {.name = "echo", .function = &echo},
    {.name = "quit", .function = &quit, .in_multi = true},
    {.name = "reset", .function = &reset, .after_replies = true, .in_multi = true},
    {.name = "select", .function = &select},
    {.name = "time", .function = &time},
    {.name = "readonly", .function = &answer_ok},
    {.name = "readwrite", .function = &answer_ok},
    {.name = "role", .function = &role},
    {.name = "wait", .function = &wait},
    {.name = "lolwut", .function = &lolwut},
    {.name = "acl", .function = &acl},
    {.name = "lastsave", .function = &lastsave},
    {.name = "slowlog", .function = &slowlog},
    {.name = "latency", .function = &latency},
    {.name = "shutdown", .function = &shutdown},
    {.name = "debug", .function = &debug},
    {.name = "bgrewriteaof", .function = &bgrewriteaof},
};

}  // namespace

std::span<const SessionCommand> connection_commands() { return kConnectionCommands; }

}  // namespace orbit::resp
