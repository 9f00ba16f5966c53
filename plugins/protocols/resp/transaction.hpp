// SPDX-License-Identifier: MIT OR BSD-3-Clause
// MULTI, EXEC, DISCARD, WATCH, UNWATCH: what a connection has queued and what it watches. exec.hpp runs it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "key_actor.hpp"

namespace orbit::resp {

class Session;
class Worker;
struct CommandEntry;

struct QueuedCommand {
  const CommandEntry* entry;
  std::unique_ptr<char[]> bytes;
  std::vector<std::string_view> args;  // into bytes
  std::vector<uint32_t> keys;          // their positions in args
};

struct WatchedKey {
  const orbit_type* type;
  std::string key;
  KeyActor::WatchMark mark;
};

struct TransactionState {
  std::vector<QueuedCommand> queue;
  uint64_t queued_bytes = 0;
  bool failed = false;          // a command was refused while queueing: EXEC aborts
  bool after_replies = false;   // a queued command must come after the replies before it
  bool writes = false;          // a queued command may write
  bool watches_broken = false;  // a watched database was exchanged: EXEC fails
  std::optional<uint32_t> database;  // where queued SELECTs lead
  std::vector<WatchedKey> watches;
};

// False: `why` is the error.
bool queue_command(Session& session, const CommandEntry& entry, Args args, std::string& why);
// Leaves MULTI and forgets what was queued; watches stay.
void discard_transaction(Session& session);
// Takes the session's watches off; the keys' actors learn it soon.
void unwatch_all(Session& session);
void unwatch_later(Worker& worker, std::vector<WatchedKey> watches);

}  // namespace orbit::resp
