// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <array>
#include <cstring>

#include "command_helpers.hpp"
#include "commands.hpp"
#include "numbers.hpp"

namespace orbit::resp {
namespace {

// Positions of `count` keys from `first` on. When the count is none, or more than there are arguments, no positions are
// told and the command itself finds the error.
int counted_keys(std::span<const std::string_view> args, size_t count_at, std::span<uint32_t> out, size_t found) {
  int64_t count;
  if (args.size() <= count_at || !parse_integer(args[count_at], count)) return static_cast<int>(found);
  if (count < 1 || static_cast<uint64_t>(count) > args.size() - count_at - 1) return static_cast<int>(found);
  for (size_t i = 0; i < static_cast<size_t>(count); ++i, ++found) {
    if (found < out.size()) out[found] = static_cast<uint32_t>(count_at + 1 + i);
  }
  return static_cast<int>(found);
}

int keys_counted_at_1(std::span<const std::string_view> args, std::span<uint32_t> out) {
  return counted_keys(args, 1, out, 0);
}

int keys_counted_at_2(std::span<const std::string_view> args, std::span<uint32_t> out) {
  if (!out.empty()) out[0] = 1;
  return counted_keys(args, 2, out, 1);
}

int keys_counted_at_2_only(std::span<const std::string_view> args, std::span<uint32_t> out) {
  return counted_keys(args, 2, out, 0);
}

int database_arg(std::string_view text) {
  int64_t index;
  const bool exists = parse_integer(text, index) && index >= 0 && index < int64_t{kDatabaseCount};
  return exists ? static_cast<int>(index) : -1;
}

int other_database_of_move(std::span<const std::string_view> args) { return database_arg(args[2]); }

int other_database_of_copy(std::span<const std::string_view> args) {
  int found = -1;
  for (size_t i = 3; i + 1 < args.size(); ++i) {
    if (is_word(args[i], "db")) found = database_arg(args[++i]);
  }
  return found;
}

// The key to sort, and that behind the last STORE.
int keys_of_sort(std::span<const std::string_view> args, std::span<uint32_t> out) {
  size_t store = 0;
  for (size_t i = 2; i + 1 < args.size(); ++i) {
    if (is_word(args[i], "limit")) {
      i += 2;
    } else if (is_word(args[i], "by") || is_word(args[i], "get")) {
      ++i;
    } else if (is_word(args[i], "store")) {
      store = ++i;
    }
  }
  if (!out.empty()) out[0] = 1;
  if (store == 0) return 1;
  if (out.size() > 1) out[1] = static_cast<uint32_t>(store);
  return 2;
}

int key_of_object(std::span<const std::string_view> args, std::span<uint32_t> out) {
  if (args.size() != 3) return 0;
  if (!out.empty()) out[0] = 2;
  return 1;
}

int key_of_memory(std::span<const std::string_view> args, std::span<uint32_t> out) {
  if (args.size() < 3 || !is_word(args[1], "usage")) return 0;
  if (!out.empty()) out[0] = 2;
  return 1;
}

constexpr CommandSpec kCommands[] = {
    {"acl", "tells about users", -2, 0, 0, 0, 0, nullptr},
    {"actor.call", "calls a method of an actor", -4, kWrite, 0, 0, 0, nullptr},
    {"actor.list", "lists the actors of a type", -2, kReadOnly, 0, 0, 0, nullptr},
    {"actor.types", "lists the types of actors", 1, kReadOnly, 0, 0, 0, nullptr},
    {"append", "adds bytes at the end of a string", 3, kWrite | kFast, 1, 1, 1, &commands::append},
    {"auth", "logs in", -2, kNoAuth | kFast, 0, 0, 0, nullptr},
    {"bgrewriteaof", "tidies the log in the background", 1, kAdmin, 0, 0, 0, nullptr},
    {"bgsave", "makes all data durable in the background", -1, kAdmin, 0, 0, 0, nullptr},
    {"bitcount", "counts the set bits of a string or of a part of it", -2, kReadOnly, 1, 1, 1, &commands::bitcount},
    {"bitfield", "reads and writes whole numbers of any width within a string", -2, kWrite, 1, 1, 1,
     &commands::bitfield},
    {"bitfield_ro", "reads whole numbers of any width within a string", -2, kReadOnly | kFast, 1, 1, 1,
     &commands::bitfield_ro},
    {"bitop", "combines strings bit by bit and stores the result", -4, kWrite, 2, -1, 1, &commands::bitop},
    {"bitpos", "finds the first bit that is 0 or 1", -3, kReadOnly, 1, 1, 1, &commands::bitpos},
    {"blmove", "moves an element from a list to a list, and waits until there is one", 6, kWrite | kBlocking, 1, 2, 1,
     &commands::blmove},
    {"blmpop", "takes elements from the first list that has any, and waits until one has", -5, kWrite | kBlocking, 0, 0,
     0, &commands::blmpop, &keys_counted_at_2_only},
    {"blpop", "takes the front of the first list that has any, and waits until one has", -3, kWrite | kBlocking, 1, -2,
     1, &commands::blpop},
    {"brpop", "takes the end of the first list that has any, and waits until one has", -3, kWrite | kBlocking, 1, -2, 1,
     &commands::brpop},
    {"brpoplpush", "moves the end of a list to the front of a list, and waits until there is one", 4,
     kWrite | kBlocking, 1, 2, 1, &commands::brpoplpush},
    {"bzmpop", "takes members of the first sorted set that has any, and waits until one has", -5, kWrite | kBlocking, 0,
     0, 0, &commands::bzmpop, &keys_counted_at_2_only},
    {"bzpopmax", "takes the highest member of the first sorted set that has any, and waits until one has", -3,
     kWrite | kFast | kBlocking, 1, -2, 1, &commands::bzpopmax},
    {"bzpopmin", "takes the lowest member of the first sorted set that has any, and waits until one has", -3,
     kWrite | kFast | kBlocking, 1, -2, 1, &commands::bzpopmin},
    {"client", "tells about connections and changes them", -2, 0, 0, 0, 0, nullptr},
    {"command", "tells about commands", -1, 0, 0, 0, 0, nullptr},
    {"config", "reads and changes settings", -2, 0, 0, 0, 0, nullptr},
    {"copy", "copies a key's value to another key", -3, kWrite, 1, 2, 1, &commands::copy, nullptr,
     &other_database_of_copy},
    {"dbsize", "counts the keys of the database", 1, kReadOnly | kFast, 0, 0, 0, nullptr},
    {"debug", "helps with tests of the server", -2, kAdmin, 0, 0, 0, nullptr},
    {"decr", "takes 1 from a number", 2, kWrite | kFast, 1, 1, 1, &commands::decr},
    {"decrby", "takes a number from a number", 3, kWrite | kFast, 1, 1, 1, &commands::decrby},
    {"del", "removes keys", -2, kWrite, 1, -1, 1, &commands::del},
    {"discard", "drops a transaction", 1, kFast, 0, 0, 0, nullptr},
    {"dump", "tells a value in a form that RESTORE takes", 2, kReadOnly, 1, 1, 1, &commands::dump},
    {"echo", "answers with its argument", 2, kFast, 0, 0, 0, nullptr},
    {"exec", "runs a transaction", 1, 0, 0, 0, 0, nullptr},
    {"exists", "counts which of the keys exist", -2, kReadOnly | kFast, 1, -1, 1, &commands::exists},
    {"expire", "lets a key expire after seconds", -3, kWrite | kFast, 1, 1, 1, &commands::expire},
    {"expireat", "lets a key expire at a Unix time in seconds", -3, kWrite | kFast, 1, 1, 1, &commands::expireat},
    {"expiretime", "tells when a key expires, in Unix seconds", 2, kReadOnly | kFast, 1, 1, 1, &commands::expiretime},
    {"flushall", "removes all keys of all databases", -1, kWrite, 0, 0, 0, nullptr},
    {"flushdb", "removes all keys of the database", -1, kWrite, 0, 0, 0, nullptr},
    {"get", "reads a string", 2, kReadOnly | kFast, 1, 1, 1, &commands::get},
    {"getbit", "reads one bit of a string", 3, kReadOnly | kFast, 1, 1, 1, &commands::getbit},
    {"getdel", "reads a string and removes the key", 2, kWrite | kFast, 1, 1, 1, &commands::getdel},
    {"getex", "reads a string and changes its expiry", -2, kWrite | kFast, 1, 1, 1, &commands::getex},
    {"getrange", "reads a part of a string", 4, kReadOnly, 1, 1, 1, &commands::getrange},
    {"getset", "replaces a string and tells the old one", 3, kWrite | kFast, 1, 1, 1, &commands::getset},
    {"hdel", "removes fields of a hash", -3, kWrite | kFast, 1, 1, 1, &commands::hdel},
    {"hello", "chooses the protocol version and logs in", -1, kNoAuth | kFast, 0, 0, 0, nullptr},
    {"hexists", "tells whether a hash has a field", 3, kReadOnly | kFast, 1, 1, 1, &commands::hexists},
    {"hget", "reads a field", 3, kReadOnly | kFast, 1, 1, 1, &commands::hget},
    {"hgetall", "reads all fields with their values", 2, kReadOnly, 1, 1, 1, &commands::hgetall},
    {"hincrby", "adds a whole number to a field", 4, kWrite | kFast, 1, 1, 1, &commands::hincrby},
    {"hincrbyfloat", "adds a number to a field", 4, kWrite | kFast, 1, 1, 1, &commands::hincrbyfloat},
    {"hkeys", "lists the fields of a hash", 2, kReadOnly, 1, 1, 1, &commands::hkeys},
    {"hlen", "counts the fields of a hash", 2, kReadOnly | kFast, 1, 1, 1, &commands::hlen},
    {"hmget", "reads several fields", -3, kReadOnly | kFast, 1, 1, 1, &commands::hmget},
    {"hmset", "sets several fields", -4, kWrite | kFast, 1, 1, 1, &commands::hmset},
    {"hrandfield", "picks fields at random", -2, kReadOnly, 1, 1, 1, &commands::hrandfield},
    {"hscan", "walks over the fields of a hash", -3, kReadOnly, 1, 1, 1, &commands::hscan},
    {"hset", "sets fields of a hash", -4, kWrite | kFast, 1, 1, 1, &commands::hset},
    {"hsetnx", "sets a field that does not exist", 4, kWrite | kFast, 1, 1, 1, &commands::hsetnx},
    {"hstrlen", "tells the length of a field's value", 3, kReadOnly | kFast, 1, 1, 1, &commands::hstrlen},
    {"hvals", "lists the values of a hash", 2, kReadOnly, 1, 1, 1, &commands::hvals},
    {"incr", "adds 1 to a number", 2, kWrite | kFast, 1, 1, 1, &commands::incr},
    {"incrby", "adds a whole number to a number", 3, kWrite | kFast, 1, 1, 1, &commands::incrby},
    {"incrbyfloat", "adds a number to a number", 3, kWrite | kFast, 1, 1, 1, &commands::incrbyfloat},
    {"info", "tells about the server", -1, 0, 0, 0, 0, nullptr},
    {"keys", "lists the keys that match a pattern", 2, kReadOnly, 0, 0, 0, nullptr},
    {"lastsave", "tells when data was last made durable", 1, kFast, 0, 0, 0, nullptr},
    {"latency", "tells about delays", -2, 0, 0, 0, 0, nullptr},
    {"lcs", "finds the longest common subsequence of two strings", -3, kReadOnly, 1, 2, 1, &commands::lcs},
    {"lindex", "reads an element of a list", 3, kReadOnly, 1, 1, 1, &commands::lindex},
    {"linsert", "inserts an element before or behind another", 5, kWrite, 1, 1, 1, &commands::linsert},
    {"llen", "counts the elements of a list", 2, kReadOnly | kFast, 1, 1, 1, &commands::llen},
    {"lmove", "moves an element from an end of a list to an end of a list", 5, kWrite, 1, 2, 1, &commands::lmove},
    {"lmpop", "takes elements from the first list that has any", -4, kWrite, 0, 0, 0, &commands::lmpop,
     &keys_counted_at_1},
    {"lolwut", "tells the version", -1, kReadOnly | kFast, 0, 0, 0, nullptr},
    {"lpop", "takes elements from the front of a list", -2, kWrite | kFast, 1, 1, 1, &commands::lpop},
    {"lpos", "finds elements in a list", -3, kReadOnly, 1, 1, 1, &commands::lpos},
    {"lpush", "puts elements at the front of a list", -3, kWrite | kFast, 1, 1, 1, &commands::lpush},
    {"lpushx", "puts elements at the front of a list that exists", -3, kWrite | kFast, 1, 1, 1, &commands::lpushx},
    {"lrange", "reads a part of a list", 4, kReadOnly, 1, 1, 1, &commands::lrange},
    {"lrem", "removes elements that equal a value", 4, kWrite, 1, 1, 1, &commands::lrem},
    {"lset", "replaces an element of a list", 4, kWrite, 1, 1, 1, &commands::lset},
    {"ltrim", "keeps a part of a list", 4, kWrite, 1, 1, 1, &commands::ltrim},
    {"memory", "tells how much memory a value takes", -2, kReadOnly, 0, 0, 0, &commands::memory, &key_of_memory},
    {"mget", "reads several strings", -2, kReadOnly | kFast, 1, -1, 1, &commands::mget},
    {"move", "moves a key to another database", 3, kWrite | kFast, 1, 1, 1, &commands::move, nullptr,
     &other_database_of_move},
    {"mset", "writes several strings", -3, kWrite, 1, -1, 2, &commands::mset},
    {"msetnx", "writes several strings if no key exists", -3, kWrite, 1, -1, 2, &commands::msetnx},
    {"multi", "begins a transaction", 1, kFast, 0, 0, 0, nullptr},
    {"object", "tells how a value is kept", -2, kReadOnly, 0, 0, 0, &commands::object, &key_of_object},
    {"persist", "takes the expiry from a key", 2, kWrite | kFast, 1, 1, 1, &commands::persist},
    {"pexpire", "lets a key expire after milliseconds", -3, kWrite | kFast, 1, 1, 1, &commands::pexpire},
    {"pexpireat", "lets a key expire at a Unix time in milliseconds", -3, kWrite | kFast, 1, 1, 1,
     &commands::pexpireat},
    {"pexpiretime", "tells when a key expires, in Unix milliseconds", 2, kReadOnly | kFast, 1, 1, 1,
     &commands::pexpiretime},
    {"ping", "answers, to show that the connection lives", -1, kPubSub | kFast, 0, 0, 0, nullptr},
    {"psetex", "writes a string that expires after milliseconds", 4, kWrite, 1, 1, 1, &commands::psetex},
    {"psubscribe", "listens to channels that match patterns", -2, kPubSub, 0, 0, 0, nullptr},
    {"pttl", "tells the milliseconds until a key expires", 2, kReadOnly | kFast, 1, 1, 1, &commands::pttl},
    {"publish", "sends a message to a channel", 3, kFast, 0, 0, 0, nullptr},
    {"pubsub", "tells about channels and their listeners", -2, 0, 0, 0, 0, nullptr},
    {"punsubscribe", "stops listening to patterns", -1, kPubSub, 0, 0, 0, nullptr},
    {"quit", "closes the connection", -1, kPubSub | kNoAuth | kFast, 0, 0, 0, nullptr},
    {"randomkey", "tells any key", 1, kReadOnly, 0, 0, 0, nullptr},
    {"readonly", "lets a replica answer reads", 1, kFast, 0, 0, 0, nullptr},
    {"readwrite", "undoes READONLY", 1, kFast, 0, 0, 0, nullptr},
    {"rename", "gives a value another key", 3, kWrite, 1, 2, 1, &commands::rename},
    {"renamenx", "gives a value another key that does not exist", 3, kWrite | kFast, 1, 2, 1, &commands::renamenx},
    {"reset", "makes the connection as it was at first", 1, kPubSub | kNoAuth | kFast, 0, 0, 0, nullptr},
    {"restore", "makes a key of what DUMP told", -4, kWrite, 1, 1, 1, &commands::restore},
    {"role", "tells the role of this node", 1, kFast, 0, 0, 0, nullptr},
    {"rpop", "takes elements from the end of a list", -2, kWrite | kFast, 1, 1, 1, &commands::rpop},
    {"rpoplpush", "moves the last element of a list to the front of a list", 3, kWrite, 1, 2, 1, &commands::rpoplpush},
    {"rpush", "puts elements at the end of a list", -3, kWrite | kFast, 1, 1, 1, &commands::rpush},
    {"rpushx", "puts elements at the end of a list that exists", -3, kWrite | kFast, 1, 1, 1, &commands::rpushx},
    {"sadd", "adds members to a set", -3, kWrite | kFast, 1, 1, 1, &commands::sadd},
    {"save", "makes all data durable now", 1, kNoMulti | kAdmin, 0, 0, 0, nullptr},
    {"scan", "walks over the keys of the database", -2, kReadOnly, 0, 0, 0, nullptr},
    {"scard", "counts the members of a set", 2, kReadOnly | kFast, 1, 1, 1, &commands::scard},
    {"sdiff", "tells which members of a set are in no other", -2, kReadOnly, 1, -1, 1, &commands::sdiff},
    {"sdiffstore", "stores the difference of sets", -3, kWrite, 1, -1, 1, &commands::sdiffstore},
    {"select", "chooses the database of this connection", 2, kFast, 0, 0, 0, nullptr},
    {"set", "writes a string", -3, kWrite, 1, 1, 1, &commands::set},
    {"setbit", "sets or clears one bit of a string", 4, kWrite, 1, 1, 1, &commands::setbit},
    {"setex", "writes a string that expires after seconds", 4, kWrite, 1, 1, 1, &commands::setex},
    {"setnx", "writes a string if the key does not exist", 3, kWrite | kFast, 1, 1, 1, &commands::setnx},
    {"setrange", "overwrites a part of a string", 4, kWrite, 1, 1, 1, &commands::setrange},
    {"shutdown", "stops the server", -1, kNoMulti | kAdmin, 0, 0, 0, nullptr},
    {"sinter", "tells which members all sets have", -2, kReadOnly, 1, -1, 1, &commands::sinter},
    {"sintercard", "counts the members that all sets have", -3, kReadOnly, 0, 0, 0, &commands::sintercard,
     &keys_counted_at_1},
    {"sinterstore", "stores the intersection of sets", -3, kWrite, 1, -1, 1, &commands::sinterstore},
    {"sismember", "tells whether a set has a member", 3, kReadOnly | kFast, 1, 1, 1, &commands::sismember},
    {"slowlog", "tells about slow commands", -2, 0, 0, 0, 0, nullptr},
    {"smembers", "lists the members of a set", 2, kReadOnly, 1, 1, 1, &commands::smembers},
    {"smismember", "tells which members a set has", -3, kReadOnly | kFast, 1, 1, 1, &commands::smismember},
    {"smove", "moves a member from a set to another", 4, kWrite | kFast, 1, 2, 1, &commands::smove},
    {"sort", "sorts a list, set or sorted set", -2, kWrite, 1, 1, 1, &commands::sort, &keys_of_sort},
    {"sort_ro", "sorts a list, set or sorted set without storing", -2, kReadOnly, 1, 1, 1, &commands::sort_ro},
    {"spop", "takes random members out of a set", -2, kWrite | kFast, 1, 1, 1, &commands::spop},
    {"spublish", "sends a message to a shard channel", 3, kFast, 1, 1, 1, nullptr},
    {"srandmember", "picks members at random", -2, kReadOnly, 1, 1, 1, &commands::srandmember},
    {"srem", "removes members of a set", -3, kWrite | kFast, 1, 1, 1, &commands::srem},
    {"sscan", "walks over the members of a set", -3, kReadOnly, 1, 1, 1, &commands::sscan},
    {"ssubscribe", "listens to shard channels", -2, kPubSub, 1, -1, 1, nullptr},
    {"strlen", "tells the length of a string", 2, kReadOnly | kFast, 1, 1, 1, &commands::strlen},
    {"subscribe", "listens to channels", -2, kPubSub, 0, 0, 0, nullptr},
    {"substr", "reads a part of a string", 4, kReadOnly, 1, 1, 1, &commands::substr},
    {"sunion", "tells the members that any set has", -2, kReadOnly, 1, -1, 1, &commands::sunion},
    {"sunionstore", "stores the union of sets", -3, kWrite, 1, -1, 1, &commands::sunionstore},
    {"sunsubscribe", "stops listening to shard channels", -1, kPubSub, 1, -1, 1, nullptr},
    {"swapdb", "exchanges two databases", 3, kWrite | kFast, 0, 0, 0, nullptr},
    {"time", "tells the server's time", 1, kFast, 0, 0, 0, nullptr},
    {"touch", "counts which of the keys exist and marks them used", -2, kReadOnly | kFast, 1, -1, 1, &commands::touch},
    {"ttl", "tells the seconds until a key expires", 2, kReadOnly | kFast, 1, 1, 1, &commands::ttl},
    {"type", "tells the type of a key's value", 2, kReadOnly | kFast, 1, 1, 1, &commands::type},
    {"unlink", "removes keys", -2, kWrite | kFast, 1, -1, 1, &commands::unlink},
    {"unsubscribe", "stops listening to channels", -1, kPubSub, 0, 0, 0, nullptr},
    {"unwatch", "forgets all watched keys", 1, kFast, 0, 0, 0, nullptr},
    {"wait", "waits for replicas", 3, 0, 0, 0, 0, nullptr},
    {"watch", "lets the next transaction fail if these keys change", -2, kFast, 1, -1, 1, nullptr},
    {"zadd", "adds members with scores", -4, kWrite | kFast, 1, 1, 1, &commands::zadd},
    {"zcard", "counts the members of a sorted set", 2, kReadOnly | kFast, 1, 1, 1, &commands::zcard},
    {"zcount", "counts members with scores in a range", 4, kReadOnly | kFast, 1, 1, 1, &commands::zcount},
    {"zdiff", "tells which members of a sorted set are in no other", -3, kReadOnly, 0, 0, 0, &commands::zdiff,
     &keys_counted_at_1},
    {"zdiffstore", "stores the difference of sorted sets", -4, kWrite, 1, 1, 1, &commands::zdiffstore,
     &keys_counted_at_2},
    {"zincrby", "adds to a member's score", 4, kWrite | kFast, 1, 1, 1, &commands::zincrby},
    {"zinter", "tells the members that all sorted sets have", -3, kReadOnly, 0, 0, 0, &commands::zinter,
     &keys_counted_at_1},
    {"zintercard", "counts the members that all sorted sets have", -3, kReadOnly, 0, 0, 0, &commands::zintercard,
     &keys_counted_at_1},
    {"zinterstore", "stores the intersection of sorted sets", -4, kWrite, 1, 1, 1, &commands::zinterstore,
     &keys_counted_at_2},
    {"zlexcount", "counts members in a range by name", 4, kReadOnly | kFast, 1, 1, 1, &commands::zlexcount},
    {"zmpop", "takes members from the first sorted set that has any", -4, kWrite, 0, 0, 0, &commands::zmpop,
     &keys_counted_at_1},
    {"zmscore", "reads the scores of several members", -3, kReadOnly | kFast, 1, 1, 1, &commands::zmscore},
    {"zpopmax", "takes the members with the highest scores", -2, kWrite | kFast, 1, 1, 1, &commands::zpopmax},
    {"zpopmin", "takes the members with the lowest scores", -2, kWrite | kFast, 1, 1, 1, &commands::zpopmin},
    {"zrandmember", "picks members at random", -2, kReadOnly, 1, 1, 1, &commands::zrandmember},
    {"zrange", "reads a range by rank, score or name", -4, kReadOnly, 1, 1, 1, &commands::zrange},
    {"zrangebylex", "reads a range by name", -4, kReadOnly, 1, 1, 1, &commands::zrangebylex},
    {"zrangebyscore", "reads a range by score", -4, kReadOnly, 1, 1, 1, &commands::zrangebyscore},
    {"zrangestore", "stores a range in another key", -5, kWrite, 1, 2, 1, &commands::zrangestore},
    {"zrank", "tells a member's rank from the lowest", 3, kReadOnly | kFast, 1, 1, 1, &commands::zrank},
    {"zrem", "removes members of a sorted set", -3, kWrite | kFast, 1, 1, 1, &commands::zrem},
    {"zremrangebylex", "removes a range by name", 4, kWrite, 1, 1, 1, &commands::zremrangebylex},
    {"zremrangebyrank", "removes a range by rank", 4, kWrite, 1, 1, 1, &commands::zremrangebyrank},
    {"zremrangebyscore", "removes a range by score", 4, kWrite, 1, 1, 1, &commands::zremrangebyscore},
    {"zrevrange", "reads a range by rank from the highest", -4, kReadOnly, 1, 1, 1, &commands::zrevrange},
    {"zrevrangebylex", "reads a range by name from the end", -4, kReadOnly, 1, 1, 1, &commands::zrevrangebylex},
    {"zrevrangebyscore", "reads a range by score from the highest", -4, kReadOnly, 1, 1, 1,
     &commands::zrevrangebyscore},
    {"zrevrank", "tells a member's rank from the highest", 3, kReadOnly | kFast, 1, 1, 1, &commands::zrevrank},
    {"zscan", "walks over the members of a sorted set", -3, kReadOnly, 1, 1, 1, &commands::zscan},
    {"zscore", "reads a member's score", 3, kReadOnly | kFast, 1, 1, 1, &commands::zscore},
    {"zunion", "tells the members that any sorted set has", -3, kReadOnly, 0, 0, 0, &commands::zunion,
     &keys_counted_at_1},
    {"zunionstore", "stores the union of sorted sets", -4, kWrite, 1, 1, 1, &commands::zunionstore, &keys_counted_at_2},
};

constexpr size_t kNameBytesMax = 16;
constexpr size_t kSlotBits = 10;
constexpr uint16_t kNoCommand = UINT16_MAX;

// A name as two numbers, letters in lower case.
struct NameKey {
  uint64_t low = 0;
  uint64_t high = 0;
  constexpr bool operator==(const NameKey&) const = default;
};

// Setting this bit maps letters, and only letters, to lower case letters. Of the other bytes in names, '.' and '_', it
// makes doubles, which find_command tells apart.
constexpr uint64_t kLowerCase = 0x2020202020202020ull;

constexpr NameKey constant_key(std::string_view name) {
  NameKey key;
  for (size_t i = 0; i < name.size(); ++i) {
    (i < 8 ? key.low : key.high) |= uint64_t{static_cast<unsigned char>(name[i])} << (i % 8 * 8);
  }
  key.low |= kLowerCase;
  key.high |= kLowerCase;
  return key;
}

constexpr size_t slot_of(const NameKey& key) {
  const uint64_t mixed = (key.low ^ (key.high << 29 | key.high >> 35)) * 0x9e3779b97f4a7c15ull;
  return static_cast<size_t>((mixed ^ mixed << 20) >> (64 - kSlotBits));
}

struct Lookup {
  std::array<NameKey, std::size(kCommands)> keys{};
  std::array<uint8_t, std::size(kCommands)> sizes{};
  std::array<bool, std::size(kCommands)> letters_only{};
  std::array<uint16_t, size_t{1} << kSlotBits> slots{};
};

constexpr Lookup make_lookup() {
  Lookup lookup;
  lookup.slots.fill(kNoCommand);
  for (size_t i = 0; i < std::size(kCommands); ++i) {
    const std::string_view name = kCommands[i].name;
    if (name.size() > kNameBytesMax) throw "a command name is too long for the table";
    if (i != 0 && std::string_view(kCommands[i - 1].name) >= name) throw "commands are not sorted";
    lookup.keys[i] = constant_key(name);
    lookup.sizes[i] = static_cast<uint8_t>(name.size());
    lookup.letters_only[i] = name.find_first_of("._") == std::string_view::npos;
    size_t slot = slot_of(lookup.keys[i]);
    while (lookup.slots[slot] != kNoCommand) slot = (slot + 1) & (lookup.slots.size() - 1);
    lookup.slots[slot] = static_cast<uint16_t>(i);
  }
  return lookup;
}

constexpr Lookup kLookup = make_lookup();

}  // namespace

std::span<const CommandSpec> command_table() { return kCommands; }

const CommandSpec* find_command(std::string_view name) {
  if (name.empty() || name.size() > kNameBytesMax) return nullptr;
  // Bytes behind the name are spaces already, as in constant_key.
  char bytes[kNameBytesMax] = {};
  std::memcpy(bytes, name.data(), name.size());
  NameKey key;
  std::memcpy(&key.low, bytes, 8);
  std::memcpy(&key.high, bytes + 8, 8);
  key.low |= kLowerCase;
  key.high |= kLowerCase;
  for (size_t slot = slot_of(key);; slot = (slot + 1) & (kLookup.slots.size() - 1)) {
    const uint16_t i = kLookup.slots[slot];
    if (i == kNoCommand) return nullptr;
    if (kLookup.keys[i] == key) {
      const CommandSpec& spec = kCommands[i];
      const bool same = kLookup.sizes[i] == name.size() && (kLookup.letters_only[i] || is_word(name, spec.name));
      return same ? &spec : nullptr;
    }
  }
}

}  // namespace orbit::resp
