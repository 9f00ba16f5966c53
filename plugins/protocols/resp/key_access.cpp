// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "key_access.hpp"

#include <algorithm>

#include "words.hpp"

namespace orbit::resp {
namespace {

struct Group {
  std::string_view first;   // of the first key
  std::string_view others;  // of those behind it
  std::string_view commands;
};

// As redis-server 7.0 tells them. Commands that are in no group read their keys' values, or, when they write, change them.
constexpr Group kGroups[] = {
    {"RO", "RO", "exists hexists hlen hstrlen llen object scard sismember strlen touch type watch zcard"},
    {"RW access update", "RW access update",
     "bitfield decr decrby getex getset hincrby hincrbyfloat incr incrby incrbyfloat move setbit zincrby"},
    {"RW update", "RW update", "expire expireat hmset hset lset persist pexpire pexpireat setrange zadd"},
    {"RW access delete", "RW access delete",
     "blmpop blpop brpop bzmpop bzpopmax bzpopmin getdel lmpop lpop rpop spop zmpop zpopmax zpopmin"},
    {"RW delete", "RW delete", "hdel lrem ltrim srem zrem zremrangebylex zremrangebyrank zremrangebyscore"},
    {"RW insert", "RW insert", "append hsetnx linsert lpush lpushx rpush rpushx sadd"},
    {"RM delete", "RM delete", "del unlink"},
    {"OW update", "OW update", "mset psetex restore set setex"},
    {"OW insert", "OW insert", "msetnx setnx"},
    {"OW update", "RO access", "bitop sdiffstore sunionstore zdiffstore zinterstore zrangestore zunionstore"},
    {"RW update", "RO access", "sinterstore"},
    {"RW access delete", "RW insert", "blmove brpoplpush lmove rpoplpush smove"},
    {"RO access", "OW update", "copy sort"},
    {"RW access delete", "OW update", "rename"},
    {"RW access delete", "OW insert", "renamenx"},
};

bool has_word(std::string_view words, std::string_view word) {
  while (!words.empty()) {
    const size_t end = std::min(words.find(' '), words.size());
    if (words.substr(0, end) == word) return true;
    words.remove_prefix(std::min(end + 1, words.size()));
  }
  return false;
}

bool has_argument(std::span<const std::string_view> args, std::string_view word) {
  return std::ranges::any_of(args, [&](std::string_view arg) { return equal_ignoring_case(arg, word); });
}

}  // namespace

std::string_view key_access(const CommandSpec& spec, std::span<const std::string_view> args, size_t key) {
  const std::string_view name = spec.name;
  if (name == "set" && args.size() > 3 && has_argument(args.subspan(3), "get")) return "RW access update";
  if (name == "bitfield" && !has_argument(args, "set") && !has_argument(args, "incrby")) return "RO access";
  for (const Group& group : kGroups)
    if (has_word(group.commands, name)) return key == 0 ? group.first : group.others;
  return (spec.flags & kWrite) != 0 ? "RW access update" : "RO access";
}

}  // namespace orbit::resp
