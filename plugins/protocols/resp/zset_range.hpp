// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Ranges of sorted sets as commands write them, and as ranks.
#pragma once

#include <cstdint>
#include <string_view>

#include "command_helpers.hpp"
#include "sorted_set.hpp"

namespace orbit::resp {

// Ranks [first, last); none when first >= last.
struct RankRange {
  size_t first = 0;
  size_t last = 0;
  size_t size() const noexcept { return first < last ? last - first : 0; }
};

// By rank, score or name. Borrows the arguments.
class ZsetRange {
 public:
  enum class By : uint8_t { rank, score, name };

  // Writes the error.
  static bool parse(CommandContext& ctx, By by, size_t min_at, size_t max_at, ZsetRange& range);
  // `reverse` turns the meaning of ranks; scores and names are not affected.
  RankRange ranks(const SortedSet& set, bool reverse) const;

 private:
  enum class Bound : uint8_t { lowest, highest, inclusive, exclusive };

  static bool parse_name(std::string_view text, Bound& bound, std::string_view& name) noexcept;
  static bool parse_score(std::string_view text, Bound& bound, double& score) noexcept;

  By by_ = By::rank;
  Bound low_bound_ = Bound::inclusive;
  Bound high_bound_ = Bound::inclusive;
  int64_t start_ = 0;
  int64_t stop_ = 0;
  double low_score_ = 0;
  double high_score_ = 0;
  std::string_view low_name_;
  std::string_view high_name_;
};

// A member and its score, as commands that may be asked for scores reply: nested under RESP3.
void write_scored(Reply& reply, std::string_view member, double score, bool with_scores);
inline size_t scored_elements(const Reply& reply, size_t members, bool with_scores) noexcept {
  return with_scores && reply.protocol() < 3 ? members * 2 : members;
}

}  // namespace orbit::resp
