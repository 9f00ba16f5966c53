// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Strings as bytes.
#include <algorithm>
#include <string>

#include "command_helpers.hpp"
#include "commands.hpp"

namespace orbit::resp::commands {
namespace {

constexpr std::string_view kTooLong = "ERR string exceeds maximum allowed size (proto-max-bulk-len)";

void write_or_null(Reply& reply, const Value& value) {
  value.is_none() ? reply.null() : reply.bulk(value.string().view());
}

// The options of SET and GETEX.
struct SetOptions {
  bool only_new = false;
  bool only_existing = false;
  bool get = false;
  bool keep_expiry = false;
  bool persist = false;
  size_t expiry_at = 0;  // argument with the time; 0: none
  int64_t unit_ms = 0;
  bool absolute = false;
};

bool read_expiry_word(std::string_view word, SetOptions& options) noexcept {
  struct Unit {
    std::string_view word;
    int64_t unit_ms;
    bool absolute;
  };
  static constexpr Unit kUnits[] = {{"ex", 1000, false}, {"px", 1, false}, {"exat", 1000, true}, {"pxat", 1, true}};
  for (const Unit& unit : kUnits) {
    if (!is_word(word, unit.word)) continue;
    options.unit_ms = unit.unit_ms;
    options.absolute = unit.absolute;
    return true;
  }
  return false;
}

bool read_set_options(std::span<const std::string_view> args, size_t first, bool getex, SetOptions& options) noexcept {
  for (size_t i = first; i < args.size(); ++i) {
    const std::string_view word = args[i];
    const bool expiry_free = options.expiry_at == 0 && !options.keep_expiry && !options.persist;
    if (!getex && is_word(word, "nx") && !options.only_existing) {
      options.only_new = true;
    } else if (!getex && is_word(word, "xx") && !options.only_new) {
      options.only_existing = true;
    } else if (!getex && is_word(word, "get")) {
      options.get = true;
    } else if (!getex && is_word(word, "keepttl") && !options.persist && options.expiry_at == 0) {
      options.keep_expiry = true;
    } else if (getex && is_word(word, "persist") && options.expiry_at == 0) {
      options.persist = true;
    } else if (expiry_free && i + 1 < args.size() && read_expiry_word(word, options)) {
      options.expiry_at = ++i;
    } else {
      return false;
    }
  }
  return true;
}

void set_with_expiry(CommandContext& ctx, int64_t unit_ms, std::string_view command) {
  uint64_t at_ms;
  if (!expiry_arg(ctx, 2, unit_ms, false, command, at_ms)) return;
  Value& value = key_value(ctx);
  value.assign_string(ctx.args[3]);
  value.set_expires_at_ms(at_ms);
  mark_changed(ctx);
  ctx.reply.ok();
}

void add_integer(CommandContext& ctx, int64_t delta) {
  if (!check_type(ctx, ValueType::string)) return;
  Value& value = key_value(ctx);
  int64_t number = 0;
  if (!value.is_none() && !parse_integer(value.string().view(), number)) {
    ctx.reply.not_an_integer();
    return;
  }
  if (__builtin_add_overflow(number, delta, &number)) {
    ctx.reply.error("ERR increment or decrement would overflow");
    return;
  }
  char text[kIntegerCharsMax];
  value.assign_string({text, format_integer(text, number)});
  mark_changed(ctx);
  ctx.reply.integer(number);
}

void get_range(CommandContext& ctx) {
  int64_t start;
  int64_t end;
  if (!integer_arg(ctx, 2, start) || !integer_arg(ctx, 3, end) || !check_type(ctx, ValueType::string)) return;
  const Value& value = key_value(ctx);
  const std::string_view bytes = value.is_none() ? std::string_view() : value.string().view();
  const auto size = static_cast<int64_t>(bytes.size());
  if (start < 0 && end < 0 && start > end) {
    ctx.reply.bulk({});
    return;
  }
  start = std::max<int64_t>(start < 0 ? start + size : start, 0);
  end = std::min(std::max<int64_t>(end < 0 ? end + size : end, 0), size - 1);
  if (size == 0 || start > end) {
    ctx.reply.bulk({});
    return;
  }
  ctx.reply.bulk(bytes.substr(static_cast<size_t>(start), static_cast<size_t>(end - start + 1)));
}

}  // namespace

void get(CommandContext& ctx) {
  if (!check_type(ctx, ValueType::string)) return;
  write_or_null(ctx.reply, key_value(ctx));
}

void set(CommandContext& ctx) {
  Value& value = key_value(ctx);
  if (ctx.args.size() == 3) [[likely]] {
    value.assign_string(ctx.args[2]);
    value.set_expires_at_ms(0);
    mark_changed(ctx);
    ctx.reply.ok();
    return;
  }
  SetOptions options;
  if (!read_set_options(ctx.args, 3, false, options)) {
    ctx.reply.syntax_error();
    return;
  }
  uint64_t at_ms = 0;
  if (options.expiry_at != 0 && !expiry_arg(ctx, options.expiry_at, options.unit_ms, options.absolute, "set", at_ms)) {
    return;
  }
  if (options.get) {
    if (!check_type(ctx, ValueType::string)) return;
    write_or_null(ctx.reply, value);
  }
  if ((options.only_new && !value.is_none()) || (options.only_existing && value.is_none())) {
    if (!options.get) ctx.reply.null();
    return;
  }
  value.assign_string(ctx.args[2]);
  if (!options.keep_expiry) value.set_expires_at_ms(at_ms);
  mark_changed(ctx);
  if (!options.get) ctx.reply.ok();
}

void setnx(CommandContext& ctx) {
  Value& value = key_value(ctx);
  const bool free = value.is_none();
  if (free) {
    value.assign_string(ctx.args[2]);
    mark_changed(ctx);
  }
  ctx.reply.integer(free ? 1 : 0);
}

void setex(CommandContext& ctx) { set_with_expiry(ctx, 1000, "setex"); }
void psetex(CommandContext& ctx) { set_with_expiry(ctx, 1, "psetex"); }

void getset(CommandContext& ctx) {
  if (!check_type(ctx, ValueType::string)) return;
  Value& value = key_value(ctx);
  write_or_null(ctx.reply, value);
  value.assign_string(ctx.args[2]);
  value.set_expires_at_ms(0);
  mark_changed(ctx);
}

void getdel(CommandContext& ctx) {
  if (!check_type(ctx, ValueType::string)) return;
  Value& value = key_value(ctx);
  write_or_null(ctx.reply, value);
  if (value.is_none()) return;
  value.clear();
  mark_changed(ctx);
}

void getex(CommandContext& ctx) {
  SetOptions options;
  if (!read_set_options(ctx.args, 2, true, options)) {
    ctx.reply.syntax_error();
    return;
  }
  Value& value = key_value(ctx);
  if (value.is_none()) {
    ctx.reply.null();
    return;
  }
  if (!check_type(ctx, ValueType::string)) return;
  uint64_t at_ms = 0;
  if (options.expiry_at != 0 &&
      !expiry_arg(ctx, options.expiry_at, options.unit_ms, options.absolute, "getex", at_ms)) {
    return;
  }
  ctx.reply.bulk(value.string().view());
  if (options.expiry_at != 0) {
    if (at_ms <= ctx.now_ms) {
      value.clear();
    } else {
      value.set_expires_at_ms(at_ms);
    }
    mark_changed(ctx);
  } else if (options.persist && value.expires_at_ms() != 0) {
    value.set_expires_at_ms(0);
    mark_changed(ctx);
  }
}

void append(CommandContext& ctx) {
  if (!check_type(ctx, ValueType::string)) return;
  Value& value = key_value(ctx);
  const std::string_view more = ctx.args[2];
  if (value.is_none()) {
    value.assign_string(more);
  } else {
    if (value.string().size() + more.size() > kStringBytesMax) {
      ctx.reply.error(kTooLong);
      return;
    }
    value.edit_string().append(more);
    value.mark_raw_string();
  }
  mark_changed(ctx);
  ctx.reply.integer(static_cast<int64_t>(value.string().size()));
}

void strlen(CommandContext& ctx) {
  if (!check_type(ctx, ValueType::string)) return;
  const Value& value = key_value(ctx);
  ctx.reply.integer(value.is_none() ? 0 : static_cast<int64_t>(value.string().size()));
}

void incr(CommandContext& ctx) { add_integer(ctx, 1); }
void decr(CommandContext& ctx) { add_integer(ctx, -1); }

void incrby(CommandContext& ctx) {
  int64_t delta;
  if (integer_arg(ctx, 2, delta)) add_integer(ctx, delta);
}

void decrby(CommandContext& ctx) {
  int64_t delta;
  if (!integer_arg(ctx, 2, delta)) return;
  if (delta == INT64_MIN) {
    ctx.reply.error("ERR decrement would overflow");
    return;
  }
  add_integer(ctx, -delta);
}

void incrbyfloat(CommandContext& ctx) {
  if (!check_type(ctx, ValueType::string)) return;
  Value& value = key_value(ctx);
  long double number = 0;
  long double delta;
  if ((!value.is_none() && !parse_long_double(value.string().view(), number)) ||
      !parse_long_double(ctx.args[2], delta)) {
    ctx.reply.not_a_float();
    return;
  }
  number += delta;
  if (__builtin_isnan(number) || __builtin_isinf(number)) {
    ctx.reply.error("ERR increment would produce NaN or Infinity");
    return;
  }
  char text[kLongDoubleCharsMax];
  const std::string_view written(text, format_long_double(text, number));
  value.assign_string(written);
  mark_changed(ctx);
  ctx.reply.bulk(written);
}

void setrange(CommandContext& ctx) {
  int64_t offset;
  if (!integer_arg(ctx, 2, offset)) return;
  if (offset < 0) {
    ctx.reply.error("ERR offset is out of range");
    return;
  }
  if (!check_type(ctx, ValueType::string)) return;
  Value& value = key_value(ctx);
  const std::string_view bytes = ctx.args[3];
  const size_t size = value.is_none() ? 0 : value.string().size();
  if (bytes.empty()) {
    ctx.reply.integer(static_cast<int64_t>(size));
    return;
  }
  if (static_cast<uint64_t>(offset) + bytes.size() > kStringBytesMax) {
    ctx.reply.error(kTooLong);
    return;
  }
  const auto at = static_cast<size_t>(offset);
  SmallString& string = value.edit_string();
  if (at + bytes.size() > size) string.resize(at + bytes.size());
  std::copy(bytes.begin(), bytes.end(), string.data() + at);
  value.mark_raw_string();
  mark_changed(ctx);
  ctx.reply.integer(static_cast<int64_t>(string.size()));
}

void getrange(CommandContext& ctx) { get_range(ctx); }
void substr(CommandContext& ctx) { get_range(ctx); }

void mget(CommandContext& ctx) {
  ctx.reply.array(ctx.keys.size());
  for (const OpenKey& key : ctx.keys) {
    key.value->type() == ValueType::string ? ctx.reply.bulk(key.value->string().view()) : ctx.reply.null();
  }
}

void mset(CommandContext& ctx) {
  if (ctx.args.size() % 2 == 0) {
    ctx.reply.error("ERR wrong number of arguments for 'mset' command");
    return;
  }
  for (size_t i = 0; i < ctx.keys.size(); ++i) {
    ctx.keys[i].value->assign_string(ctx.args[2 * i + 2]);
    ctx.keys[i].value->set_expires_at_ms(0);
    mark_changed(ctx, i);
  }
  ctx.reply.ok();
}

void msetnx(CommandContext& ctx) {
  if (ctx.args.size() % 2 == 0) {
    ctx.reply.error("ERR wrong number of arguments for 'msetnx' command");
    return;
  }
  if (!std::all_of(ctx.keys.begin(), ctx.keys.end(), [](const OpenKey& key) { return key.value->is_none(); })) {
    ctx.reply.integer(0);
    return;
  }
  for (size_t i = 0; i < ctx.keys.size(); ++i) {
    ctx.keys[i].value->assign_string(ctx.args[2 * i + 2]);
    mark_changed(ctx, i);
  }
  ctx.reply.integer(1);
}

}  // namespace orbit::resp::commands
