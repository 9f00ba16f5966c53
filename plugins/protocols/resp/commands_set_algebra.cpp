// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Intersection, union and difference of sets.
#include <algorithm>
#include <string>
#include <vector>

#include "command_helpers.hpp"
#include "commands.hpp"
#include "set.hpp"

namespace orbit::resp::commands {
namespace {

using Members = std::vector<std::string_view>;

// The sets of keys [first, ...), null where there is none. Writes the error.
bool collect_sets(CommandContext& ctx, size_t first, std::vector<const Set*>& sets) {
  for (size_t key = first; key < ctx.keys.size(); ++key) {
    if (!check_type(ctx, ValueType::set, key)) return false;
    sets.push_back(key_value(ctx, key).set());
  }
  return true;
}

// At most `limit` members.
Members intersect(std::vector<const Set*> sets, size_t limit) {
  Members found;
  if (std::find(sets.begin(), sets.end(), nullptr) != sets.end()) return found;
  std::sort(sets.begin(), sets.end(), [](const Set* a, const Set* b) { return a->size() < b->size(); });
  for (const Set::Member& member : sets[0]->members()) {
    if (found.size() == limit) break;
    const std::string_view name = member.name.view();
    const auto has = [&](const Set* other) { return other == sets[0] || other->contains(name); };
    if (std::all_of(sets.begin() + 1, sets.end(), has)) found.push_back(name);
  }
  return found;
}

Members subtract(const std::vector<const Set*>& sets) {
  Members found;
  if (sets[0] == nullptr) return found;
  for (const Set::Member& member : sets[0]->members()) {
    const std::string_view name = member.name.view();
    const auto has = [&](const Set* other) { return other != nullptr && other->contains(name); };
    if (std::none_of(sets.begin() + 1, sets.end(), has)) found.push_back(name);
  }
  return found;
}

void unite(const std::vector<const Set*>& sets, Set& out) {
  for (const Set* set : sets) {
    if (set == nullptr) continue;
    for (const Set::Member& member : set->members()) out.add(member.name.view());
  }
}

void write_members(Reply& reply, const Members& members) {
  reply.set(members.size());
  for (const std::string_view member : members) reply.bulk(member);
}

// The result replaces the first key's value.
void store(CommandContext& ctx, Value& result) {
  Value& target = key_value(ctx, 0);
  const bool empty = result.drop_if_empty() || result.is_none();
  const size_t size = empty ? 0 : result.set()->size();
  if (!empty || !target.is_none()) mark_changed(ctx, 0);
  if (empty) {
    target.clear();
  } else {
    target.take(result);
  }
  ctx.reply.integer(static_cast<int64_t>(size));
}

void store(CommandContext& ctx, const Members& members) {
  Value result;
  Set& set = result.edit_set();
  set.reserve(members.size());
  for (const std::string_view member : members) set.add(member);
  store(ctx, result);
}

}  // namespace

void sinter(CommandContext& ctx) {
  std::vector<const Set*> sets;
  if (collect_sets(ctx, 0, sets)) write_members(ctx.reply, intersect(std::move(sets), SIZE_MAX));
}

void sinterstore(CommandContext& ctx) {
  std::vector<const Set*> sets;
  if (collect_sets(ctx, 1, sets)) store(ctx, intersect(std::move(sets), SIZE_MAX));
}

void sdiff(CommandContext& ctx) {
  std::vector<const Set*> sets;
  if (collect_sets(ctx, 0, sets)) write_members(ctx.reply, subtract(sets));
}

void sdiffstore(CommandContext& ctx) {
  std::vector<const Set*> sets;
  if (collect_sets(ctx, 1, sets)) store(ctx, subtract(sets));
}

void sunion(CommandContext& ctx) {
  std::vector<const Set*> sets;
  if (!collect_sets(ctx, 0, sets)) return;
  Set all;
  unite(sets, all);
  ctx.reply.set(all.size());
  for (const Set::Member& member : all.members()) ctx.reply.bulk(member.name.view());
}

void sunionstore(CommandContext& ctx) {
  std::vector<const Set*> sets;
  if (!collect_sets(ctx, 1, sets)) return;
  Value result;
  unite(sets, result.edit_set());
  store(ctx, result);
}

void sintercard(CommandContext& ctx) {
  int64_t key_count;
  if (!parse_integer(ctx.args[1], key_count) || key_count < 1) {
    ctx.reply.error("ERR numkeys should be greater than 0");
    return;
  }
  if (ctx.keys.empty()) {
    ctx.reply.error("ERR Number of keys can't be greater than number of args");
    return;
  }
  int64_t limit = 0;
  for (size_t i = 2 + ctx.keys.size(); i < ctx.args.size(); i += 2) {
    if (!is_word(ctx.args[i], "limit") || i + 1 == ctx.args.size()) {
      ctx.reply.syntax_error();
      return;
    }
    if (!parse_integer(ctx.args[i + 1], limit) || limit < 0) {
      ctx.reply.error("ERR LIMIT can't be negative");
      return;
    }
  }
  std::vector<const Set*> sets;
  if (!collect_sets(ctx, 0, sets)) return;
  const size_t most = limit == 0 ? SIZE_MAX : static_cast<size_t>(limit);
  ctx.reply.integer(static_cast<int64_t>(intersect(std::move(sets), most).size()));
}

}  // namespace orbit::resp::commands
