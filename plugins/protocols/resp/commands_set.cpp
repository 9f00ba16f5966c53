// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Sets, one at a time; commands_set_algebra.cpp combines several.
#include <string>
#include <vector>

#include "command_helpers.hpp"
#include "commands.hpp"
#include "glob.hpp"
#include "set.hpp"

namespace orbit::resp::commands {
namespace {

size_t size_of(const Set* set) noexcept { return set == nullptr ? 0 : set->size(); }

bool contains(const Set* set, std::string_view member) noexcept { return set != nullptr && set->contains(member); }

}  // namespace

void sadd(CommandContext& ctx) {
  if (!check_type(ctx, ValueType::set)) return;
  Set& set = key_value(ctx).edit_set();
  int64_t added = 0;
  for (const std::string_view member : ctx.args.subspan(2)) added += set.add(member) ? 1 : 0;
  if (added != 0) mark_changed(ctx);
  ctx.reply.integer(added);
}

void srem(CommandContext& ctx) {
  if (!check_type(ctx, ValueType::set)) return;
  Value& value = key_value(ctx);
  int64_t removed = 0;
  if (!value.is_none()) {
    Set& set = value.edit_set();
    for (const std::string_view member : ctx.args.subspan(2)) removed += set.remove(member) ? 1 : 0;
    value.drop_if_empty();
  }
  if (removed != 0) mark_changed(ctx);
  ctx.reply.integer(removed);
}

void smembers(CommandContext& ctx) {
  if (!check_type(ctx, ValueType::set)) return;
  const Set* set = key_value(ctx).set();
  ctx.reply.set(size_of(set));
  if (set == nullptr) return;
  for (const Set::Member& member : set->members()) ctx.reply.bulk(member.name.view());
}

void sismember(CommandContext& ctx) {
  if (!check_type(ctx, ValueType::set)) return;
  ctx.reply.integer(contains(key_value(ctx).set(), ctx.args[2]) ? 1 : 0);
}

void smismember(CommandContext& ctx) {
  if (!check_type(ctx, ValueType::set)) return;
  const Set* set = key_value(ctx).set();
  ctx.reply.array(ctx.args.size() - 2);
  for (const std::string_view member : ctx.args.subspan(2)) ctx.reply.integer(contains(set, member) ? 1 : 0);
}

void scard(CommandContext& ctx) {
  if (!check_type(ctx, ValueType::set)) return;
  ctx.reply.integer(static_cast<int64_t>(size_of(key_value(ctx).set())));
}

void spop(CommandContext& ctx) {
  int64_t wanted = 1;
  if (ctx.args.size() > 3) {
    ctx.reply.syntax_error();
    return;
  }
  const bool counted = ctx.args.size() == 3;
  if (counted && !positive_arg(ctx, 2, wanted)) return;
  if (!check_type(ctx, ValueType::set)) return;
  Value& value = key_value(ctx);
  if (value.is_none()) {
    counted ? ctx.reply.set(0) : ctx.reply.null();
    return;
  }
  Set& set = value.edit_set();
  const size_t count = std::min(static_cast<size_t>(wanted), set.size());
  if (counted) ctx.reply.set(count);
  Random random(ctx.random);
  for (size_t i = 0; i < count; ++i) {
    const size_t position = random.below(set.size());
    ctx.reply.bulk(set.at(position));
    set.remove_at(position);
  }
  value.drop_if_empty();
  if (count != 0) mark_changed(ctx);
}

void srandmember(CommandContext& ctx) {
  int64_t count = 1;
  if (ctx.args.size() > 3) {
    ctx.reply.syntax_error();
    return;
  }
  const bool counted = ctx.args.size() == 3;
  if (counted && !signed_arg(ctx, 2, count)) return;
  if (!check_type(ctx, ValueType::set)) return;
  const Set* set = key_value(ctx).set();
  Random random(ctx.random);
  if (!counted) {
    set == nullptr ? ctx.reply.null() : ctx.reply.bulk(set->at(random.below(set->size())));
    return;
  }
  if (set == nullptr || count == 0) {
    ctx.reply.array(0);
    return;
  }
  if (count < 0) {
    const auto repeated = static_cast<size_t>(-count);
    ctx.reply.array(repeated);
    for (size_t i = 0; i < repeated; ++i) ctx.reply.bulk(set->at(random.below(set->size())));
    return;
  }
  if (static_cast<size_t>(count) >= set->size()) {
    ctx.reply.array(set->size());
    for (const Set::Member& member : set->members()) ctx.reply.bulk(member.name.view());
    return;
  }
  ctx.reply.array(static_cast<size_t>(count));
  for (const size_t i : pick_different(random, static_cast<size_t>(count), set->size())) ctx.reply.bulk(set->at(i));
}

void smove(CommandContext& ctx) {
  Value& from = key_value(ctx, 0);
  Value& to = key_value(ctx, 1);
  if (from.is_none()) {
    ctx.reply.integer(0);
    return;
  }
  if (!check_type(ctx, ValueType::set, 0) || !check_type(ctx, ValueType::set, 1)) return;
  const std::string_view member = ctx.args[3];
  if (&from == &to) {
    ctx.reply.integer(from.set()->contains(member) ? 1 : 0);
    return;
  }
  const bool moved = from.edit_set().remove(member);
  if (moved) {
    from.drop_if_empty();
    to.edit_set().add(member);
    mark_changed(ctx, 0);
    mark_changed(ctx, 1);
  }
  ctx.reply.integer(moved ? 1 : 0);
}

void sscan(CommandContext& ctx) {
  ScanOptions options;
  if (!scan_options(ctx, ValueType::set, options)) return;
  std::vector<std::string_view> found;
  const bool all = glob_is_all(options.pattern);
  const uint64_t cursor = key_value(ctx).set()->scan(options.cursor, options.count, [&](std::string_view member) {
    if (all || glob_match(options.pattern, member)) found.push_back(member);
  });
  scan_reply(ctx.reply, cursor, found.size());
  for (const std::string_view member : found) ctx.reply.bulk(member);
}

}  // namespace orbit::resp::commands
