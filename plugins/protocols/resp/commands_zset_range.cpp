// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Ranges of sorted sets: by rank, by score, by name; read, counted, stored, removed.
#include <algorithm>
#include <string>
#include <vector>

#include "command_helpers.hpp"
#include "commands.hpp"
#include "zset_range.hpp"

namespace orbit::resp::commands {
namespace {

using By = ZsetRange::By;

// What a command's name says already; the others may come as words.
struct RangeCommand {
  bool any = false;  // BYSCORE, BYLEX and REV may be said
  By by = By::rank;
  bool reverse = false;
  bool store = false;
};

struct RangeOptions {
  By by = By::rank;
  bool reverse = false;
  bool with_scores = false;
  bool limited = false;
  int64_t offset = 0;
  int64_t count = -1;
};

bool range_options(CommandContext& ctx, const RangeCommand& command, size_t first, RangeOptions& options) {
  options.by = command.by;
  options.reverse = command.reverse;
  bool by_said = false;
  for (size_t i = first; i < ctx.args.size(); ++i) {
    const std::string_view word = ctx.args[i];
    if (!command.store && is_word(word, "withscores")) {
      options.with_scores = true;
    } else if (is_word(word, "limit") && i + 2 < ctx.args.size()) {
      if (!integer_arg(ctx, i + 1, options.offset) || !integer_arg(ctx, i + 2, options.count)) return false;
      options.limited = true;
      i += 2;
    } else if (command.any && !options.reverse && is_word(word, "rev")) {
      options.reverse = true;
    } else if (command.any && !by_said && (is_word(word, "bylex") || is_word(word, "byscore"))) {
      options.by = is_word(word, "bylex") ? By::name : By::score;
      by_said = true;
    } else {
      ctx.reply.syntax_error();
      return false;
    }
  }
  // LIMIT 0 -1 is as good as none.
  if (options.limited && options.count != -1 && options.by == By::rank) {
    ctx.reply.error("ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX");
    return false;
  }
  if (options.with_scores && options.by == By::name) {
    ctx.reply.error("ERR syntax error, WITHSCORES not supported in combination with BYLEX");
    return false;
  }
  return true;
}

// Cuts a range by LIMIT, counted in the direction of reading.
RankRange limit(RankRange range, const RangeOptions& options) noexcept {
  if (!options.limited || range.size() == 0) return range;
  if (options.offset < 0 || static_cast<uint64_t>(options.offset) >= range.size()) return {};
  const auto offset = static_cast<size_t>(options.offset);
  size_t count = range.size() - offset;
  if (options.count >= 0) count = std::min(count, static_cast<size_t>(options.count));
  if (options.reverse) return {range.last - offset - count, range.last - offset};
  return {range.first + offset, range.first + offset + count};
}

template <class Visit>
void visit_range(const SortedSet& set, RankRange range, bool reverse, Visit&& visit) {
  size_t left = range.size();
  if (left == 0) return;
  for (SortedSet::Place place = set.at(reverse ? range.last - 1 : range.first); left != 0; --left) {
    visit(place.item());
    reverse ? place.backward() : place.forward();
  }
}

void read_range(CommandContext& ctx, const RangeCommand& command) {
  const size_t min_at = command.store ? 3 : 2;
  RangeOptions options;
  if (!range_options(ctx, command, min_at + 2, options)) return;
  const bool swapped = options.reverse && options.by != By::rank;
  ZsetRange wanted;
  if (!ZsetRange::parse(ctx, options.by, swapped ? min_at + 1 : min_at, swapped ? min_at : min_at + 1, wanted)) return;
  const size_t source = command.store ? 1 : 0;
  if (!check_type(ctx, ValueType::zset, source)) return;
  const SortedSet* set = key_value(ctx, source).zset();
  const RankRange range = set == nullptr ? RankRange{} : limit(wanted.ranks(*set, options.reverse), options);
  if (!command.store) {
    ctx.reply.array(scored_elements(ctx.reply, range.size(), options.with_scores));
    if (set == nullptr) return;
    visit_range(*set, range, options.reverse, [&](const OrderItem& item) {
      write_scored(ctx.reply, set->name(item.id), item.score, options.with_scores);
    });
    return;
  }
  Value& target = key_value(ctx, 0);
  if (range.size() == 0) {
    if (!target.is_none()) mark_changed(ctx, 0);
    target.clear();
    ctx.reply.integer(0);
    return;
  }
  Value result;
  SortedSet& stored = result.edit_zset();
  stored.reserve(range.size());
  visit_range(*set, range, false, [&](const OrderItem& item) { stored.add(set->name(item.id), item.score); });
  target.take(result);
  mark_changed(ctx, 0);
  ctx.reply.integer(static_cast<int64_t>(range.size()));
}

void count_range(CommandContext& ctx, By by) {
  ZsetRange wanted;
  if (!ZsetRange::parse(ctx, by, 2, 3, wanted) || !check_type(ctx, ValueType::zset)) return;
  const SortedSet* set = key_value(ctx).zset();
  ctx.reply.integer(set == nullptr ? 0 : static_cast<int64_t>(wanted.ranks(*set, false).size()));
}

void remove_range(CommandContext& ctx, By by) {
  ZsetRange wanted;
  if (!ZsetRange::parse(ctx, by, 2, 3, wanted) || !check_type(ctx, ValueType::zset)) return;
  Value& value = key_value(ctx);
  if (value.is_none()) {
    ctx.reply.integer(0);
    return;
  }
  SortedSet& set = value.edit_zset();
  const RankRange range = wanted.ranks(set, false);
  for (size_t i = 0; i < range.size(); ++i) set.remove(set.at(range.first).item().id);
  value.drop_if_empty();
  if (range.size() != 0) mark_changed(ctx);
  ctx.reply.integer(static_cast<int64_t>(range.size()));
}

}  // namespace

void zrange(CommandContext& ctx) { read_range(ctx, {.any = true}); }
void zrangestore(CommandContext& ctx) { read_range(ctx, {.any = true, .store = true}); }
void zrevrange(CommandContext& ctx) { read_range(ctx, {.reverse = true}); }
void zrangebyscore(CommandContext& ctx) { read_range(ctx, {.by = By::score}); }
void zrevrangebyscore(CommandContext& ctx) { read_range(ctx, {.by = By::score, .reverse = true}); }
void zrangebylex(CommandContext& ctx) { read_range(ctx, {.by = By::name}); }
void zrevrangebylex(CommandContext& ctx) { read_range(ctx, {.by = By::name, .reverse = true}); }
void zcount(CommandContext& ctx) { count_range(ctx, By::score); }
void zlexcount(CommandContext& ctx) { count_range(ctx, By::name); }
void zremrangebyrank(CommandContext& ctx) { remove_range(ctx, By::rank); }
void zremrangebyscore(CommandContext& ctx) { remove_range(ctx, By::score); }
void zremrangebylex(CommandContext& ctx) { remove_range(ctx, By::name); }

}  // namespace orbit::resp::commands
