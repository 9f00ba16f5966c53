// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "command_helpers.hpp"

#include <boost/unordered/unordered_flat_set.hpp>
#include <string>

namespace orbit::resp {
namespace {

// As strtoul, which Redis uses: nothing is 0, and negative numbers wrap around.
bool parse_cursor(std::string_view text, uint64_t& cursor) noexcept {
  cursor = 0;
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  if (text.empty()) return !negative;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), cursor);
  if (negative) cursor = 0 - cursor;
  return code == std::errc() && end == text.data() + text.size();
}

}  // namespace

bool scan_options(CommandContext& ctx, ValueType type, ScanOptions& options) {
  const auto args = ctx.args;
  if (!parse_cursor(args[2], options.cursor)) {
    ctx.reply.error("ERR invalid cursor");
    return false;
  }
  if (!check_type(ctx, type)) return false;
  if (key_value(ctx).is_none()) {
    scan_reply(ctx.reply, 0, 0);
    return false;
  }
  for (size_t i = 3; i < args.size(); i += 2) {
    const bool more = i + 1 < args.size();
    if (more && is_word(args[i], "count")) {
      int64_t count;
      if (!integer_arg(ctx, i + 1, count)) return false;
      if (count < 1) {
        ctx.reply.syntax_error();
        return false;
      }
      options.count = static_cast<size_t>(count);
    } else if (more && is_word(args[i], "match")) {
      options.pattern = args[i + 1];
    } else {
      ctx.reply.syntax_error();
      return false;
    }
  }
  return true;
}

void scan_reply(Reply& reply, uint64_t cursor, size_t elements) {
  reply.array(2);
  reply.bulk_integer(static_cast<int64_t>(cursor));
  reply.array(elements);
}

// Floyd's algorithm: needs memory for what it picks only.
std::vector<size_t> pick_different(Random& random, size_t count, size_t bound) {
  std::vector<size_t> picked;
  picked.reserve(count);
  boost::unordered_flat_set<size_t> seen(count);
  for (size_t last = bound - count; last < bound; ++last) {
    const size_t candidate = random.below(last + 1);
    const size_t choice = seen.insert(candidate).second ? candidate : last;
    if (choice == last) seen.insert(last);
    picked.push_back(choice);
  }
  return picked;
}

bool random_options(CommandContext& ctx, std::string_view with_values_word, RandomOptions& options) {
  if (ctx.args.size() < 3) return true;
  if (!signed_arg(ctx, 2, options.count)) return false;
  options.counted = true;
  options.with_values = ctx.args.size() == 4 && is_word(ctx.args[3], with_values_word);
  if (ctx.args.size() > 4 || (ctx.args.size() == 4 && !options.with_values)) {
    ctx.reply.syntax_error();
    return false;
  }
  if (options.with_values && (options.count < -INT64_MAX / 2 || options.count > INT64_MAX / 2)) {
    ctx.reply.error("ERR value is out of range");
    return false;
  }
  return true;
}

const char* parse_timeout(std::string_view text, uint64_t& timeout_ms) noexcept {
  long double seconds;
  if (!parse_long_double(text, seconds)) return "ERR timeout is not a float or out of range";
  const long double ms = __builtin_ceill(seconds * 1000);
  if (ms < 0) return "ERR timeout is negative";
  // So that an end can be told in nanoseconds.
  if (ms > static_cast<long double>(INT64_MAX / 2'000'000)) return "ERR timeout is out of range";
  timeout_ms = static_cast<uint64_t>(ms);
  return nullptr;
}

bool timeout_arg(CommandContext& ctx, size_t index) {
  uint64_t timeout_ms;
  const char* const error = parse_timeout(ctx.args[index], timeout_ms);
  if (error != nullptr) ctx.reply.error(error);
  return error == nullptr;
}

bool expiry_arg(CommandContext& ctx, size_t index, int64_t unit_ms, bool absolute, std::string_view command,
                uint64_t& at_ms) {
  int64_t value;
  if (!integer_arg(ctx, index, value)) return false;
  const auto base_ms = absolute ? 0 : static_cast<int64_t>(ctx.now_ms);
  if (value <= 0 || value > INT64_MAX / unit_ms || value * unit_ms > INT64_MAX - base_ms) {
    ctx.reply.error("ERR invalid expire time in '", std::string(command) + "' command");
    return false;
  }
  at_ms = static_cast<uint64_t>(value * unit_ms + base_ms);
  return true;
}

}  // namespace orbit::resp
