// SPDX-License-Identifier: MIT OR BSD-3-Clause
// COMMAND: what the command table knows.
#include <algorithm>
#include <string>
#include <vector>

#include "glob.hpp"
#include "key_access.hpp"
#include "multi_key.hpp"
#include "session.hpp"
#include "subcommands.hpp"
#include "words.hpp"

namespace orbit::resp {
namespace {

std::vector<std::string_view> flags_of(const CommandSpec& spec) {
  constexpr std::pair<uint32_t, std::string_view> kNames[] = {
      {kWrite, "write"}, {kReadOnly, "readonly"}, {kNoMulti, "no_multi"}, {kPubSub, "pubsub"},
      {kNoAuth, "no_auth"}, {kFast, "fast"}, {kAdmin, "admin"}, {kBlocking, "blocking"},
  };
  std::vector<std::string_view> out;
  for (const auto& [bit, name] : kNames) {
    if ((spec.flags & bit) != 0) out.push_back(name);
  }
  if (spec.key_positions != nullptr) out.push_back("movablekeys");
  return out;
}

void describe(const CommandSpec& spec, Reply& reply) {
  reply.array(10);
  reply.bulk(spec.name);
  reply.integer(spec.arity);
  const auto flags = flags_of(spec);
  reply.set(flags.size());
  for (const auto flag : flags) reply.simple(flag);
  reply.integer(spec.first_key);
  reply.integer(spec.last_key);
  reply.integer(spec.key_step);
  reply.set(0);    // ACL categories
  reply.array(0);  // tips
  reply.array(0);  // key specifications
  reply.array(0);  // subcommands
}

void document(const CommandSpec& spec, Reply& reply) {
  reply.bulk(spec.name);
  reply.map(1);
  reply.bulk("summary");
  reply.bulk(spec.summary);
}

void docs(Args names, Reply& reply) {
  std::vector<const CommandSpec*> found;
  if (names.empty()) {
    for (const CommandSpec& spec : command_table()) found.push_back(&spec);
  }
  for (const auto name : names) {
    if (const CommandSpec* spec = find_command(name)) found.push_back(spec);
  }
  reply.map(found.size());
  for (const CommandSpec* spec : found) document(*spec, reply);
}

void info(Args names, Reply& reply) {
  if (names.empty()) {
    reply.array(command_table().size());
    for (const CommandSpec& spec : command_table()) describe(spec, reply);
    return;
  }
  reply.array(names.size());
  for (const auto name : names) {
    if (const CommandSpec* spec = find_command(name)) {
      describe(*spec, reply);
    } else {
      reply.null_array();
    }
  }
}

std::vector<std::string_view> split_words(std::string_view text) {
  std::vector<std::string_view> out;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

void get_keys(Session& session, Args call, bool with_flags, Reply& reply) {
  const CommandSpec* spec = find_command(call[0]);
  if (spec == nullptr) return reply.error("ERR Invalid command specified");
  const auto count = static_cast<int>(call.size());
  if (spec->arity >= 0 ? count != spec->arity : count < -spec->arity) {
    return reply.error("ERR Invalid number of arguments specified for command");
  }
  std::vector<uint32_t> positions;
  std::string why;
  if (!find_keys(*spec, call, session.settings().command_keys_max, positions, why)) return reply.error(why);
  if (positions.empty()) return reply.error("ERR The command has no key arguments");
  reply.array(positions.size());
  for (size_t i = 0; i < positions.size(); ++i) {
    if (with_flags) reply.array(2);
    reply.bulk(call[positions[i]]);
    if (!with_flags) continue;
    const auto flags = split_words(key_access(*spec, call, i));
    reply.set(flags.size());
    for (const auto flag : flags) reply.simple(flag);
  }
}

void list(Args args, Reply& reply) {
  const bool filtered =
      args.size() == 5 && equal_ignoring_case(args[2], "filterby") && equal_ignoring_case(args[3], "pattern");
  if (args.size() != 2 && !filtered) return reply.syntax_error();
  std::vector<std::string_view> names;
  for (const CommandSpec& spec : command_table()) {
    if (!filtered || glob_match(lower(args[4]), spec.name)) names.push_back(spec.name);
  }
  reply.array(names.size());
  for (const auto name : names) reply.bulk(name);
}

void command(Session& session, Args args, Reply& reply) {
  if (args.size() == 1) return info({}, reply);
  if (answer_subcommand("command", args, reply)) return;
  const std::string word = lower(args[1]);
  if (word == "count" && args.size() == 2) {
    reply.integer(static_cast<int64_t>(command_table().size()));
  } else if (word == "docs") {
    docs(args.subspan(2), reply);
  } else if (word == "info") {
    info(args.subspan(2), reply);
  } else if (word == "getkeys" && args.size() >= 3) {
    get_keys(session, args.subspan(2), false, reply);
  } else if (word == "getkeysandflags" && args.size() >= 3) {
    get_keys(session, args.subspan(2), true, reply);
  } else if (word == "list") {
    list(args, reply);
  } else {
    reply_unknown_subcommand(args, reply);
  }
}

constexpr SessionCommand kCommandCommands[] = {
    {.name = "command", .function = &command},
};

}  // namespace

std::span<const SessionCommand> command_commands() { return kCommandCommands; }

}  // namespace orbit::resp
