// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "subcommands.hpp"

#include <algorithm>
#include <vector>

#include "reply.hpp"
#include "words.hpp"

namespace orbit::resp {
namespace {

constexpr Subcommand kSubcommands[] = {
    {"acl", "getuser", 3, "Tells the roles of a user."},
    {"acl", "help", 2, "Tells the subcommands."},
    {"acl", "list", 2, "Tells the users with their roles."},
    {"acl", "users", 2, "Tells the names of users."},
    {"acl", "whoami", 2, "Tells the user of this connection."},
    {"client", "getname", 2, "Tells the connection's name."},
    {"client", "getredir", 2, "Tells where invalidations go: always -1."},
    {"client", "help", 2, "Tells the subcommands."},
    {"client", "id", 2, "Tells the connection's number."},
    {"client", "info", 2, "Tells about this connection."},
    {"client", "kill", -3, "Closes connections: by address, or by ID, TYPE, ADDR, LADDR, USER and SKIPME."},
    {"client", "list", -2, "Tells about connections: all, or by TYPE or ID."},
    {"client", "no-evict", 3, "Accepted: no connection is given up for memory."},
    {"client", "no-touch", 3, "Accepted: no time of access is kept."},
    {"client", "pause", -3, "Holds commands back for milliseconds: ALL, or those that WRITE."},
    {"client", "reply", 3, "Decides what is answered: ON, OFF, SKIP."},
    {"client", "setinfo", 4, "Sets LIB-NAME or LIB-VER."},
    {"client", "setname", 3, "Gives the connection a name."},
    {"client", "unblock", -3, "Ends the waiting of a connection, as after its TIMEOUT or with an ERROR."},
    {"client", "unpause", 2, "Ends CLIENT PAUSE."},
    {"command", "count", 2, "Tells how many commands there are."},
    {"command", "docs", -2, "Tells what commands are for."},
    {"command", "getkeys", -4, "Tells the keys of a command with its arguments."},
    {"command", "getkeysandflags", -4, "Tells the keys of a command with its arguments, and what it does with each."},
    {"command", "help", 2, "Tells the subcommands."},
    {"command", "info", -2, "Tells arity, flags and key positions of commands."},
    {"command", "list", -2, "Tells names of commands: all, or FILTERBY PATTERN."},
    {"config", "get", -3, "Tells settings whose names match patterns."},
    {"config", "help", 2, "Tells the subcommands."},
    {"config", "resetstat", 2, "Lets the counters of INFO begin anew."},
    {"config", "rewrite", 2, "Refused: settings are in the node's TOML file."},
    {"config", "set", -4, "Changes settings until the node stops."},
    {"latency", "help", 2, "Tells the subcommands."},
    {"latency", "history", 3, "Nothing: delays are not sampled."},
    {"latency", "latest", 2, "Nothing: delays are not sampled."},
    {"latency", "reset", -2, "Nothing: delays are not sampled."},
    {"memory", "help", 2, "Tells the subcommands."},
    {"memory", "usage", -3, "Tells the bytes of memory of a key and its value."},
    {"object", "encoding", 3, "Tells how the value is kept."},
    {"object", "freq", 3, "Refused: needs a policy that is not there."},
    {"object", "help", 2, "Tells the subcommands."},
    {"object", "idletime", 3, "Always 0: idle keys leave memory by themselves."},
    {"object", "refcount", 3, "Always 1: values are not shared."},
    {"pubsub", "channels", -2, "Tells the channels that somebody listens to."},
    {"pubsub", "help", 2, "Tells the subcommands."},
    {"pubsub", "numpat", 2, "Tells how many patterns somebody listens to."},
    {"pubsub", "numsub", -2, "Tells how many listen to channels."},
    {"pubsub", "shardchannels", -2, "Tells the shard channels that somebody listens to."},
    {"pubsub", "shardnumsub", -2, "Tells how many listen to shard channels."},
    {"slowlog", "get", -2, "Nothing: slow commands are not recorded."},
    {"slowlog", "help", 2, "Tells the subcommands."},
    {"slowlog", "len", 2, "Always 0."},
    {"slowlog", "reset", 2, "Accepted."},
};

std::string upper(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  return out;
}

std::span<const Subcommand> subcommands_of(std::string_view container) {
  const auto range = std::ranges::equal_range(kSubcommands, container, {},
                                              [](const Subcommand& each) { return std::string_view(each.container); });
  return {range.begin(), range.end()};
}

}  // namespace

std::span<const Subcommand> subcommands() { return kSubcommands; }

bool check_subcommand(std::string_view container, Args args, std::string& why) {
  const auto known = subcommands_of(container);
  if (known.empty() || args.size() < 2) return true;
  for (const Subcommand& each : known) {
    if (!equal_ignoring_case(each.name, args[1])) continue;
    const auto count = static_cast<int>(args.size());
    if (each.arity >= 0 ? count == each.arity : count >= -each.arity) return true;
    why = "ERR wrong number of arguments for '" + std::string(container) + "|" + each.name + "' command";
    return false;
  }
  why = "ERR unknown subcommand '" + std::string(args[1].substr(0, 128)) + "'. Try " + upper(container) + " HELP.";
  return false;
}

bool answer_subcommand(std::string_view container, Args args, Reply& reply) {
  std::string why;
  if (!check_subcommand(container, args, why)) {
    reply.error(why);
    return true;
  }
  if (args.size() != 2 || !equal_ignoring_case(args[1], "help")) return false;
  const auto known = subcommands_of(container);
  reply.array(1 + known.size() * 2);
  reply.simple(upper(container) + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
  for (const Subcommand& each : known) {
    reply.simple(upper(each.name));
    reply.simple("    " + std::string(each.summary));
  }
  return true;
}

}  // namespace orbit::resp
