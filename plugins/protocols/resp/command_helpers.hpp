// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What the commands over values share: reading arguments, checking types, small reply shapes.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "command.hpp"
#include "numbers.hpp"
#include "reply.hpp"
#include "value.hpp"

namespace orbit::resp {

// Redis's default of proto-max-bulk-len: no string grows beyond it.
inline constexpr size_t kStringBytesMax = 512ull * 1024 * 1024;

// `word` in lower case.
inline bool is_word(std::string_view text, std::string_view word) noexcept {
  if (text.size() != word.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c) != word[i]) return false;
  }
  return true;
}

inline Value& key_value(CommandContext& ctx, size_t key = 0) noexcept { return *ctx.keys[key].value; }

// False, with the error written, when the key holds another type. None is fine.
inline bool check_type(CommandContext& ctx, ValueType type, size_t key = 0) {
  const ValueType found = ctx.keys[key].value->type();
  if (found == type || found == ValueType::none) [[likely]]
    return true;
  ctx.reply.wrong_type();
  return false;
}

// These write the error when the argument is not what is wanted.
inline bool integer_arg(CommandContext& ctx, size_t index, int64_t& value) {
  if (parse_integer(ctx.args[index], value)) [[likely]]
    return true;
  ctx.reply.not_an_integer();
  return false;
}
inline bool double_arg(CommandContext& ctx, size_t index, double& value) {
  if (parse_double(ctx.args[index], value)) [[likely]]
    return true;
  ctx.reply.not_a_float();
  return false;
}
// Redis's words for counts: "value is out of range, must be positive" when the number is negative or no number.
inline bool positive_arg(CommandContext& ctx, size_t index, int64_t& value) {
  if (parse_integer(ctx.args[index], value) && value >= 0) [[likely]]
    return true;
  ctx.reply.error("ERR value is out of range, must be positive");
  return false;
}
// A number whose sign has a meaning, and which has a negation.
inline bool signed_arg(CommandContext& ctx, size_t index, int64_t& value) {
  if (!integer_arg(ctx, index, value)) return false;
  if (value != INT64_MIN) return true;
  ctx.reply.error("ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807");
  return false;
}

inline void mark_changed(CommandContext& ctx, size_t key = 0) noexcept { ctx.keys[key].changed = true; }

// Turns Redis's inclusive indexes, negative ones from the end, into [first, first + count).
inline void clamp_range(int64_t start, int64_t stop, size_t size, size_t& first, size_t& count) noexcept {
  const auto length = static_cast<int64_t>(size);
  if (start < 0) start += length;
  if (stop < 0) stop += length;
  if (start < 0) start = 0;
  if (stop >= length) stop = length - 1;
  first = count = 0;
  if (start > stop || start >= length) return;
  first = static_cast<size_t>(start);
  count = static_cast<size_t>(stop - start + 1);
}

// Many random numbers from the one that a command is given.
class Random {
 public:
  explicit Random(uint64_t seed) noexcept : state_(seed) {}
  // SplitMix64.
  uint64_t next() noexcept {
    uint64_t z = state_ += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  }
  // Below `bound`, which is not 0.
  size_t below(size_t bound) noexcept {
    return static_cast<size_t>((static_cast<unsigned __int128>(next()) * bound) >> 64);
  }

 private:
  uint64_t state_;
};

// `count` different numbers below `bound`; count <= bound.
std::vector<size_t> pick_different(Random& random, size_t count, size_t bound);

// The subcommand and arguments of "HRANDFIELD key [count [WITHVALUES]]" and its like. Writes the error.
struct RandomOptions {
  bool counted = false;
  bool with_values = false;
  int64_t count = 1;
};
bool random_options(CommandContext& ctx, std::string_view with_values_word, RandomOptions& options);

// What HSCAN, SSCAN and ZSCAN have behind their key.
struct ScanOptions {
  uint64_t cursor = 0;
  size_t count = 10;
  std::string_view pattern = "*";
};
// False when the reply was written: an error, or the empty end of a key that holds nothing.
bool scan_options(CommandContext& ctx, ValueType type, ScanOptions& options);
// The frame of a scan's reply: the next cursor and an array of `elements`.
void scan_reply(Reply& reply, uint64_t cursor, size_t elements);

// Reads the timeout of a blocking command, in seconds; 0: for ever. Null, or the error.
const char* parse_timeout(std::string_view text, uint64_t& timeout_ms) noexcept;
// Checks it; the wire does the waiting.
bool timeout_arg(CommandContext& ctx, size_t index);

// Reads "EX seconds" and its like: `unit_ms` is 1 or 1000; `absolute` says that the time counts from 1970. Writes the
// error that names `command`.
bool expiry_arg(CommandContext& ctx, size_t index, int64_t unit_ms, bool absolute, std::string_view command,
                uint64_t& at_ms);

}  // namespace orbit::resp
