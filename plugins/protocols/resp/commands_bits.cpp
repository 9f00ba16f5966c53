// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Strings as bits. Bit 0 is the highest bit of the first byte.
#include <algorithm>
#include <bit>
#include <string>
#include <vector>

#include "command_helpers.hpp"
#include "commands.hpp"

namespace orbit::resp::commands {
namespace {

bool bit_offset_arg(CommandContext& ctx, size_t index, uint64_t& offset) {
  int64_t value;
  if (parse_integer(ctx.args[index], value) && value >= 0 && static_cast<uint64_t>(value) / 8 < kStringBytesMax) {
    offset = static_cast<uint64_t>(value);
    return true;
  }
  ctx.reply.error("ERR bit offset is not an integer or out of range");
  return false;
}

unsigned char byte_at(std::string_view bytes, size_t i) noexcept { return static_cast<unsigned char>(bytes[i]); }

// Bits [first, last] of the bytes.
uint64_t count_bits(std::string_view bytes, uint64_t first, uint64_t last) noexcept {
  uint64_t total = 0;
  size_t byte = first / 8;
  const size_t last_byte = last / 8;
  const auto head = static_cast<unsigned char>(0xff >> (first % 8));
  const auto tail = static_cast<unsigned char>(0xff << (7 - last % 8));
  if (byte == last_byte) {
    return static_cast<uint64_t>(std::popcount(static_cast<unsigned char>(byte_at(bytes, byte) & head & tail)));
  }
  total += static_cast<uint64_t>(std::popcount(static_cast<unsigned char>(byte_at(bytes, byte++) & head)));
  for (; byte + 8 <= last_byte; byte += 8) {
    uint64_t word;
    std::memcpy(&word, bytes.data() + byte, 8);
    total += static_cast<uint64_t>(std::popcount(word));
  }
  for (; byte < last_byte; ++byte) total += static_cast<uint64_t>(std::popcount(byte_at(bytes, byte)));
  return total + static_cast<uint64_t>(std::popcount(static_cast<unsigned char>(byte_at(bytes, last_byte) & tail)));
}

// First bit in [first, last] that is `wanted`; -1: none.
int64_t find_bit(std::string_view bytes, bool wanted, uint64_t first, uint64_t last) noexcept {
  const unsigned char skip = wanted ? 0x00 : 0xff;
  for (uint64_t bit = first; bit <= last;) {
    const unsigned char byte = byte_at(bytes, bit / 8);
    if (byte == skip) {
      bit = (bit / 8 + 1) * 8;
      continue;
    }
    if (((byte >> (7 - bit % 8)) & 1) == (wanted ? 1 : 0)) return static_cast<int64_t>(bit);
    ++bit;
  }
  return -1;
}

// Bits [first, last]; none when first > last.
struct BitRange {
  int64_t first;
  int64_t last;
};

// The unit that may stand at argument `at`. Writes the error.
bool unit_arg(CommandContext& ctx, size_t at, bool& bits) {
  bits = false;
  if (ctx.args.size() <= at) return true;
  if (is_word(ctx.args[at], "bit")) {
    bits = true;
  } else if (!is_word(ctx.args[at], "byte")) {
    ctx.reply.syntax_error();
    return false;
  }
  return true;
}

BitRange resolve(int64_t start, int64_t end, bool bits, size_t bytes) noexcept {
  const auto total = static_cast<int64_t>(bits ? bytes * 8 : bytes);
  start = std::max<int64_t>(start < 0 ? start + total : start, 0);
  end = std::min(std::max<int64_t>(end < 0 ? end + total : end, 0), total - 1);
  if (start > end) return {1, 0};
  return bits ? BitRange{start, end} : BitRange{start * 8, end * 8 + 7};
}

}  // namespace

void setbit(CommandContext& ctx) {
  uint64_t offset;
  int64_t bit;
  if (!bit_offset_arg(ctx, 2, offset)) return;
  if (!parse_integer(ctx.args[3], bit) || (bit != 0 && bit != 1)) {
    ctx.reply.error("ERR bit is not an integer or out of range");
    return;
  }
  if (!check_type(ctx, ValueType::string)) return;
  Value& value = key_value(ctx);
  const size_t byte = offset / 8;
  SmallString& string = value.edit_string();
  if (byte >= string.size()) string.resize(byte + 1);
  value.mark_raw_string();
  auto& place = reinterpret_cast<unsigned char&>(string.data()[byte]);
  const auto mask = static_cast<unsigned char>(0x80 >> (offset % 8));
  const bool old = (place & mask) != 0;
  place = static_cast<unsigned char>(bit != 0 ? place | mask : place & ~mask);
  mark_changed(ctx);
  ctx.reply.integer(old ? 1 : 0);
}

void getbit(CommandContext& ctx) {
  uint64_t offset;
  if (!bit_offset_arg(ctx, 2, offset) || !check_type(ctx, ValueType::string)) return;
  const Value& value = key_value(ctx);
  const std::string_view bytes = value.is_none() ? std::string_view() : value.string().view();
  const bool set = offset / 8 < bytes.size() && (byte_at(bytes, offset / 8) & (0x80 >> (offset % 8))) != 0;
  ctx.reply.integer(set ? 1 : 0);
}

void bitcount(CommandContext& ctx) {
  if (!check_type(ctx, ValueType::string)) return;
  const Value& value = key_value(ctx);
  if (value.is_none()) {
    ctx.reply.integer(0);
    return;
  }
  const std::string_view bytes = value.string().view();
  int64_t start = 0;
  int64_t end = -1;
  bool bits = false;
  if (ctx.args.size() == 3 || ctx.args.size() > 5) {
    ctx.reply.syntax_error();
    return;
  }
  if (ctx.args.size() > 3 && (!integer_arg(ctx, 2, start) || !integer_arg(ctx, 3, end))) return;
  // Redis answers this before it looks at the unit.
  if (start < 0 && end < 0 && start > end) {
    ctx.reply.integer(0);
    return;
  }
  if (ctx.args.size() > 3 && !unit_arg(ctx, 4, bits)) return;
  const BitRange range = resolve(start, end, bits, bytes.size());
  if (range.first > range.last) {
    ctx.reply.integer(0);
    return;
  }
  ctx.reply.integer(
      static_cast<int64_t>(count_bits(bytes, static_cast<uint64_t>(range.first), static_cast<uint64_t>(range.last))));
}

void bitpos(CommandContext& ctx) {
  int64_t bit;
  if (!integer_arg(ctx, 2, bit)) return;
  if (bit != 0 && bit != 1) {
    ctx.reply.error("ERR The bit argument must be 1 or 0.");
    return;
  }
  if (!check_type(ctx, ValueType::string)) return;
  const Value& value = key_value(ctx);
  if (value.is_none()) {
    ctx.reply.integer(bit != 0 ? -1 : 0);
    return;
  }
  const std::string_view bytes = value.string().view();
  int64_t start = 0;
  int64_t end = -1;
  bool bits = false;
  if (ctx.args.size() > 6) {
    ctx.reply.syntax_error();
    return;
  }
  const bool has_end = ctx.args.size() >= 5;
  if (ctx.args.size() > 3 && !integer_arg(ctx, 3, start)) return;
  if (has_end && (!unit_arg(ctx, 5, bits) || !integer_arg(ctx, 4, end))) return;
  const BitRange range = resolve(start, end, bits, bytes.size());
  if (range.first > range.last) {
    ctx.reply.integer(-1);
    return;
  }
  int64_t found = find_bit(bytes, bit != 0, static_cast<uint64_t>(range.first), static_cast<uint64_t>(range.last));
  // Without an end, a string of ones is followed by a zero.
  if (found < 0 && bit == 0 && !has_end) found = static_cast<int64_t>(bytes.size() * 8);
  ctx.reply.integer(found);
}

void bitop(CommandContext& ctx) {
  const std::string_view word = ctx.args[1];
  enum class Operation { conjunction, disjunction, exclusive, negation } operation;
  if (is_word(word, "and")) {
    operation = Operation::conjunction;
  } else if (is_word(word, "or")) {
    operation = Operation::disjunction;
  } else if (is_word(word, "xor")) {
    operation = Operation::exclusive;
  } else if (is_word(word, "not")) {
    operation = Operation::negation;
  } else {
    ctx.reply.syntax_error();
    return;
  }
  if (operation == Operation::negation && ctx.args.size() != 4) {
    ctx.reply.error("ERR BITOP NOT must be called with a single source key.");
    return;
  }
  size_t size = 0;
  for (size_t i = 1; i < ctx.keys.size(); ++i) {
    if (!check_type(ctx, ValueType::string, i)) return;
    const Value& value = key_value(ctx, i);
    if (!value.is_none()) size = std::max(size, value.string().size());
  }
  std::string result(size, '\0');
  for (size_t i = 1; i < ctx.keys.size(); ++i) {
    const Value& value = key_value(ctx, i);
    const std::string_view bytes = value.is_none() ? std::string_view() : value.string().view();
    for (size_t at = 0; at < size; ++at) {
      const auto byte = static_cast<unsigned char>(at < bytes.size() ? bytes[at] : 0);
      auto& out = reinterpret_cast<unsigned char&>(result[at]);
      if (operation == Operation::negation) {
        out = static_cast<unsigned char>(~byte);
      } else if (i == 1) {
        out = byte;
      } else if (operation == Operation::conjunction) {
        out &= byte;
      } else if (operation == Operation::disjunction) {
        out |= byte;
      } else {
        out ^= byte;
      }
    }
  }
  Value& target = key_value(ctx, 0);
  if (size != 0) {
    target.assign_string(result);
    target.mark_raw_string();
    target.set_expires_at_ms(0);
    mark_changed(ctx, 0);
  } else if (!target.is_none()) {
    target.clear();
    mark_changed(ctx, 0);
  }
  ctx.reply.integer(static_cast<int64_t>(size));
}

}  // namespace orbit::resp::commands
