// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Intersection, union and difference of sorted sets and sets, whose members count 1 each.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "command_helpers.hpp"
#include "commands.hpp"
#include "set.hpp"
#include "zset_range.hpp"

namespace orbit::resp::commands {
namespace {

enum class Operation : uint8_t { unite, intersect, subtract };
enum class Aggregate : uint8_t { sum, minimum, maximum };

struct Source {
  const SortedSet* zset = nullptr;
  const Set* set = nullptr;
  double weight = 1;

  size_t size() const noexcept { return zset != nullptr ? zset->size() : set != nullptr ? set->size() : 0; }
  bool find(std::string_view member, double& score) const noexcept {
    if (zset != nullptr) {
      const uint32_t id = zset->find(member);
      if (id == SortedSet::kNone) return false;
      score = zset->score(id);
      return true;
    }
    score = 1;
    return set != nullptr && set->contains(member);
  }
  template <class Visit>
  void each(Visit&& visit) const {
    if (zset != nullptr) {
      for (SortedSet::Place place = zset->at(0); place.valid(); place.forward()) {
        if (!visit(zset->name(place.item().id), place.item().score)) return;
      }
    } else if (set != nullptr) {
      for (const Set::Member& member : set->members()) {
        if (!visit(member.name.view(), 1.0)) return;
      }
    }
  }
};

struct Combination {
  std::vector<Source> sources;
  Aggregate aggregate = Aggregate::sum;
  bool with_scores = false;
  int64_t limit = 0;  // of ZINTERCARD; 0: none
};

double weighted(const Source& source, double score) noexcept {
  const double product = source.weight * score;
  return std::isnan(product) ? 0 : product;
}

void add_up(double& total, double score, Aggregate aggregate) noexcept {
  switch (aggregate) {
    case Aggregate::sum:
      total += score;
      // Infinities of both signs make 0, by Redis's convention.
      if (std::isnan(total)) total = 0;
      break;
    case Aggregate::minimum:
      total = std::min(total, score);
      break;
    case Aggregate::maximum:
      total = std::max(total, score);
      break;
  }
}

struct CombineCommand {
  std::string_view name;
  Operation operation;
  bool store = false;
  bool count_only = false;
};

bool weights_arg(CommandContext& ctx, size_t at, std::vector<Source>& sources) {
  for (size_t i = 0; i < sources.size(); ++i) {
    if (parse_double(ctx.args[at + i], sources[i].weight)) continue;
    ctx.reply.error("ERR weight value is not a float");
    return false;
  }
  return true;
}

bool read_combination(CommandContext& ctx, const CombineCommand& command, Combination& out) {
  const size_t count_at = command.store ? 2 : 1;
  const size_t first_key = command.store ? 1 : 0;
  int64_t key_count;
  if (!integer_arg(ctx, count_at, key_count)) return false;
  if (key_count < 1) {
    ctx.reply.error("ERR at least 1 input key is needed for '", std::string(command.name) + "' command");
    return false;
  }
  out.sources.resize(ctx.keys.size() - first_key);
  if (out.sources.empty()) {
    ctx.reply.syntax_error();
    return false;
  }
  for (size_t i = 0; i < out.sources.size(); ++i) {
    const Value& value = key_value(ctx, first_key + i);
    if (value.type() == ValueType::zset) {
      out.sources[i].zset = value.zset();
    } else if (value.type() == ValueType::set) {
      out.sources[i].set = value.set();
    } else if (!value.is_none()) {
      ctx.reply.wrong_type();
      return false;
    }
  }
  const bool scored = command.operation != Operation::subtract && !command.count_only;
  for (size_t i = count_at + 1 + out.sources.size(); i < ctx.args.size(); ++i) {
    const size_t left = ctx.args.size() - i;
    const std::string_view word = ctx.args[i];
    if (scored && left >= out.sources.size() + 1 && is_word(word, "weights")) {
      if (!weights_arg(ctx, i + 1, out.sources)) return false;
      i += out.sources.size();
    } else if (scored && left >= 2 && is_word(word, "aggregate")) {
      const std::string_view how = ctx.args[++i];
      if (is_word(how, "sum")) {
        out.aggregate = Aggregate::sum;
      } else if (is_word(how, "min")) {
        out.aggregate = Aggregate::minimum;
      } else if (is_word(how, "max")) {
        out.aggregate = Aggregate::maximum;
      } else {
        ctx.reply.syntax_error();
        return false;
      }
    } else if (!command.store && !command.count_only && is_word(word, "withscores")) {
      out.with_scores = true;
    } else if (command.count_only && left >= 2 && is_word(word, "limit")) {
      if (!parse_integer(ctx.args[++i], out.limit) || out.limit < 0) {
        ctx.reply.error("ERR LIMIT can't be negative");
        return false;
      }
    } else {
      ctx.reply.syntax_error();
      return false;
    }
  }
  return true;
}

// visit(member, score) of all members of the intersection; false stops.
template <class Visit>
void intersect(const Combination& input, Visit&& visit) {
  const Source& smallest = input.sources[0];
  smallest.each([&](std::string_view member, double score) {
    double total = weighted(smallest, score);
    for (size_t i = 1; i < input.sources.size(); ++i) {
      double other;
      if (!input.sources[i].find(member, other)) return true;
      add_up(total, weighted(input.sources[i], other), input.aggregate);
    }
    return visit(member, total);
  });
}

void combine(Combination& input, Operation operation, SortedSet& out) {
  if (operation == Operation::subtract) {
    input.sources[0].each([&](std::string_view member, double score) {
      double ignored;
      const auto has = [&](const Source& other) { return other.find(member, ignored); };
      if (std::none_of(input.sources.begin() + 1, input.sources.end(), has)) out.add(member, score);
      return true;
    });
    return;
  }
  std::sort(input.sources.begin(), input.sources.end(),
            [](const Source& a, const Source& b) { return a.size() < b.size(); });
  if (operation == Operation::intersect) {
    intersect(input, [&](std::string_view member, double score) {
      out.add(member, score);
      return true;
    });
    return;
  }
  for (const Source& source : input.sources) {
    source.each([&](std::string_view member, double score) {
      const uint32_t id = out.find(member);
      if (id == SortedSet::kNone) {
        out.add(member, weighted(source, score));
        return true;
      }
      double total = out.score(id);
      add_up(total, weighted(source, score), input.aggregate);
      if (total != out.score(id)) out.set_score(id, total);
      return true;
    });
  }
}

void run(CommandContext& ctx, const CombineCommand& command) {
  Combination input;
  if (!read_combination(ctx, command, input)) return;
  Value result;
  SortedSet& members = result.edit_zset();
  combine(input, command.operation, members);
  if (!command.store) {
    ctx.reply.array(scored_elements(ctx.reply, members.size(), input.with_scores));
    if (members.size() == 0) return;
    for (SortedSet::Place place = members.at(0); place.valid(); place.forward()) {
      write_scored(ctx.reply, members.name(place.item().id), place.item().score, input.with_scores);
    }
    return;
  }
  Value& target = key_value(ctx, 0);
  const size_t size = members.size();
  if (size != 0 || !target.is_none()) mark_changed(ctx, 0);
  if (size != 0) {
    target.take(result);
  } else {
    target.clear();
  }
  ctx.reply.integer(static_cast<int64_t>(size));
}

}  // namespace

void zunion(CommandContext& ctx) { run(ctx, {"zunion", Operation::unite}); }
void zinter(CommandContext& ctx) { run(ctx, {"zinter", Operation::intersect}); }
void zdiff(CommandContext& ctx) { run(ctx, {"zdiff", Operation::subtract}); }
void zunionstore(CommandContext& ctx) { run(ctx, {"zunionstore", Operation::unite, true}); }
void zinterstore(CommandContext& ctx) { run(ctx, {"zinterstore", Operation::intersect, true}); }
void zdiffstore(CommandContext& ctx) { run(ctx, {"zdiffstore", Operation::subtract, true}); }

void zintercard(CommandContext& ctx) {
  Combination input;
  if (!read_combination(ctx, {"zintercard", Operation::intersect, false, true}, input)) return;
  std::sort(input.sources.begin(), input.sources.end(),
            [](const Source& a, const Source& b) { return a.size() < b.size(); });
  int64_t count = 0;
  intersect(input, [&](std::string_view, double) { return ++count != input.limit; });
  ctx.reply.integer(count);
}

}  // namespace orbit::resp::commands
