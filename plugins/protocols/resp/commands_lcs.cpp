// SPDX-License-Identifier: MIT OR BSD-3-Clause
// LCS: the longest common subsequence of two strings, by dynamic programming.
#include <algorithm>
#include <string>
#include <vector>

#include "command_helpers.hpp"
#include "commands.hpp"

namespace orbit::resp::commands {
namespace {

struct LcsOptions {
  bool length = false;
  bool indexes = false;
  bool with_lengths = false;
  int64_t length_min = 0;
};

struct Match {
  size_t a_first;
  size_t b_first;
  size_t size;
};

bool read_options(CommandContext& ctx, LcsOptions& options) {
  for (size_t i = 3; i < ctx.args.size(); ++i) {
    const std::string_view word = ctx.args[i];
    if (is_word(word, "idx")) {
      options.indexes = true;
    } else if (is_word(word, "len")) {
      options.length = true;
    } else if (is_word(word, "withmatchlen")) {
      options.with_lengths = true;
    } else if (is_word(word, "minmatchlen") && i + 1 < ctx.args.size()) {
      if (!integer_arg(ctx, ++i, options.length_min)) return false;
      options.length_min = std::max<int64_t>(options.length_min, 0);
    } else {
      ctx.reply.syntax_error();
      return false;
    }
  }
  if (options.indexes && options.length) {
    ctx.reply.error("ERR If you want both the length and indexes, please just use IDX.");
    return false;
  }
  return true;
}

// table[i * (b.size() + 1) + j]: the length for the first i bytes of a and j bytes of b.
std::vector<uint32_t> lengths(std::string_view a, std::string_view b) {
  const size_t width = b.size() + 1;
  std::vector<uint32_t> table((a.size() + 1) * width);
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      table[i * width + j] = a[i - 1] == b[j - 1] ? table[(i - 1) * width + j - 1] + 1
                                                  : std::max(table[(i - 1) * width + j], table[i * width + j - 1]);
    }
  }
  return table;
}

void write_matches(Reply& reply, const std::vector<Match>& matches, const LcsOptions& options, size_t length) {
  reply.map(2);
  reply.bulk("matches");
  const auto long_enough = [&](const Match& match) { return match.size >= static_cast<size_t>(options.length_min); };
  reply.array(static_cast<size_t>(std::count_if(matches.begin(), matches.end(), long_enough)));
  for (const Match& match : matches) {
    if (!long_enough(match)) continue;
    reply.array(options.with_lengths ? 3 : 2);
    for (const size_t first : {match.a_first, match.b_first}) {
      reply.array(2);
      reply.integer(static_cast<int64_t>(first));
      reply.integer(static_cast<int64_t>(first + match.size - 1));
    }
    if (options.with_lengths) reply.integer(static_cast<int64_t>(match.size));
  }
  reply.bulk("len");
  reply.integer(static_cast<int64_t>(length));
}

}  // namespace

void lcs(CommandContext& ctx) {
  for (const OpenKey& key : ctx.keys) {
    if (key.value->is_none() || key.value->type() == ValueType::string) continue;
    ctx.reply.error("ERR The specified keys must contain string values");
    return;
  }
  LcsOptions options;
  if (!read_options(ctx, options)) return;
  const auto bytes_of = [&](size_t key) {
    const Value& value = key_value(ctx, key);
    return value.is_none() ? std::string_view() : value.string().view();
  };
  const std::string_view a = bytes_of(0);
  const std::string_view b = bytes_of(1);
  if ((a.size() + 1) * (b.size() + 1) > kStringBytesMax / sizeof(uint32_t)) {
    ctx.reply.error("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
    return;
  }
  const std::vector<uint32_t> table = lengths(a, b);
  const size_t length = table.back();
  if (options.length) {
    ctx.reply.integer(static_cast<int64_t>(length));
    return;
  }
  const size_t width = b.size() + 1;
  std::string common(length, '\0');
  std::vector<Match> matches;
  for (size_t i = a.size(), j = b.size(), left = length; i != 0 && j != 0;) {
    if (a[i - 1] == b[j - 1]) {
      --i;
      --j;
      common[--left] = a[i];
      if (!matches.empty() && matches.back().a_first == i + 1 && matches.back().b_first == j + 1) {
        matches.back() = {i, j, matches.back().size + 1};
      } else {
        matches.push_back({i, j, 1});
      }
    } else if (table[(i - 1) * width + j] > table[i * width + j - 1]) {
      --i;
    } else {
      --j;
    }
  }
  if (options.indexes) {
    write_matches(ctx.reply, matches, options, length);
  } else {
    ctx.reply.bulk(common);
  }
}

}  // namespace orbit::resp::commands
