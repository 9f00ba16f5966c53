// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Keys whatever they hold.
#include <algorithm>
#include <string>

#include "command_helpers.hpp"
#include "commands.hpp"

namespace orbit::resp::commands {
namespace {

void count_keys(CommandContext& ctx) {
  ctx.reply.integer(
      std::count_if(ctx.keys.begin(), ctx.keys.end(), [](const OpenKey& key) { return !key.value->is_none(); }));
}

void remove_keys(CommandContext& ctx) {
  int64_t removed = 0;
  for (OpenKey& key : ctx.keys) {
    if (key.value->is_none()) continue;
    key.value->clear();
    key.changed = true;
    ++removed;
  }
  ctx.reply.integer(removed);
}

enum ExpireFlag : unsigned { kIfNone = 1, kIfAny = 2, kIfLater = 4, kIfEarlier = 8 };

bool read_expire_flags(CommandContext& ctx, unsigned& flags) {
  flags = 0;
  for (size_t i = 3; i < ctx.args.size(); ++i) {
    const std::string_view word = ctx.args[i];
    if (is_word(word, "nx")) {
      flags |= kIfNone;
    } else if (is_word(word, "xx")) {
      flags |= kIfAny;
    } else if (is_word(word, "gt")) {
      flags |= kIfLater;
    } else if (is_word(word, "lt")) {
      flags |= kIfEarlier;
    } else {
      ctx.reply.error("ERR Unsupported option ", word);
      return false;
    }
  }
  if ((flags & kIfNone) != 0 && flags != kIfNone) {
    ctx.reply.error("ERR NX and XX, GT or LT options at the same time are not compatible");
    return false;
  }
  if ((flags & kIfLater) != 0 && (flags & kIfEarlier) != 0) {
    ctx.reply.error("ERR GT and LT options at the same time are not compatible");
    return false;
  }
  return true;
}

bool flags_allow(unsigned flags, int64_t at_ms, uint64_t now_set_ms) noexcept {
  const bool any = now_set_ms != 0;
  const auto current = static_cast<int64_t>(now_set_ms);
  if ((flags & kIfNone) != 0 && any) return false;
  if ((flags & kIfAny) != 0 && !any) return false;
  if ((flags & kIfLater) != 0 && (!any || at_ms <= current)) return false;
  return (flags & kIfEarlier) == 0 || !any || at_ms < current;
}

void expire_at(CommandContext& ctx, int64_t unit_ms, bool absolute, std::string_view command) {
  unsigned flags;
  int64_t when;
  if (!read_expire_flags(ctx, flags) || !integer_arg(ctx, 2, when)) return;
  const int64_t base_ms = absolute ? 0 : static_cast<int64_t>(ctx.now_ms);
  if (when > INT64_MAX / unit_ms || when < INT64_MIN / unit_ms || when * unit_ms > INT64_MAX - base_ms) {
    ctx.reply.error("ERR invalid expire time in '", std::string(command) + "' command");
    return;
  }
  const int64_t at_ms = when * unit_ms + base_ms;
  Value& value = key_value(ctx);
  if (value.is_none() || !flags_allow(flags, at_ms, value.expires_at_ms())) {
    ctx.reply.integer(0);
    return;
  }
  if (at_ms <= static_cast<int64_t>(ctx.now_ms)) {
    value.clear();
  } else {
    value.set_expires_at_ms(static_cast<uint64_t>(at_ms));
  }
  mark_changed(ctx);
  ctx.reply.integer(1);
}

// `since_now`: the time that is left, else the time itself.
void tell_expiry(CommandContext& ctx, bool since_now, bool in_seconds) {
  const Value& value = key_value(ctx);
  if (value.is_none() || value.expires_at_ms() == 0) {
    ctx.reply.integer(value.is_none() ? -2 : -1);
    return;
  }
  uint64_t ms = value.expires_at_ms();
  if (since_now) ms = ms > ctx.now_ms ? ms - ctx.now_ms : 0;
  ctx.reply.integer(static_cast<int64_t>(in_seconds ? (ms + 500) / 1000 : ms));
}

void rename_key(CommandContext& ctx, bool only_new) {
  Value& from = key_value(ctx, 0);
  Value& to = key_value(ctx, 1);
  if (from.is_none()) {
    ctx.reply.error("ERR no such key");
    return;
  }
  if (&from == &to || (only_new && !to.is_none())) {
    only_new ? ctx.reply.integer(0) : ctx.reply.ok();
    return;
  }
  to.take(from);
  mark_changed(ctx, 0);
  mark_changed(ctx, 1);
  only_new ? ctx.reply.integer(1) : ctx.reply.ok();
}

bool is_database(int64_t index) noexcept { return index >= 0 && index < int64_t{kDatabaseCount}; }

void write_help(Reply& reply, std::span<const std::string_view> lines) {
  reply.array(lines.size());
  for (const std::string_view line : lines) reply.simple(line);
}

}  // namespace

void del(CommandContext& ctx) { remove_keys(ctx); }
void unlink(CommandContext& ctx) { remove_keys(ctx); }
void exists(CommandContext& ctx) { count_keys(ctx); }
void touch(CommandContext& ctx) { count_keys(ctx); }
void type(CommandContext& ctx) { ctx.reply.simple(type_name(key_value(ctx).type())); }

void expire(CommandContext& ctx) { expire_at(ctx, 1000, false, "expire"); }
void pexpire(CommandContext& ctx) { expire_at(ctx, 1, false, "pexpire"); }
void expireat(CommandContext& ctx) { expire_at(ctx, 1000, true, "expireat"); }
void pexpireat(CommandContext& ctx) { expire_at(ctx, 1, true, "pexpireat"); }

void ttl(CommandContext& ctx) { tell_expiry(ctx, true, true); }
void pttl(CommandContext& ctx) { tell_expiry(ctx, true, false); }
void expiretime(CommandContext& ctx) { tell_expiry(ctx, false, true); }
void pexpiretime(CommandContext& ctx) { tell_expiry(ctx, false, false); }

void persist(CommandContext& ctx) {
  Value& value = key_value(ctx);
  const bool expires = value.expires_at_ms() != 0;
  if (expires) {
    value.set_expires_at_ms(0);
    mark_changed(ctx);
  }
  ctx.reply.integer(expires ? 1 : 0);
}

void rename(CommandContext& ctx) { rename_key(ctx, false); }
void renamenx(CommandContext& ctx) { rename_key(ctx, true); }

void copy(CommandContext& ctx) {
  bool replace = false;
  for (size_t i = 3; i < ctx.args.size(); ++i) {
    if (is_word(ctx.args[i], "replace")) {
      replace = true;
    } else if (is_word(ctx.args[i], "db") && i + 1 < ctx.args.size()) {
      int64_t index;
      if (!integer_arg(ctx, ++i, index)) return;
      if (!is_database(index)) {
        ctx.reply.error("ERR DB index is out of range");
        return;
      }
    } else {
      ctx.reply.syntax_error();
      return;
    }
  }
  const Value& from = key_value(ctx, 0);
  Value& to = key_value(ctx, 1);
  if (&from == &to) {
    ctx.reply.error("ERR source and destination objects are the same");
    return;
  }
  const bool done = !from.is_none() && (replace || to.is_none());
  if (done) {
    to.copy(from);
    mark_changed(ctx, 1);
  }
  ctx.reply.integer(done ? 1 : 0);
}

void move(CommandContext& ctx) {
  int64_t index;
  if (!integer_arg(ctx, 2, index)) return;
  if (!is_database(index)) {
    ctx.reply.error("ERR DB index is out of range");
    return;
  }
  Value& from = key_value(ctx, 0);
  Value& to = key_value(ctx, 1);
  if (&from == &to) {
    ctx.reply.error("ERR source and destination objects are the same");
    return;
  }
  const bool moves = !from.is_none() && to.is_none();
  if (moves) {
    to.take(from);
    mark_changed(ctx, 0);
    mark_changed(ctx, 1);
  }
  ctx.reply.integer(moves ? 1 : 0);
}

void object(CommandContext& ctx) {
  const std::string_view word = ctx.args[1];
  if (is_word(word, "help") && ctx.args.size() == 2) {
    static constexpr std::string_view kLines[] = {"OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
                                                  "ENCODING <key>",
                                                  "    How the value of <key> is kept.",
                                                  "FREQ <key>",
                                                  "    Needs a policy that this server does not have.",
                                                  "HELP",
                                                  "    Prints this help.",
                                                  "IDLETIME <key>",
                                                  "    Always 0: idle keys leave memory by themselves.",
                                                  "REFCOUNT <key>",
                                                  "    Always 1: values are not shared."};
    write_help(ctx.reply, kLines);
    return;
  }
  const bool encoding = is_word(word, "encoding");
  const bool counted = is_word(word, "refcount");
  const bool idle = is_word(word, "idletime");
  const bool frequency = is_word(word, "freq");
  if (!encoding && !counted && !idle && !frequency) {
    ctx.reply.error("ERR unknown subcommand '", std::string(word.substr(0, 128)) + "'. Try OBJECT HELP.");
    return;
  }
  if (ctx.keys.empty()) {
    const std::string_view name = encoding ? "encoding" : counted ? "refcount" : idle ? "idletime" : "freq";
    ctx.reply.error("ERR wrong number of arguments for 'object|", std::string(name) + "' command");
    return;
  }
  const Value& value = key_value(ctx);
  if (value.is_none()) {
    ctx.reply.null();
  } else if (encoding) {
    ctx.reply.bulk(value.encoding());
  } else if (counted) {
    ctx.reply.integer(1);
  } else if (idle) {
    ctx.reply.integer(0);
  } else {
    ctx.reply.error(
        "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching "
        "between "
        "policies at runtime LRU and LFU data will take some time to adjust.");
  }
}

void memory(CommandContext& ctx) {
  if (is_word(ctx.args[1], "help") && ctx.args.size() == 2) {
    static constexpr std::string_view kLines[] = {
        "MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", "HELP", "    Prints this help.",
        "USAGE <key> [SAMPLES <count>]",
        "    The bytes of memory that <key> and its value take; counted, not sampled."};
    write_help(ctx.reply, kLines);
    return;
  }
  if (ctx.keys.empty()) {
    ctx.reply.error("ERR unknown subcommand or wrong number of arguments for '",
                    std::string(ctx.args[1].substr(0, 128)) + "'. Try MEMORY HELP.");
    return;
  }
  if (ctx.args.size() != 3) {
    int64_t samples;
    if (ctx.args.size() != 5 || !is_word(ctx.args[3], "samples")) {
      ctx.reply.syntax_error();
      return;
    }
    if (!integer_arg(ctx, 4, samples)) return;
    if (samples < 0) {
      ctx.reply.syntax_error();
      return;
    }
  }
  const Value& value = key_value(ctx);
  if (value.is_none()) {
    ctx.reply.null();
    return;
  }
  ctx.reply.integer(static_cast<int64_t>(sizeof(Value) + value.memory_bytes() + ctx.keys[0].name.size()));
}

}  // namespace orbit::resp::commands
