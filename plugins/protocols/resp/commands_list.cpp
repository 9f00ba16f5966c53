// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Lists.
#include <algorithm>
#include <string>
#include <vector>

#include "command_helpers.hpp"
#include "commands.hpp"
#include "list.hpp"

namespace orbit::resp::commands {
namespace {

size_t size_of(const List* list) noexcept { return list == nullptr ? 0 : list->size(); }

void push(CommandContext& ctx, bool front, bool only_existing) {
  if (!check_type(ctx, ValueType::list)) return;
  Value& value = key_value(ctx);
  if (only_existing && value.is_none()) {
    ctx.reply.integer(0);
    return;
  }
  List& list = value.edit_list();
  for (const std::string_view element : ctx.args.subspan(2)) {
    front ? list.push_front(element) : list.push_back(element);
  }
  mark_changed(ctx);
  ctx.reply.integer(static_cast<int64_t>(list.size()));
}

void pop_one(Reply& reply, List& list, bool front) {
  reply.bulk(front ? list.front() : list.back());
  front ? list.pop_front() : list.pop_back();
}

// The list is there. Replies with an array.
void pop_many(CommandContext& ctx, size_t key, size_t count, bool front) {
  Value& value = key_value(ctx, key);
  List& list = value.edit_list();
  count = std::min(count, list.size());
  ctx.reply.array(count);
  for (size_t i = 0; i < count; ++i) pop_one(ctx.reply, list, front);
  value.drop_if_empty();
  if (count != 0) mark_changed(ctx, key);
}

void pop(CommandContext& ctx, bool front) {
  int64_t count = 0;
  if (ctx.args.size() > 3) {
    ctx.reply.error(front ? "ERR wrong number of arguments for 'lpop' command"
                          : "ERR wrong number of arguments for 'rpop' command");
    return;
  }
  const bool counted = ctx.args.size() == 3;
  if (counted && !positive_arg(ctx, 2, count)) return;
  if (!check_type(ctx, ValueType::list)) return;
  Value& value = key_value(ctx);
  if (value.is_none()) {
    counted ? ctx.reply.null_array() : ctx.reply.null();
    return;
  }
  if (counted) {
    pop_many(ctx, 0, static_cast<size_t>(count), front);
    return;
  }
  pop_one(ctx.reply, value.edit_list(), front);
  value.drop_if_empty();
  mark_changed(ctx);
}

bool side_arg(CommandContext& ctx, size_t index, bool& front) {
  front = is_word(ctx.args[index], "left");
  if (front || is_word(ctx.args[index], "right")) return true;
  ctx.reply.syntax_error();
  return false;
}

void move_element(CommandContext& ctx, bool from_front, bool to_front) {
  if (!check_type(ctx, ValueType::list, 0)) return;
  Value& from = key_value(ctx, 0);
  Value& to = key_value(ctx, 1);
  if (from.is_none()) {
    ctx.reply.null();
    return;
  }
  if (!check_type(ctx, ValueType::list, 1)) return;
  List& source = from.edit_list();
  // The push may move the source's memory.
  const std::string element(from_front ? source.front() : source.back());
  ctx.reply.bulk(element);
  from_front ? source.pop_front() : source.pop_back();
  List& target = to.edit_list();
  to_front ? target.push_front(element) : target.push_back(element);
  from.drop_if_empty();
  mark_changed(ctx, 0);
  mark_changed(ctx, 1);
}

// BLPOP and BRPOP: the keys are followed by a timeout.
void pop_first(CommandContext& ctx, bool front) {
  if (!timeout_arg(ctx, ctx.args.size() - 1)) return;
  for (size_t key = 0; key < ctx.keys.size(); ++key) {
    if (!check_type(ctx, ValueType::list, key)) return;
    Value& value = key_value(ctx, key);
    if (value.is_none()) continue;
    ctx.reply.array(2);
    ctx.reply.bulk(ctx.keys[key].name);
    pop_one(ctx.reply, value.edit_list(), front);
    value.drop_if_empty();
    mark_changed(ctx, key);
    return;
  }
  ctx.reply.null_array();
}

bool find_index(const List& list, int64_t index, size_t& at) noexcept {
  if (index < 0) index += static_cast<int64_t>(list.size());
  at = static_cast<size_t>(index);
  return index >= 0 && at < list.size();
}

struct PositionOptions {
  int64_t rank = 1;
  int64_t count = -1;  // not given
  int64_t compared_max = 0;
};

bool position_options(CommandContext& ctx, PositionOptions& options) {
  for (size_t i = 3; i < ctx.args.size(); i += 2) {
    const bool more = i + 1 < ctx.args.size();
    if (more && is_word(ctx.args[i], "rank")) {
      if (!signed_arg(ctx, i + 1, options.rank)) return false;
      if (options.rank != 0) continue;
      ctx.reply.error(
          "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start "
          "from "
          "the end of the list");
      return false;
    }
    const bool counted = more && is_word(ctx.args[i], "count");
    if (!counted && !(more && is_word(ctx.args[i], "maxlen"))) {
      ctx.reply.syntax_error();
      return false;
    }
    int64_t& number = counted ? options.count : options.compared_max;
    if (parse_integer(ctx.args[i + 1], number) && number >= 0) continue;
    ctx.reply.error(counted ? "ERR COUNT can't be negative" : "ERR MAXLEN can't be negative");
    return false;
  }
  return true;
}

std::vector<size_t> find_positions(const List& list, std::string_view element, const PositionOptions& options) {
  std::vector<size_t> found;
  const bool back = options.rank < 0;
  auto skip = static_cast<uint64_t>(back ? -options.rank : options.rank) - 1;
  const size_t wanted = options.count < 0 ? 1 : options.count == 0 ? SIZE_MAX : static_cast<size_t>(options.count);
  size_t compared = 0;
  for (List::Place place = list.place(back ? list.size() - 1 : 0); list.valid(place);
       place = back ? list.previous(place) : list.next(place)) {
    if (options.compared_max != 0 && compared >= static_cast<uint64_t>(options.compared_max)) break;
    const size_t index = back ? list.size() - 1 - compared : compared;
    ++compared;
    if (list.at(place) != element) continue;
    if (skip != 0) {
      --skip;
      continue;
    }
    found.push_back(index);
    if (found.size() == wanted) break;
  }
  return found;
}

}  // namespace

void lpush(CommandContext& ctx) { push(ctx, true, false); }
void rpush(CommandContext& ctx) { push(ctx, false, false); }
void lpushx(CommandContext& ctx) { push(ctx, true, true); }
void rpushx(CommandContext& ctx) { push(ctx, false, true); }
void lpop(CommandContext& ctx) { pop(ctx, true); }
void rpop(CommandContext& ctx) { pop(ctx, false); }

void llen(CommandContext& ctx) {
  if (!check_type(ctx, ValueType::list)) return;
  ctx.reply.integer(static_cast<int64_t>(size_of(key_value(ctx).list())));
}

void lrange(CommandContext& ctx) {
  int64_t start;
  int64_t stop;
  if (!integer_arg(ctx, 2, start) || !integer_arg(ctx, 3, stop) || !check_type(ctx, ValueType::list)) return;
  const List* list = key_value(ctx).list();
  size_t first;
  size_t count;
  clamp_range(start, stop, size_of(list), first, count);
  ctx.reply.array(count);
  if (count == 0) return;
  List::Place place = list->place(first);
  for (; count != 0; --count, place = list->next(place)) ctx.reply.bulk(list->at(place));
}

void lindex(CommandContext& ctx) {
  int64_t index;
  if (!check_type(ctx, ValueType::list)) return;
  const List* list = key_value(ctx).list();
  if (list == nullptr) {
    ctx.reply.null();
    return;
  }
  size_t at;
  if (!integer_arg(ctx, 2, index)) return;
  find_index(*list, index, at) ? ctx.reply.bulk(list->at(list->place(at))) : ctx.reply.null();
}

void lset(CommandContext& ctx) {
  Value& value = key_value(ctx);
  if (value.is_none()) {
    ctx.reply.error("ERR no such key");
    return;
  }
  int64_t index;
  size_t at;
  if (!check_type(ctx, ValueType::list) || !integer_arg(ctx, 2, index)) return;
  List& list = value.edit_list();
  if (!find_index(list, index, at)) {
    ctx.reply.error("ERR index out of range");
    return;
  }
  list.replace(list.place(at), ctx.args[3]);
  mark_changed(ctx);
  ctx.reply.ok();
}

void linsert(CommandContext& ctx) {
  const bool behind = is_word(ctx.args[2], "after");
  if (!behind && !is_word(ctx.args[2], "before")) {
    ctx.reply.syntax_error();
    return;
  }
  if (!check_type(ctx, ValueType::list)) return;
  Value& value = key_value(ctx);
  if (value.is_none()) {
    ctx.reply.integer(0);
    return;
  }
  List& list = value.edit_list();
  for (List::Place place = list.begin(); list.valid(place); place = list.next(place)) {
    if (list.at(place) != ctx.args[3]) continue;
    list.insert(behind ? list.next(place) : place, ctx.args[4]);
    mark_changed(ctx);
    ctx.reply.integer(static_cast<int64_t>(list.size()));
    return;
  }
  ctx.reply.integer(-1);
}

void lrem(CommandContext& ctx) {
  int64_t count;
  if (!signed_arg(ctx, 2, count) || !check_type(ctx, ValueType::list)) return;
  Value& value = key_value(ctx);
  size_t removed = 0;
  if (!value.is_none()) {
    const size_t limit = count == 0 ? SIZE_MAX : static_cast<size_t>(count < 0 ? -count : count);
    removed = value.edit_list().remove(ctx.args[3], limit, count < 0);
    value.drop_if_empty();
  }
  if (removed != 0) mark_changed(ctx);
  ctx.reply.integer(static_cast<int64_t>(removed));
}

void ltrim(CommandContext& ctx) {
  int64_t start;
  int64_t stop;
  if (!integer_arg(ctx, 2, start) || !integer_arg(ctx, 3, stop) || !check_type(ctx, ValueType::list)) return;
  Value& value = key_value(ctx);
  if (!value.is_none()) {
    List& list = value.edit_list();
    size_t first;
    size_t count;
    clamp_range(start, stop, list.size(), first, count);
    if (count != list.size()) {
      list.trim(first, count);
      value.drop_if_empty();
      mark_changed(ctx);
    }
  }
  ctx.reply.ok();
}

void lpos(CommandContext& ctx) {
  PositionOptions options;
  if (!position_options(ctx, options) || !check_type(ctx, ValueType::list)) return;
  const List* list = key_value(ctx).list();
  std::vector<size_t> found;
  if (list != nullptr) found = find_positions(*list, ctx.args[2], options);
  if (options.count < 0) {
    found.empty() ? ctx.reply.null() : ctx.reply.integer(static_cast<int64_t>(found[0]));
    return;
  }
  ctx.reply.array(found.size());
  for (const size_t index : found) ctx.reply.integer(static_cast<int64_t>(index));
}

void lmove(CommandContext& ctx) {
  bool from_front;
  bool to_front;
  if (side_arg(ctx, 3, from_front) && side_arg(ctx, 4, to_front)) move_element(ctx, from_front, to_front);
}

void rpoplpush(CommandContext& ctx) { move_element(ctx, false, true); }

void lmpop(CommandContext& ctx) {
  int64_t key_count;
  if (!parse_integer(ctx.args[1], key_count) || key_count < 1) {
    ctx.reply.error("ERR numkeys should be greater than 0");
    return;
  }
  const size_t side_at = ctx.keys.size() + 2;
  if (ctx.keys.empty() || ctx.args.size() <= side_at) {
    ctx.reply.syntax_error();
    return;
  }
  bool front;
  int64_t count = 1;
  if (!side_arg(ctx, side_at, front)) return;
  if (ctx.args.size() != side_at + 1) {
    if (ctx.args.size() != side_at + 3 || !is_word(ctx.args[side_at + 1], "count")) {
      ctx.reply.syntax_error();
      return;
    }
    if (!parse_integer(ctx.args[side_at + 2], count) || count < 1) {
      ctx.reply.error("ERR count should be greater than 0");
      return;
    }
  }
  for (size_t key = 0; key < ctx.keys.size(); ++key) {
    if (!check_type(ctx, ValueType::list, key)) return;
    if (key_value(ctx, key).is_none()) continue;
    ctx.reply.array(2);
    ctx.reply.bulk(ctx.keys[key].name);
    pop_many(ctx, key, static_cast<size_t>(count), front);
    return;
  }
  ctx.reply.null_array();
}

// The forms that wait, as they run at one moment: a null says that there was nothing to take.

void blpop(CommandContext& ctx) { pop_first(ctx, true); }
void brpop(CommandContext& ctx) { pop_first(ctx, false); }

void blmove(CommandContext& ctx) {
  bool from_front;
  bool to_front;
  if (!side_arg(ctx, 3, from_front) || !side_arg(ctx, 4, to_front) || !timeout_arg(ctx, 5)) return;
  move_element(ctx, from_front, to_front);
}

void brpoplpush(CommandContext& ctx) {
  if (timeout_arg(ctx, 3)) move_element(ctx, false, true);
}

void blmpop(CommandContext& ctx) {
  if (!timeout_arg(ctx, 1)) return;
  CommandContext inner{ctx.args.subspan(1), ctx.keys, ctx.reply, ctx.now_ms, ctx.random};
  lmpop(inner);
}

}  // namespace orbit::resp::commands
