// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Sorted sets, by member; commands_zset_range.cpp has the ranges, commands_zset_algebra.cpp combines several.
#include <cmath>
#include <string>
#include <vector>

#include "command_helpers.hpp"
#include "commands.hpp"
#include "glob.hpp"
#include "zset_range.hpp"

namespace orbit::resp::commands {
namespace {

struct AddOptions {
  bool only_new = false;
  bool only_existing = false;
  bool only_greater = false;
  bool only_less = false;
  bool count_changed = false;
  bool increment = false;
};

// Returns the argument where scores begin.
size_t read_add_options(std::span<const std::string_view> args, AddOptions& options) noexcept {
  size_t i = 2;
  for (; i < args.size(); ++i) {
    const std::string_view word = args[i];
    if (is_word(word, "nx")) {
      options.only_new = true;
    } else if (is_word(word, "xx")) {
      options.only_existing = true;
    } else if (is_word(word, "gt")) {
      options.only_greater = true;
    } else if (is_word(word, "lt")) {
      options.only_less = true;
    } else if (is_word(word, "ch")) {
      options.count_changed = true;
    } else if (is_word(word, "incr")) {
      options.increment = true;
    } else {
      break;
    }
  }
  return i;
}

bool check_add_options(CommandContext& ctx, const AddOptions& options, size_t first) {
  const size_t left = ctx.args.size() - first;
  if (left == 0 || left % 2 != 0) {
    ctx.reply.syntax_error();
  } else if (options.only_new && options.only_existing) {
    ctx.reply.error("ERR XX and NX options at the same time are not compatible");
  } else if ((options.only_greater && options.only_new) || (options.only_less && options.only_new) ||
             (options.only_greater && options.only_less)) {
    ctx.reply.error("ERR GT, LT, and/or NX options at the same time are not compatible");
  } else if (options.increment && left > 2) {
    ctx.reply.error("ERR INCR option supports a single increment-element pair");
  } else {
    return true;
  }
  return false;
}

enum class Added { refused, not_a_number, inserted, updated, same };

Added add_member(SortedSet& set, std::string_view member, double score, const AddOptions& options, double& result) {
  const uint32_t id = set.find(member);
  if (id == SortedSet::kNone) {
    if (options.only_existing) return Added::refused;
    set.add(member, score);
    result = score;
    return Added::inserted;
  }
  if (options.only_new) return Added::refused;
  const double old = set.score(id);
  if (options.increment) score += old;
  if (std::isnan(score)) return Added::not_a_number;
  if ((options.only_greater && score <= old) || (options.only_less && score >= old)) return Added::refused;
  result = score;
  if (score == old) return Added::same;
  set.set_score(id, score);
  return Added::updated;
}

void add_members(CommandContext& ctx, const AddOptions& options, size_t first) {
  // Scores are checked before anything changes; most calls have few.
  constexpr size_t kFewScores = 16;
  double few[kFewScores];
  std::vector<double> many;
  const size_t count = (ctx.args.size() - first) / 2;
  double* scores = few;
  if (count > kFewScores) {
    many.resize(count);
    scores = many.data();
  }
  for (size_t i = 0; i < count; ++i) {
    if (!double_arg(ctx, first + 2 * i, scores[i])) return;
    // No negative zero, as in Redis's listpacks.
    scores[i] += 0.0;
  }
  if (!check_type(ctx, ValueType::zset)) return;
  Value& value = key_value(ctx);
  if (value.is_none() && options.only_existing) {
    options.increment ? ctx.reply.null() : ctx.reply.integer(0);
    return;
  }
  SortedSet& set = value.edit_zset();
  int64_t inserted = 0;
  int64_t updated = 0;
  double result = 0;
  Added last = Added::refused;
  for (size_t i = 0; i < count; ++i) {
    last = add_member(set, ctx.args[first + 2 * i + 1], scores[i], options, result);
    inserted += last == Added::inserted ? 1 : 0;
    updated += last == Added::updated ? 1 : 0;
  }
  if (inserted + updated != 0) mark_changed(ctx);
  if (last == Added::not_a_number) {
    ctx.reply.error("ERR resulting score is not a number (NaN)");
  } else if (options.increment) {
    last == Added::refused ? ctx.reply.null() : ctx.reply.number(result);
  } else {
    ctx.reply.integer(options.count_changed ? inserted + updated : inserted);
  }
}

// The member's number; kNone when the key or the member is missing.
uint32_t find_member(CommandContext& ctx, std::string_view member) {
  const SortedSet* set = key_value(ctx).zset();
  return set == nullptr ? SortedSet::kNone : set->find(member);
}

void tell_rank(CommandContext& ctx, bool reverse) {
  if (!check_type(ctx, ValueType::zset)) return;
  const uint32_t id = find_member(ctx, ctx.args[2]);
  if (id == SortedSet::kNone) {
    ctx.reply.null();
    return;
  }
  const SortedSet& set = *key_value(ctx).zset();
  const size_t rank = set.rank(id);
  ctx.reply.integer(static_cast<int64_t>(reverse ? set.size() - 1 - rank : rank));
}

// The set is there. The array's header is the caller's.
void pop_members(CommandContext& ctx, size_t key, size_t count, bool highest, bool nested) {
  Value& value = key_value(ctx, key);
  SortedSet& set = value.edit_zset();
  for (size_t i = 0; i < count; ++i) {
    const uint32_t id = set.at(highest ? set.size() - 1 : 0).item().id;
    if (nested) ctx.reply.array(2);
    ctx.reply.bulk(set.name(id));
    ctx.reply.number(set.score(id));
    set.remove(id);
  }
  value.drop_if_empty();
  if (count != 0) mark_changed(ctx, key);
}

void pop_scored(CommandContext& ctx, bool highest) {
  int64_t wanted = 1;
  if (ctx.args.size() > 3) {
    ctx.reply.syntax_error();
    return;
  }
  const bool counted = ctx.args.size() == 3;
  if (counted && !positive_arg(ctx, 2, wanted)) return;
  if (!check_type(ctx, ValueType::zset)) return;
  const SortedSet* set = key_value(ctx).zset();
  const size_t count = set == nullptr ? 0 : std::min(static_cast<size_t>(wanted), set->size());
  const bool nested = counted && ctx.reply.protocol() >= 3;
  ctx.reply.array(nested ? count : count * 2);
  if (count != 0) pop_members(ctx, 0, count, highest, nested);
}

// BZPOPMIN and BZPOPMAX at one moment: a null says that there was nothing to take.
void pop_first_scored(CommandContext& ctx, bool highest) {
  if (!timeout_arg(ctx, ctx.args.size() - 1)) return;
  for (size_t key = 0; key < ctx.keys.size(); ++key) {
    if (!check_type(ctx, ValueType::zset, key)) return;
    if (key_value(ctx, key).is_none()) continue;
    ctx.reply.array(3);
    ctx.reply.bulk(ctx.keys[key].name);
    pop_members(ctx, key, 1, highest, false);
    return;
  }
  ctx.reply.null_array();
}

// Scores are text here, also under RESP3; those of a listpack with all digits if whole.
void write_scanned_score(Reply& reply, double score, bool compact) {
  constexpr double kWholeMax = 4.6e18;
  if (compact && score > -kWholeMax && score < kWholeMax && score == std::trunc(score)) {
    reply.bulk_integer(static_cast<int64_t>(score));
    return;
  }
  char text[kDoubleCharsMax];
  reply.bulk({text, format_double(text, score)});
}

}  // namespace

void zadd(CommandContext& ctx) {
  AddOptions options;
  const size_t first = read_add_options(ctx.args, options);
  if (check_add_options(ctx, options, first)) add_members(ctx, options, first);
}

void zincrby(CommandContext& ctx) {
  AddOptions options;
  options.increment = true;
  add_members(ctx, options, 2);
}

void zrem(CommandContext& ctx) {
  if (!check_type(ctx, ValueType::zset)) return;
  Value& value = key_value(ctx);
  int64_t removed = 0;
  if (!value.is_none()) {
    SortedSet& set = value.edit_zset();
    for (const std::string_view member : ctx.args.subspan(2)) {
      const uint32_t id = set.find(member);
      if (id == SortedSet::kNone) continue;
      set.remove(id);
      ++removed;
    }
    value.drop_if_empty();
  }
  if (removed != 0) mark_changed(ctx);
  ctx.reply.integer(removed);
}

void zscore(CommandContext& ctx) {
  if (!check_type(ctx, ValueType::zset)) return;
  const uint32_t id = find_member(ctx, ctx.args[2]);
  id == SortedSet::kNone ? ctx.reply.null() : ctx.reply.number(key_value(ctx).zset()->score(id));
}

void zmscore(CommandContext& ctx) {
  if (!check_type(ctx, ValueType::zset)) return;
  ctx.reply.array(ctx.args.size() - 2);
  for (const std::string_view member : ctx.args.subspan(2)) {
    const uint32_t id = find_member(ctx, member);
    id == SortedSet::kNone ? ctx.reply.null() : ctx.reply.number(key_value(ctx).zset()->score(id));
  }
}

void zcard(CommandContext& ctx) {
  if (!check_type(ctx, ValueType::zset)) return;
  const SortedSet* set = key_value(ctx).zset();
  ctx.reply.integer(set == nullptr ? 0 : static_cast<int64_t>(set->size()));
}

void zrank(CommandContext& ctx) { tell_rank(ctx, false); }
void zrevrank(CommandContext& ctx) { tell_rank(ctx, true); }
void zpopmin(CommandContext& ctx) { pop_scored(ctx, false); }
void zpopmax(CommandContext& ctx) { pop_scored(ctx, true); }

void zmpop(CommandContext& ctx) {
  int64_t key_count;
  if (!parse_integer(ctx.args[1], key_count) || key_count < 1) {
    ctx.reply.error("ERR numkeys should be greater than 0");
    return;
  }
  const size_t side_at = ctx.keys.size() + 2;
  const bool side = !ctx.keys.empty() && ctx.args.size() > side_at;
  const bool highest = side && is_word(ctx.args[side_at], "max");
  if (!side || (!highest && !is_word(ctx.args[side_at], "min"))) {
    ctx.reply.syntax_error();
    return;
  }
  int64_t wanted = 1;
  if (ctx.args.size() != side_at + 1) {
    if (ctx.args.size() != side_at + 3 || !is_word(ctx.args[side_at + 1], "count")) {
      ctx.reply.syntax_error();
      return;
    }
    if (!parse_integer(ctx.args[side_at + 2], wanted) || wanted < 1) {
      ctx.reply.error("ERR count should be greater than 0");
      return;
    }
  }
  for (size_t key = 0; key < ctx.keys.size(); ++key) {
    if (!check_type(ctx, ValueType::zset, key)) return;
    const SortedSet* set = key_value(ctx, key).zset();
    if (set == nullptr) continue;
    const size_t count = std::min(static_cast<size_t>(wanted), set->size());
    ctx.reply.array(2);
    ctx.reply.bulk(ctx.keys[key].name);
    ctx.reply.array(count);
    pop_members(ctx, key, count, highest, true);
    return;
  }
  ctx.reply.null_array();
}

void bzpopmin(CommandContext& ctx) { pop_first_scored(ctx, false); }
void bzpopmax(CommandContext& ctx) { pop_first_scored(ctx, true); }

void bzmpop(CommandContext& ctx) {
  if (!timeout_arg(ctx, 1)) return;
  CommandContext inner{ctx.args.subspan(1), ctx.keys, ctx.reply, ctx.now_ms, ctx.random};
  zmpop(inner);
}

void zrandmember(CommandContext& ctx) {
  RandomOptions options;
  if (!random_options(ctx, "withscores", options) || !check_type(ctx, ValueType::zset)) return;
  const SortedSet* set = key_value(ctx).zset();
  Random random(ctx.random);
  const auto write_at = [&](size_t rank) {
    const OrderItem& item = set->at(rank).item();
    write_scored(ctx.reply, set->name(item.id), item.score, options.with_values);
  };
  if (!options.counted) {
    set == nullptr ? ctx.reply.null() : write_at(random.below(set->size()));
    return;
  }
  if (set == nullptr || options.count == 0) {
    ctx.reply.array(0);
    return;
  }
  if (options.count < 0) {
    const auto count = static_cast<size_t>(-options.count);
    ctx.reply.array(scored_elements(ctx.reply, count, options.with_values));
    for (size_t i = 0; i < count; ++i) write_at(random.below(set->size()));
    return;
  }
  const size_t count = std::min(static_cast<size_t>(options.count), set->size());
  ctx.reply.array(scored_elements(ctx.reply, count, options.with_values));
  for (const size_t rank : pick_different(random, count, set->size())) write_at(rank);
}

void zscan(CommandContext& ctx) {
  ScanOptions options;
  if (!scan_options(ctx, ValueType::zset, options)) return;
  const SortedSet* set = key_value(ctx).zset();
  std::vector<uint32_t> found;
  const bool all = glob_is_all(options.pattern);
  const uint64_t cursor = set->scan(options.cursor, options.count, [&](uint32_t id) {
    if (all || glob_match(options.pattern, set->name(id))) found.push_back(id);
  });
  scan_reply(ctx.reply, cursor, found.size() * 2);
  for (const uint32_t id : found) {
    ctx.reply.bulk(set->name(id));
    write_scanned_score(ctx.reply, set->score(id), set->compact());
  }
}

}  // namespace orbit::resp::commands
