// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Hashes.
#include <string>
#include <vector>

#include "command_helpers.hpp"
#include "commands.hpp"
#include "glob.hpp"
#include "hash.hpp"

namespace orbit::resp::commands {
namespace {

// Null when there is no such key or field.
const SmallString* find_field(CommandContext& ctx) {
  const Hash* hash = key_value(ctx).hash();
  return hash == nullptr ? nullptr : hash->find(ctx.args[2]);
}

bool set_fields(CommandContext& ctx, std::string_view command, int64_t& added) {
  if (ctx.args.size() % 2 != 0) {
    ctx.reply.error("ERR wrong number of arguments for '", std::string(command) + "' command");
    return false;
  }
  if (!check_type(ctx, ValueType::hash)) return false;
  Hash& hash = key_value(ctx).edit_hash();
  added = 0;
  for (size_t i = 2; i < ctx.args.size(); i += 2) added += hash.set(ctx.args[i], ctx.args[i + 1]) ? 1 : 0;
  mark_changed(ctx);
  return true;
}

size_t size_of(const Hash* hash) noexcept { return hash == nullptr ? 0 : hash->size(); }

void write_field(Reply& reply, const Hash::Field& field, bool with_value) {
  if (with_value && reply.protocol() >= 3) reply.array(2);
  reply.bulk(field.name.view());
  if (with_value) reply.bulk(field.value.view());
}

}  // namespace

void hset(CommandContext& ctx) {
  int64_t added;
  if (set_fields(ctx, "hset", added)) ctx.reply.integer(added);
}

void hmset(CommandContext& ctx) {
  int64_t added;
  if (set_fields(ctx, "hmset", added)) ctx.reply.ok();
}

void hsetnx(CommandContext& ctx) {
  if (!check_type(ctx, ValueType::hash)) return;
  if (find_field(ctx) != nullptr) {
    ctx.reply.integer(0);
    return;
  }
  key_value(ctx).edit_hash().set(ctx.args[2], ctx.args[3]);
  mark_changed(ctx);
  ctx.reply.integer(1);
}

void hget(CommandContext& ctx) {
  if (!check_type(ctx, ValueType::hash)) return;
  const SmallString* value = find_field(ctx);
  value == nullptr ? ctx.reply.null() : ctx.reply.bulk(value->view());
}

void hmget(CommandContext& ctx) {
  if (!check_type(ctx, ValueType::hash)) return;
  const Hash* hash = key_value(ctx).hash();
  ctx.reply.array(ctx.args.size() - 2);
  for (const std::string_view name : ctx.args.subspan(2)) {
    const SmallString* value = hash == nullptr ? nullptr : hash->find(name);
    value == nullptr ? ctx.reply.null() : ctx.reply.bulk(value->view());
  }
}

void hgetall(CommandContext& ctx) {
  if (!check_type(ctx, ValueType::hash)) return;
  const Hash* hash = key_value(ctx).hash();
  ctx.reply.map(size_of(hash));
  if (hash == nullptr) return;
  for (const Hash::Field& field : hash->fields()) {
    ctx.reply.bulk(field.name.view());
    ctx.reply.bulk(field.value.view());
  }
}

void hkeys(CommandContext& ctx) {
  if (!check_type(ctx, ValueType::hash)) return;
  const Hash* hash = key_value(ctx).hash();
  ctx.reply.array(size_of(hash));
  if (hash == nullptr) return;
  for (const Hash::Field& field : hash->fields()) ctx.reply.bulk(field.name.view());
}

void hvals(CommandContext& ctx) {
  if (!check_type(ctx, ValueType::hash)) return;
  const Hash* hash = key_value(ctx).hash();
  ctx.reply.array(size_of(hash));
  if (hash == nullptr) return;
  for (const Hash::Field& field : hash->fields()) ctx.reply.bulk(field.value.view());
}

void hlen(CommandContext& ctx) {
  if (!check_type(ctx, ValueType::hash)) return;
  ctx.reply.integer(static_cast<int64_t>(size_of(key_value(ctx).hash())));
}

void hexists(CommandContext& ctx) {
  if (!check_type(ctx, ValueType::hash)) return;
  ctx.reply.integer(find_field(ctx) != nullptr ? 1 : 0);
}

void hstrlen(CommandContext& ctx) {
  if (!check_type(ctx, ValueType::hash)) return;
  const SmallString* value = find_field(ctx);
  ctx.reply.integer(value == nullptr ? 0 : static_cast<int64_t>(value->size()));
}

void hdel(CommandContext& ctx) {
  if (!check_type(ctx, ValueType::hash)) return;
  Value& value = key_value(ctx);
  int64_t removed = 0;
  if (!value.is_none()) {
    Hash& hash = value.edit_hash();
    for (const std::string_view name : ctx.args.subspan(2)) removed += hash.remove(name) ? 1 : 0;
    value.drop_if_empty();
  }
  if (removed != 0) mark_changed(ctx);
  ctx.reply.integer(removed);
}

void hincrby(CommandContext& ctx) {
  int64_t delta;
  if (!integer_arg(ctx, 3, delta) || !check_type(ctx, ValueType::hash)) return;
  const SmallString* old = find_field(ctx);
  int64_t number = 0;
  if (old != nullptr && !parse_integer(old->view(), number)) {
    ctx.reply.error("ERR hash value is not an integer");
    return;
  }
  if (__builtin_add_overflow(number, delta, &number)) {
    ctx.reply.error("ERR increment or decrement would overflow");
    return;
  }
  char text[kIntegerCharsMax];
  key_value(ctx).edit_hash().set(ctx.args[2], {text, format_integer(text, number)});
  mark_changed(ctx);
  ctx.reply.integer(number);
}

void hincrbyfloat(CommandContext& ctx) {
  long double delta;
  if (!parse_long_double(ctx.args[3], delta)) {
    ctx.reply.not_a_float();
    return;
  }
  if (__builtin_isinf(delta)) {
    ctx.reply.error("ERR value is NaN or Infinity");
    return;
  }
  if (!check_type(ctx, ValueType::hash)) return;
  const SmallString* old = find_field(ctx);
  long double number = 0;
  if (old != nullptr && !parse_long_double(old->view(), number)) {
    ctx.reply.error("ERR hash value is not a float");
    return;
  }
  number += delta;
  if (__builtin_isnan(number) || __builtin_isinf(number)) {
    ctx.reply.error("ERR increment would produce NaN or Infinity");
    return;
  }
  char text[kLongDoubleCharsMax];
  const std::string_view written(text, format_long_double(text, number));
  key_value(ctx).edit_hash().set(ctx.args[2], written);
  mark_changed(ctx);
  ctx.reply.bulk(written);
}

void hrandfield(CommandContext& ctx) {
  RandomOptions options;
  if (!random_options(ctx, "withvalues", options) || !check_type(ctx, ValueType::hash)) return;
  const Hash* hash = key_value(ctx).hash();
  Random random(ctx.random);
  if (!options.counted) {
    hash == nullptr ? ctx.reply.null() : ctx.reply.bulk(hash->at(random.below(hash->size())).name.view());
    return;
  }
  if (hash == nullptr || options.count == 0) {
    ctx.reply.array(0);
    return;
  }
  const auto write_header = [&](size_t fields) {
    ctx.reply.array(options.with_values && ctx.reply.protocol() < 3 ? fields * 2 : fields);
  };
  if (options.count < 0) {
    const auto count = static_cast<size_t>(-options.count);
    write_header(count);
    for (size_t i = 0; i < count; ++i) {
      write_field(ctx.reply, hash->at(random.below(hash->size())), options.with_values);
    }
    return;
  }
  if (static_cast<size_t>(options.count) >= hash->size()) {
    write_header(hash->size());
    for (const Hash::Field& field : hash->fields()) write_field(ctx.reply, field, options.with_values);
    return;
  }
  write_header(static_cast<size_t>(options.count));
  for (const size_t i : pick_different(random, static_cast<size_t>(options.count), hash->size())) {
    write_field(ctx.reply, hash->at(i), options.with_values);
  }
}

void hscan(CommandContext& ctx) {
  ScanOptions options;
  if (!scan_options(ctx, ValueType::hash, options)) return;
  std::vector<const Hash::Field*> found;
  const bool all = glob_is_all(options.pattern);
  const uint64_t cursor = key_value(ctx).hash()->scan(options.cursor, options.count, [&](const Hash::Field& field) {
    if (all || glob_match(options.pattern, field.name.view())) found.push_back(&field);
  });
  scan_reply(ctx.reply, cursor, found.size() * 2);
  for (const Hash::Field* field : found) {
    ctx.reply.bulk(field->name.view());
    ctx.reply.bulk(field->value.view());
  }
}

}  // namespace orbit::resp::commands
