// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "permission.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "multi_key.hpp"
#include "numbers.hpp"
#include "words.hpp"

namespace orbit::resp {
namespace {

// What a command is about when it names no keys.
enum class About { nothing, database, two_databases, all_databases, channels, administration };

// Which subcommands of a container do more than look, or need no permission at all.
struct Container {
  std::string_view name;
  std::string_view free;    // words between spaces
  std::string_view writes;
};
constexpr Container kContainers[] = {
    {"acl", "whoami help", ""},
    {"client", "getname getredir help id info no-evict no-touch reply setinfo setname", "kill pause unblock unpause"},
    {"config", "help", "resetstat rewrite set"},
    {"latency", "help", "reset"},
    {"pubsub", "help", ""},
    {"slowlog", "help", "reset"},
};

bool among(std::string_view words, std::string_view word) {
  for (std::string_view rest = words; !rest.empty();) {
    const size_t space = std::min(rest.find(' '), rest.size());
    if (equal_ignoring_case(rest.substr(0, space), word)) return true;
    rest.remove_prefix(std::min(space + 1, rest.size()));
  }
  return false;
}

constexpr std::string_view kFree =
    "auth hello quit reset ping echo select multi exec discard unwatch command time lolwut readonly readwrite role wait "
    "unsubscribe punsubscribe sunsubscribe actor.call actor.list actor.types";  // the last three check for themselves
constexpr std::string_view kOneDatabase = "dbsize flushdb keys randomkey scan";
constexpr std::string_view kChannels = "publish spublish subscribe psubscribe ssubscribe";

About about(std::string_view name) {
  if (among(kFree, name)) return About::nothing;
  if (among(kOneDatabase, name)) return About::database;
  if (among(kChannels, name)) return About::channels;
  if (name == "swapdb") return About::two_databases;
  if (name == "flushall") return About::all_databases;
  return About::administration;
}

bool is_read_only(const CommandSpec& spec) { return (spec.flags & kReadOnly) != 0 || std::string_view(spec.name) == "watch"; }

class Check {
 public:
  Check(const Caller& caller, const Server& server, const CommandEntry& entry, Args args)
      : caller_(caller), server_(server), spec_(*entry.spec), args_(args) {}

  Result<> call(uint32_t database, Bytes key) const { return call(server_.key_types().name(database), key); }
  Result<> call(const char* type, Bytes key) const {
    return caller_.access.check(caller_.principal, {.type = type, .key = key, .method = spec_.name,
                                                    .read_only = is_read_only(spec_), .peer = caller_.peer});
  }

  Result<> keys(std::span<const uint32_t> positions, uint32_t database) const {
    const int other = spec_.other_database != nullptr ? spec_.other_database(args_) : -1;
    for (size_t i = 0; i < positions.size(); ++i) {
      const uint32_t where = i != 0 && other >= 0 ? static_cast<uint32_t>(other) : database;
      if (auto good = call(where, args_[positions[i]]); !good) return good;
    }
    // MOVE names its key once and means it in both.
    if (positions.size() == 1 && other >= 0) return call(static_cast<uint32_t>(other), args_[positions[0]]);
    // Patterns of SORT reach any key.
    if (const std::string_view name = spec_.name; name == "sort" || name == "sort_ro")
      for (size_t i = 2; i + 1 < args_.size(); ++i)
        if ((equal_ignoring_case(args_[i], "by") || equal_ignoring_case(args_[i], "get")) &&
            args_[i + 1].find('*') != std::string_view::npos)
          return call(database, "*");
    return {};
  }

  Result<> channels() const {
    // PUBLISH channel message; the others name channels only.
    const size_t end = std::string_view(spec_.name).ends_with("publish") ? std::min<size_t>(2, args_.size()) : args_.size();
    for (size_t i = 1; i < end; ++i)
      if (auto good = call(server_.key_types().channels_name(), args_[i]); !good) return good;
    return {};
  }

  Result<> two_databases() const {
    for (size_t i = 1; i < args_.size(); ++i) {
      int64_t index = 0;
      if (!parse_integer(args_[i], index) || index < 0 || index >= int64_t{kDatabaseCount}) continue;  // the command refuses it
      if (auto good = call(static_cast<uint32_t>(index), "*"); !good) return good;
    }
    return {};
  }

  Result<> all_databases() const {
    for (uint32_t i = 0; i < kDatabaseCount; ++i)
      if (auto good = call(i, "*"); !good) return good;
    return {};
  }

  Result<> administration() const {
    std::string action = "redis." + std::string(spec_.name);
    bool looks = std::string_view(spec_.name) == "info" || std::string_view(spec_.name) == "lastsave";
    for (const Container& container : kContainers) {
      if (container.name != spec_.name || args_.size() < 2) continue;
      if (among(container.free, args_[1])) return {};
      looks = !among(container.writes, args_[1]);
      action += '.' + lower(args_[1].substr(0, 32));
    }
    return caller_.access.check_admin(caller_.principal, action.c_str(), args_.size() > 2 ? args_[2] : Bytes(), looks,
                                      caller_.peer);
  }

 private:
  const Caller& caller_;
  const Server& server_;
  const CommandSpec& spec_;
  Args args_;
};

}  // namespace

std::string refusal(const Error& error) {
  if (error.code == Code::unauthenticated) return "NOAUTH Authentication required.";
  if (error.code == Code::permission_denied) return "NOPERM " + error.message;
  return "ERR " + std::string(code_name(error.code)) + ": " + error.message;
}

std::optional<std::string> refuse(const Caller& caller, const Server& server, const CommandEntry& entry, Args args,
                                  uint32_t database) {
  const CommandSpec& spec = *entry.spec;
  const Check check(caller, server, entry, args);
  Result<> good;
  if (const About what = about(spec.name); what == About::channels) {
    good = check.channels();
  } else if (spec.run != nullptr || spec.first_key != 0 || spec.key_positions != nullptr) {
    std::vector<uint32_t>& positions = key_positions_scratch();
    std::string why;  // of what is no good command, which says so itself
    if (what == About::nothing || !find_keys(spec, args, server.settings().command_keys_max, positions, why)) return std::nullopt;
    good = check.keys(positions, database);
  } else {
    switch (what) {
      case About::database: good = check.call(database, "*"); break;
      case About::two_databases: good = check.two_databases(); break;
      case About::all_databases: good = check.all_databases(); break;
      case About::administration: good = check.administration(); break;
      default: return std::nullopt;
    }
  }
  if (good) return std::nullopt;
  return refusal(good.error());
}

Result<> check_actor(const Caller& caller, Bytes type, Bytes key, Bytes method, bool read_only) {
  return caller.access.check(caller.principal,
                             {.type = type, .key = key, .method = method, .read_only = read_only, .peer = caller.peer});
}

uint32_t database_after(const CommandEntry& entry, Args args, uint32_t database) {
  int64_t index = 0;
  if (std::string_view(entry.spec->name) != "select" || args.size() != 2 || !parse_integer(args[1], index)) return database;
  return index >= 0 && index < int64_t{kDatabaseCount} ? static_cast<uint32_t>(index) : database;
}

}  // namespace orbit::resp
