// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What a Redis command is to this plugin: a table entry and a function over the values of the keys that it names. Commands
// know neither connections nor actors; the wire knows no value types.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace orbit::resp {

class Value;  // what one key holds: nothing, a string, hash, list, set or sorted set, with its expiry (value.hpp)
class Reply;  // builds a RESP2 or RESP3 answer in a byte buffer (reply.hpp)

enum CommandFlags : uint32_t {
  kWrite = 1u << 0,
  kReadOnly = 1u << 1,
  kNoMulti = 1u << 2,    // refused inside MULTI
  kPubSub = 1u << 3,     // allowed in RESP2 subscribed mode
  kNoAuth = 1u << 4,     // allowed before AUTH
  kFast = 1u << 5,       // for COMMAND INFO
  kAdmin = 1u << 6,
  kBlocking = 1u << 7,
};

// One key of a command, opened for the duration of the call.
struct OpenKey {
  std::string_view name;
  Value* value;
  bool changed = false;  // the command sets it when it changed the value or its expiry
};

// A data command at work: it reads arguments, reads and changes the opened values, writes exactly one reply. Never blocks,
// never suspends.
struct CommandContext {
  std::span<const std::string_view> args;  // args[0] is the command's name as sent
  std::span<OpenKey> keys;                 // in the order of the key positions; equal keys share one Value
  Reply& reply;
  uint64_t now_ms;                         // Unix time; the same for a whole MULTI/EXEC
  uint64_t random;                         // 64 random bits for SPOP, SRANDMEMBER, HRANDFIELD...
};

using DataFunction = void (*)(CommandContext&);

inline constexpr uint32_t kDatabaseCount = 16;

struct CommandSpec {
  const char* name;    // lower case
  const char* summary;
  int arity;           // as Redis: positive exact, negative at least, counting the name
  uint32_t flags;
  int first_key;       // as COMMAND INFO; 0: no keys
  int last_key;        // negative counts from the end
  int key_step;
  // Null: the session runs it (PING, MULTI, SUBSCRIBE, SCAN, CONFIG, ...), see session.cpp.
  DataFunction run;
  // Set when the keys are counted by an argument (ZUNIONSTORE, SINTERCARD): returns the positions of all keys into out, at
  // most out.size(), and how many there are; negative: a syntax error was found.
  int (*key_positions)(std::span<const std::string_view> args, std::span<uint32_t> out) = nullptr;
  // Set when the second key (MOVE: the first once more) may be of another database, which this returns; negative: of none
  // that exists, or not another one. `run` finds both keys in `keys`, and the error, if any.
  int (*other_database)(std::span<const std::string_view> args) = nullptr;
};

// All commands, sorted by name. Built once.
std::span<const CommandSpec> command_table();
// Case-insensitive; null when unknown.
const CommandSpec* find_command(std::string_view name);

}  // namespace orbit::resp
