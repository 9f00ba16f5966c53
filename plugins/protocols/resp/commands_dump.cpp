// SPDX-License-Identifier: MIT OR BSD-3-Clause
// DUMP and RESTORE.
#include "command_helpers.hpp"
#include "commands.hpp"
#include "dump.hpp"

namespace orbit::resp::commands {
namespace {

struct RestoreOptions {
  bool replace = false;
  bool absolute = false;
};

// IDLETIME and FREQ are read and have no effect: accesses are not kept.
bool restore_options(CommandContext& ctx, RestoreOptions& options) {
  bool idle = false;
  bool frequency = false;
  for (size_t i = 4; i < ctx.args.size(); ++i) {
    const std::string_view word = ctx.args[i];
    const bool more = i + 1 < ctx.args.size();
    int64_t number;
    if (is_word(word, "replace")) {
      options.replace = true;
    } else if (is_word(word, "absttl")) {
      options.absolute = true;
    } else if (is_word(word, "idletime") && more && !frequency) {
      if (!integer_arg(ctx, ++i, number)) return false;
      if (number < 0) {
        ctx.reply.error("ERR Invalid IDLETIME value, must be >= 0");
        return false;
      }
      idle = true;
    } else if (is_word(word, "freq") && more && !idle) {
      if (!integer_arg(ctx, ++i, number)) return false;
      if (number < 0 || number > 255) {
        ctx.reply.error("ERR Invalid FREQ value, must be >= 0 and <= 255");
        return false;
      }
      frequency = true;
    } else {
      ctx.reply.syntax_error();
      return false;
    }
  }
  return true;
}

}  // namespace

void dump(CommandContext& ctx) {
  const Value& value = key_value(ctx);
  value.is_none() ? ctx.reply.null() : ctx.reply.bulk(dump_value(value));
}

void restore(CommandContext& ctx) {
  RestoreOptions options;
  int64_t ttl;
  if (!restore_options(ctx, options)) return;
  Value& target = key_value(ctx);
  if (!options.replace && !target.is_none()) {
    ctx.reply.error("BUSYKEY Target key name already exists.");
    return;
  }
  if (!integer_arg(ctx, 2, ttl)) return;
  const auto now_ms = static_cast<int64_t>(ctx.now_ms);
  if (ttl < 0 || (!options.absolute && ttl > INT64_MAX - now_ms)) {
    ctx.reply.error("ERR Invalid TTL value, must be >= 0");
    return;
  }
  const std::string_view payload = ctx.args[3];
  if (!dump_intact(payload)) {
    ctx.reply.error("ERR DUMP payload version or checksum are wrong");
    return;
  }
  Value restored;
  if (!restore_value(payload.substr(0, payload.size() - kDumpFooterBytes), restored)) {
    ctx.reply.error("ERR Bad data format");
    return;
  }
  const int64_t expires_at_ms = ttl == 0 || options.absolute ? ttl : now_ms + ttl;
  const bool expired = expires_at_ms != 0 && expires_at_ms <= now_ms;
  if (!expired || !target.is_none()) mark_changed(ctx);
  if (expired) {
    target.clear();
  } else {
    target.take(restored);
    target.set_expires_at_ms(static_cast<uint64_t>(expires_at_ms));
  }
  ctx.reply.ok();
}

}  // namespace orbit::resp::commands
