// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "zset_range.hpp"

#include <algorithm>

namespace orbit::resp {

bool ZsetRange::parse_name(std::string_view text, Bound& bound, std::string_view& name) noexcept {
  if (text == "-" || text == "+") {
    bound = text == "-" ? Bound::lowest : Bound::highest;
    return true;
  }
  if (text.empty() || (text[0] != '(' && text[0] != '[')) return false;
  bound = text[0] == '(' ? Bound::exclusive : Bound::inclusive;
  name = text.substr(1);
  return true;
}

bool ZsetRange::parse_score(std::string_view text, Bound& bound, double& score) noexcept {
  bound = Bound::inclusive;
  if (!text.empty() && text[0] == '(') {
    bound = Bound::exclusive;
    text.remove_prefix(1);
  }
  // Here, and only here, Redis lets blanks lead and takes nothing for 0.
  text.remove_prefix(std::min(text.find_first_not_of(" \t\n\v\f\r"), text.size()));
  score = 0;
  return text.empty() || parse_double(text, score);
}

bool ZsetRange::parse(CommandContext& ctx, By by, size_t min_at, size_t max_at, ZsetRange& range) {
  range.by_ = by;
  switch (by) {
    case By::rank:
      return integer_arg(ctx, min_at, range.start_) && integer_arg(ctx, max_at, range.stop_);
    case By::score:
      if (parse_score(ctx.args[min_at], range.low_bound_, range.low_score_) &&
          parse_score(ctx.args[max_at], range.high_bound_, range.high_score_)) {
        return true;
      }
      ctx.reply.error("ERR min or max is not a float");
      return false;
    case By::name:
      if (parse_name(ctx.args[min_at], range.low_bound_, range.low_name_) &&
          parse_name(ctx.args[max_at], range.high_bound_, range.high_name_)) {
        return true;
      }
      ctx.reply.error("ERR min or max not valid string range item");
      return false;
  }
  return false;
}

RankRange ZsetRange::ranks(const SortedSet& set, bool reverse) const {
  if (by_ == By::rank) {
    size_t first;
    size_t count;
    clamp_range(start_, stop_, set.size(), first, count);
    if (reverse && count != 0) first = set.size() - first - count;
    return {first, first + count};
  }
  const auto before = [&](Bound bound, bool is_low, double score, std::string_view name) -> size_t {
    if (bound == Bound::lowest) return 0;
    if (bound == Bound::highest) return set.size();
    // What an inclusive low bound and an exclusive high bound leave out or end with: everything strictly below.
    const bool below = (bound == Bound::inclusive) == is_low;
    if (by_ == By::score) return below ? set.count_below(score) : set.count_not_above(score);
    return below ? set.count_below(name) : set.count_not_above(name);
  };
  return {before(low_bound_, true, low_score_, low_name_), before(high_bound_, false, high_score_, high_name_)};
}

void write_scored(Reply& reply, std::string_view member, double score, bool with_scores) {
  if (with_scores && reply.protocol() >= 3) reply.array(2);
  reply.bulk(member);
  if (with_scores) reply.number(score);
}

}  // namespace orbit::resp
