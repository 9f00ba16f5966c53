// SPDX-License-Identifier: MIT OR BSD-3-Clause
// MULTI, EXEC, DISCARD, WATCH, UNWATCH. EXEC holds the actors of all keys that its commands name and of all watched
// keys, so that nothing happens between the check of the watches, the commands and the commit of what they changed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "key_actor.hpp"

namespace orbit::resp {

class Session;
struct CommandEntry;

struct QueuedCommand {
  const CommandEntry* entry;
  std::unique_ptr<char[]> bytes;
  std::vector<std::string_view> args;  // into bytes
  std::vector<uint32_t> keys;          // their positions in args
};

struct WatchedKey {
  uint32_t database;
  std::string key;
  KeyActor::WatchMark mark;
};

struct TransactionState {
  std::vector<QueuedCommand> queue;
  uint64_t queued_bytes = 0;
  bool failed = false;  // a command was refused while queueing: EXEC aborts
  std::vector<WatchedKey> watches;
};

// False: `why` is the error.
bool queue_command(Session& session, const CommandEntry& entry, Args args, std::string& why);
// Leaves MULTI and forgets what was queued; watches stay.
void discard_transaction(Session& session);
// Takes the session's watches off; the keys' actors learn it soon.
void unwatch_all(Session& session);

}  // namespace orbit::resp
