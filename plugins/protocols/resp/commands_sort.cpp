// SPDX-License-Identifier: MIT OR BSD-3-Clause
// SORT. Patterns of BY and GET name keys that only the elements tell: the wire finds those first (sort.hpp).
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "command_helpers.hpp"
#include "commands.hpp"
#include "hash.hpp"
#include "list.hpp"
#include "set.hpp"
#include "sort.hpp"
#include "sorted_set.hpp"

namespace orbit::resp {
namespace {

struct SortOptions {
  bool descending = false;
  bool by_bytes = false;
  bool unsorted = false;
  bool limited = false;
  int64_t offset = 0;
  int64_t count = -1;
  std::string_view by;                 // with a star; empty: the elements themselves
  std::vector<std::string_view> gets;  // patterns, or "#"
  bool store = false;
};

struct Element {
  std::string_view bytes;
  double number = 0;
  std::optional<std::string_view> weight;  // what BY found
};

// "prefix*suffix->field": the star stands for the element.
struct Pattern {
  std::string_view prefix;
  std::string_view suffix;
  std::string_view field;  // empty: the key holds a string

  // False: without a star it names no key.
  bool parse(std::string_view text) {
    const size_t star = text.find('*');
    if (star == std::string_view::npos) return false;
    prefix = text.substr(0, star);
    suffix = text.substr(star + 1);
    const size_t arrow = suffix.find("->");
    if (arrow == std::string_view::npos || arrow + 2 == suffix.size()) return true;
    field = suffix.substr(arrow + 2);
    suffix = suffix.substr(0, arrow);
    return true;
  }
  std::string key(std::string_view element) const {
    std::string out(prefix);
    out += element;
    out += suffix;
    return out;
  }
};

// Null, or the error's text. What is read before an error counts for nothing.
const char* read_options(std::span<const std::string_view> args, bool may_store, SortOptions& options) {
  for (size_t i = 2; i < args.size(); ++i) {
    const std::string_view word = args[i];
    const size_t left = args.size() - i - 1;
    if (is_word(word, "asc") || is_word(word, "desc")) {
      options.descending = is_word(word, "desc");
    } else if (is_word(word, "alpha")) {
      options.by_bytes = true;
    } else if (is_word(word, "limit") && left >= 2) {
      if (!parse_integer(args[i + 1], options.offset) || !parse_integer(args[i + 2], options.count)) {
        return "ERR value is not an integer or out of range";
      }
      options.limited = true;
      i += 2;
    } else if (may_store && is_word(word, "store") && left >= 1) {
      options.store = true;
      ++i;
    } else if (is_word(word, "by") && left >= 1) {
      options.by = args[++i];
      if (options.by.find('*') == std::string_view::npos) options.unsorted = true;
    } else if (is_word(word, "get") && left >= 1) {
      options.gets.push_back(args[++i]);
    } else {
      return "ERR syntax error";
    }
  }
  if (options.unsorted) options.by = {};
  return nullptr;
}

// False: the value has no elements to sort.
bool collect_elements(const Value& value, std::vector<Element>& elements) {
  switch (value.type()) {
    case ValueType::none:
      return true;
    case ValueType::list:
      for (List::Place place = value.list()->begin(); value.list()->valid(place); place = value.list()->next(place)) {
        elements.push_back({value.list()->at(place), 0, {}});
      }
      return true;
    case ValueType::set:
      for (const Set::Member& member : value.set()->members()) elements.push_back({member.name.view(), 0, {}});
      return true;
    case ValueType::zset:
      for (SortedSet::Place place = value.zset()->at(0); place.valid(); place.forward()) {
        elements.push_back({value.zset()->name(place.item().id), 0, {}});
      }
      return true;
    default:
      return false;
  }
}

std::optional<std::string_view> look_up(std::string_view text, std::string_view element, const SortLookup& lookup) {
  if (text == "#") return element;
  Pattern pattern;
  if (!pattern.parse(text)) return {};
  const Value* value = lookup(pattern.key(element));
  if (value == nullptr || value->is_none()) return {};
  if (pattern.field.empty()) {
    if (value->type() != ValueType::string) return {};
    return value->string().view();
  }
  const SmallString* found = value->type() == ValueType::hash ? value->hash()->find(pattern.field) : nullptr;
  if (found == nullptr) return {};
  return found->view();
}

// As strtod, which Redis uses here: an empty string is 0, and blanks may lead.
bool parse_sort_number(std::string_view text, double& number) {
  if (text.empty()) return true;
  const size_t start = text.find_first_not_of(" \t\n\v\f\r");
  return start != std::string_view::npos && parse_double(text.substr(start), number);
}

// Elements that BY finds nothing for come first.
int compare_bytes(const Element& a, const Element& b, bool by) {
  if (!by) return a.bytes.compare(b.bytes);
  if (!a.weight || !b.weight) return static_cast<int>(a.weight.has_value()) - static_cast<int>(b.weight.has_value());
  return a.weight->compare(*b.weight);
}

bool sort_elements(CommandContext& ctx, const SortOptions& options, const SortLookup& lookup,
                   std::vector<Element>& elements) {
  const bool by = !options.by.empty();
  for (Element& element : elements) {
    if (by) element.weight = look_up(options.by, element.bytes, lookup);
    if (options.by_bytes || (by && !element.weight)) continue;
    if (parse_sort_number(by ? *element.weight : element.bytes, element.number)) continue;
    ctx.reply.error("ERR One or more scores can't be converted into double");
    return false;
  }
  std::sort(elements.begin(), elements.end(), [&](const Element& a, const Element& b) {
    const Element& low = options.descending ? b : a;
    const Element& high = options.descending ? a : b;
    if (options.by_bytes) {
      const int order = compare_bytes(low, high, by);
      return order != 0 ? order < 0 : low.bytes < high.bytes;
    }
    return low.number != high.number ? low.number < high.number : low.bytes < high.bytes;
  });
  return true;
}

}  // namespace

bool sort_names_keys(std::span<const std::string_view> args) {
  for (size_t i = 2; i + 1 < args.size(); ++i) {
    if (is_word(args[i], "limit")) {
      i += 2;
    } else if (is_word(args[i], "store")) {
      ++i;
    } else if ((is_word(args[i], "by") || is_word(args[i], "get")) && args[++i].find('*') != std::string_view::npos) {
      return true;
    }
  }
  return false;
}

std::vector<std::string> sort_named_keys(std::span<const std::string_view> args, const Value& sorted) {
  SortOptions options;
  std::vector<Element> elements;
  std::vector<std::string> out;
  if (read_options(args, true, options) != nullptr || !collect_elements(sorted, elements)) return out;
  options.gets.push_back(options.by);
  for (const std::string_view text : options.gets) {
    Pattern pattern;
    if (!pattern.parse(text)) continue;
    for (const Element& element : elements) out.push_back(pattern.key(element.bytes));
  }
  return out;
}

void sort_with(CommandContext& ctx, bool may_store, const SortLookup& lookup) {
  SortOptions options;
  if (const char* error = read_options(ctx.args, may_store, options); error != nullptr) {
    ctx.reply.error(error);
    return;
  }
  std::vector<Element> elements;
  if (!collect_elements(key_value(ctx), elements)) {
    ctx.reply.wrong_type();
    return;
  }
  // A set has no order of its own that a stored list could repeat.
  if (options.unsorted && options.store && key_value(ctx).type() == ValueType::set) {
    options.unsorted = false;
    options.by_bytes = true;
  }
  if (options.unsorted) {
    if (options.descending && key_value(ctx).type() != ValueType::set) std::reverse(elements.begin(), elements.end());
  } else if (!sort_elements(ctx, options, lookup, elements)) {
    return;
  }
  size_t first = 0;
  size_t last = elements.size();
  if (options.limited) {
    first = static_cast<size_t>(std::clamp<int64_t>(options.offset, 0, static_cast<int64_t>(last)));
    if (options.count >= 0) last = first + std::min(static_cast<size_t>(options.count), last - first);
  }
  if (options.gets.empty()) options.gets.push_back("#");
  const size_t copies = options.gets.size();
  const size_t size = (last - first) * copies;
  const auto found = [&](size_t i) {
    return look_up(options.gets[i % copies], elements[first + i / copies].bytes, lookup);
  };
  if (!options.store) {
    ctx.reply.array(size);
    for (size_t i = 0; i < size; ++i) {
      const auto bytes = found(i);
      bytes ? ctx.reply.bulk(*bytes) : ctx.reply.null();
    }
    return;
  }
  const size_t target_key = ctx.keys.size() - 1;
  Value& target = key_value(ctx, target_key);
  Value result;
  if (size != 0) {
    List& list = result.edit_list();
    for (size_t i = 0; i < size; ++i) list.push_back(found(i).value_or(std::string_view()));
  }
  if (size != 0 || !target.is_none()) mark_changed(ctx, target_key);
  target.take(result);
  ctx.reply.integer(static_cast<int64_t>(size));
}

namespace commands {

// Patterns that name keys never come here.
void sort(CommandContext& ctx) {
  sort_with(ctx, true, [](std::string_view) -> const Value* { return nullptr; });
}
void sort_ro(CommandContext& ctx) {
  sort_with(ctx, false, [](std::string_view) -> const Value* { return nullptr; });
}

}  // namespace commands
}  // namespace orbit::resp
