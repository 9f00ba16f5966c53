// SPDX-License-Identifier: MIT OR BSD-3-Clause
// SORT without patterns: BY and GET with a pattern name keys that only the values tell, which no command here may open.
#include <algorithm>
#include <string>
#include <vector>

#include "command_helpers.hpp"
#include "commands.hpp"
#include "list.hpp"
#include "set.hpp"
#include "sorted_set.hpp"

namespace orbit::resp::commands {
namespace {

struct SortOptions {
  bool descending = false;
  bool by_bytes = false;
  bool unsorted = false;
  bool limited = false;
  int64_t offset = 0;
  int64_t count = -1;
  std::vector<bool> gets;  // for each GET: whether it is #, the element itself; else it finds nothing
  bool store = false;
};

struct Element {
  std::string_view bytes;
  double number;
};

bool sort_options(CommandContext& ctx, bool may_store, SortOptions& options) {
  constexpr std::string_view kNoPatterns =
      "ERR BY and GET with patterns are not supported: they name keys that SORT is not given";
  for (size_t i = 2; i < ctx.args.size(); ++i) {
    const std::string_view word = ctx.args[i];
    const size_t left = ctx.args.size() - i - 1;
    if (is_word(word, "asc") || is_word(word, "desc")) {
      options.descending = is_word(word, "desc");
    } else if (is_word(word, "alpha")) {
      options.by_bytes = true;
    } else if (is_word(word, "limit") && left >= 2) {
      if (!integer_arg(ctx, i + 1, options.offset) || !integer_arg(ctx, i + 2, options.count)) return false;
      options.limited = true;
      i += 2;
    } else if (may_store && is_word(word, "store") && left >= 1) {
      options.store = true;
      ++i;
    } else if (is_word(word, "by") && left >= 1) {
      if (ctx.args[++i].find('*') != std::string_view::npos) {
        ctx.reply.error(kNoPatterns);
        return false;
      }
      options.unsorted = true;
    } else if (is_word(word, "get") && left >= 1) {
      if (ctx.args[++i].find('*') != std::string_view::npos) {
        ctx.reply.error(kNoPatterns);
        return false;
      }
      options.gets.push_back(ctx.args[i] == "#");
    } else {
      ctx.reply.syntax_error();
      return false;
    }
  }
  return true;
}

bool collect_elements(CommandContext& ctx, std::vector<Element>& elements) {
  const Value& value = key_value(ctx);
  switch (value.type()) {
    case ValueType::none:
      return true;
    case ValueType::list:
      for (List::Place place = value.list()->begin(); value.list()->valid(place); place = value.list()->next(place)) {
        elements.push_back({value.list()->at(place), 0});
      }
      return true;
    case ValueType::set:
      for (const Set::Member& member : value.set()->members()) elements.push_back({member.name.view(), 0});
      return true;
    case ValueType::zset:
      for (SortedSet::Place place = value.zset()->at(0); place.valid(); place.forward()) {
        elements.push_back({value.zset()->name(place.item().id), 0});
      }
      return true;
    default:
      ctx.reply.wrong_type();
      return false;
  }
}

// As strtod, which Redis uses here: an empty string is 0, and blanks may lead.
bool parse_sort_number(std::string_view text, double& number) {
  if (text.empty()) return true;
  const size_t start = text.find_first_not_of(" \t\n\v\f\r");
  return start != std::string_view::npos && parse_double(text.substr(start), number);
}

bool sort_elements(CommandContext& ctx, const SortOptions& options, std::vector<Element>& elements) {
  if (!options.by_bytes) {
    for (Element& element : elements) {
      if (parse_sort_number(element.bytes, element.number)) continue;
      ctx.reply.error("ERR One or more scores can't be converted into double");
      return false;
    }
  }
  std::sort(elements.begin(), elements.end(), [&](const Element& a, const Element& b) {
    const Element& low = options.descending ? b : a;
    const Element& high = options.descending ? a : b;
    if (!options.by_bytes && low.number != high.number) return low.number < high.number;
    return low.bytes < high.bytes;
  });
  return true;
}

void sort_key(CommandContext& ctx, bool may_store) {
  SortOptions options;
  if (!sort_options(ctx, may_store, options)) return;
  std::vector<Element> elements;
  if (!collect_elements(ctx, elements)) return;
  // A set has no order of its own that a stored list could repeat.
  if (options.unsorted && options.store && key_value(ctx).type() == ValueType::set) {
    options.unsorted = false;
    options.by_bytes = true;
  }
  if (options.unsorted) {
    if (options.descending && key_value(ctx).type() != ValueType::set) std::reverse(elements.begin(), elements.end());
  } else if (!sort_elements(ctx, options, elements)) {
    return;
  }
  size_t first = 0;
  size_t last = elements.size();
  if (options.limited) {
    first = static_cast<size_t>(std::clamp<int64_t>(options.offset, 0, static_cast<int64_t>(last)));
    if (options.count >= 0) last = first + std::min(static_cast<size_t>(options.count), last - first);
  }
  if (options.gets.empty()) options.gets.push_back(true);
  const size_t copies = options.gets.size();
  const size_t size = (last - first) * copies;
  if (!options.store) {
    ctx.reply.array(size);
    for (size_t i = 0; i < size; ++i) {
      options.gets[i % copies] ? ctx.reply.bulk(elements[first + i / copies].bytes) : ctx.reply.null();
    }
    return;
  }
  const size_t target_key = ctx.keys.size() - 1;
  Value& target = key_value(ctx, target_key);
  Value result;
  if (size != 0) {
    List& list = result.edit_list();
    for (size_t i = 0; i < size; ++i) {
      list.push_back(options.gets[i % copies] ? elements[first + i / copies].bytes : std::string_view());
    }
  }
  if (size != 0 || !target.is_none()) mark_changed(ctx, target_key);
  target.take(result);
  ctx.reply.integer(static_cast<int64_t>(size));
}

}  // namespace

void sort(CommandContext& ctx) { sort_key(ctx, true); }
void sort_ro(CommandContext& ctx) { sort_key(ctx, false); }

}  // namespace orbit::resp::commands
