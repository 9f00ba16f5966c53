// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Redis commands as access control sees them: which calls of which actors, or which administrative action, a command is. Rules
// name a database by its number as SELECT does, "redis.db0", whatever SWAPDB has put behind it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "orbit/access.hpp"
#include "server.hpp"

namespace orbit::resp {

struct Caller {
  const Access& access;
  const Principal& principal;
  const char* peer;
};

// The refusal as Redis puts it: NOAUTH or NOPERM, the latter with the words that every wire has.
std::string refusal(const Error& error);

// Whether the caller may run the command in that database; otherwise why not, as a reply.
std::optional<std::string> refuse(const Caller& caller, const Server& server, const CommandEntry& entry, Args args,
                                  uint32_t database);
// ACTOR.CALL and ACTOR.LIST (method "list", key "*").
Result<> check_actor(const Caller& caller, Bytes type, Bytes key, Bytes method, bool read_only);

// Where a queued SELECT leads; `database` when the command is none or a bad one.
uint32_t database_after(const CommandEntry& entry, Args args, uint32_t database);

}  // namespace orbit::resp
