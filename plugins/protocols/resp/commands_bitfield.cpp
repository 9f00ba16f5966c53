// SPDX-License-Identifier: MIT OR BSD-3-Clause
// BITFIELD: whole numbers of any width at any bit of a string, highest bit first.
#include <algorithm>
#include <vector>

#include "command_helpers.hpp"
#include "commands.hpp"

namespace orbit::resp::commands {
namespace {

enum class Overflow : uint8_t { kWrap, kSaturate, kFail };
enum class What : uint8_t { kGet, kSet, kAdd };

struct FieldOperation {
  What what;
  Overflow overflow;
  bool is_signed;
  unsigned bits;
  uint64_t offset;
  int64_t operand = 0;
};

// Any value of a field, and any sum of one and an operand.
using Wide = __int128;

bool type_arg(CommandContext& ctx, size_t at, FieldOperation& operation) {
  const std::string_view text = ctx.args[at];
  int64_t bits = 0;
  const bool letter = !text.empty() && (text[0] == 'i' || text[0] == 'u');
  operation.is_signed = letter && text[0] == 'i';
  if (!letter || !parse_integer(text.substr(1), bits) || bits < 1 || bits > (operation.is_signed ? 64 : 63)) {
    ctx.reply.error("ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.");
    return false;
  }
  operation.bits = static_cast<unsigned>(bits);
  return true;
}

// "#3" counts in fields.
bool offset_arg(CommandContext& ctx, size_t at, FieldOperation& operation) {
  std::string_view text = ctx.args[at];
  const bool in_fields = !text.empty() && text[0] == '#';
  if (in_fields) text.remove_prefix(1);
  int64_t offset;
  const int64_t unit = in_fields ? operation.bits : 1;
  if (parse_integer(text, offset) && offset >= 0 && offset <= INT64_MAX / unit &&
      static_cast<uint64_t>(offset * unit) / 8 < kStringBytesMax) {
    operation.offset = static_cast<uint64_t>(offset * unit);
    return true;
  }
  ctx.reply.error("ERR bit offset is not an integer or out of range");
  return false;
}

bool read_operations(CommandContext& ctx, bool may_write, std::vector<FieldOperation>& operations) {
  Overflow overflow = Overflow::kWrap;
  for (size_t i = 2; i < ctx.args.size();) {
    const std::string_view word = ctx.args[i];
    const size_t left = ctx.args.size() - i - 1;
    if (is_word(word, "overflow") && left >= 1) {
      const std::string_view how = ctx.args[i + 1];
      if (!is_word(how, "wrap") && !is_word(how, "sat") && !is_word(how, "fail")) {
        ctx.reply.error("ERR Invalid OVERFLOW type specified");
        return false;
      }
      overflow = is_word(how, "wrap") ? Overflow::kWrap : is_word(how, "sat") ? Overflow::kSaturate : Overflow::kFail;
      i += 2;
      continue;
    }
    FieldOperation operation{What::kGet, overflow, false, 0, 0};
    if (is_word(word, "get") && left >= 2) {
      operation.what = What::kGet;
    } else if (is_word(word, "set") && left >= 3) {
      operation.what = What::kSet;
    } else if (is_word(word, "incrby") && left >= 3) {
      operation.what = What::kAdd;
    } else {
      ctx.reply.syntax_error();
      return false;
    }
    if (!type_arg(ctx, i + 1, operation) || !offset_arg(ctx, i + 2, operation)) return false;
    i += 3;
    if (operation.what != What::kGet) {
      if (!may_write) {
        ctx.reply.error("ERR BITFIELD_RO only supports the GET subcommand");
        return false;
      }
      if (!integer_arg(ctx, i, operation.operand)) return false;
      ++i;
    }
    operations.push_back(operation);
  }
  return true;
}

// Bits behind the string's end are 0.
Wide read_field(std::string_view bytes, const FieldOperation& field) noexcept {
  uint64_t bits = 0;
  for (uint64_t at = field.offset; at < field.offset + field.bits; ++at) {
    const auto byte = at / 8 < bytes.size() ? static_cast<unsigned char>(bytes[at / 8]) : 0u;
    bits = bits << 1 | (byte >> (7 - at % 8) & 1u);
  }
  if (!field.is_signed) return bits;
  const unsigned unused = 64 - field.bits;
  return static_cast<int64_t>(bits << unused) >> unused;
}

void write_field(char* bytes, const FieldOperation& field, Wide value) noexcept {
  const auto bits = static_cast<uint64_t>(value);
  for (unsigned i = 0; i < field.bits; ++i) {
    const uint64_t at = field.offset + i;
    auto& byte = reinterpret_cast<unsigned char&>(bytes[at / 8]);
    const auto mask = static_cast<unsigned char>(0x80 >> (at % 8));
    const bool on = (bits >> (field.bits - 1 - i) & 1) != 0;
    byte = static_cast<unsigned char>(on ? byte | mask : byte & ~mask);
  }
}

// Fits the value into the field; false: it does not fit and must not be written.
bool fit(const FieldOperation& field, Wide& value) noexcept {
  const Wide one = 1;
  const Wide highest = field.is_signed ? (one << (field.bits - 1)) - 1 : (one << field.bits) - 1;
  const Wide lowest = field.is_signed ? -highest - 1 : 0;
  if (value >= lowest && value <= highest) return true;
  if (field.overflow == Overflow::kSaturate) {
    value = value > highest ? highest : lowest;
  } else if (field.overflow == Overflow::kWrap) {
    value &= (one << field.bits) - 1;
    if (value > highest) value -= one << field.bits;
  }
  return field.overflow != Overflow::kFail;
}

// True: the field has changed.
bool run_write(Reply& reply, char* bytes, size_t size, const FieldOperation& field) {
  const Wide old = read_field({bytes, size}, field);
  Wide fresh;
  if (field.what == What::kAdd) {
    fresh = old + field.operand;
  } else {
    fresh = field.is_signed ? Wide{field.operand} : Wide{static_cast<uint64_t>(field.operand)};
  }
  if (!fit(field, fresh)) {
    reply.null();
    return false;
  }
  reply.integer(static_cast<int64_t>(field.what == What::kAdd ? fresh : old));
  write_field(bytes, field, fresh);
  return fresh != old;
}

void run_operations(CommandContext& ctx, bool may_write) {
  std::vector<FieldOperation> operations;
  if (!read_operations(ctx, may_write, operations)) return;
  if (!check_type(ctx, ValueType::string)) return;
  Value& value = key_value(ctx);
  size_t needed = 0;
  for (const FieldOperation& each : operations) {
    if (each.what != What::kGet) needed = std::max<size_t>(needed, (each.offset + each.bits - 1) / 8 + 1);
  }
  if (needed != 0) {
    SmallString& string = value.edit_string();
    value.mark_raw_string();
    if (needed > string.size()) {
      string.resize(needed);
      mark_changed(ctx);
    }
  }
  ctx.reply.array(operations.size());
  for (const FieldOperation& each : operations) {
    if (each.what != What::kGet) {
      SmallString& string = value.edit_string();
      if (run_write(ctx.reply, string.data(), string.size(), each)) mark_changed(ctx);
    } else {
      const std::string_view bytes = value.is_none() ? std::string_view() : value.string().view();
      ctx.reply.integer(static_cast<int64_t>(read_field(bytes, each)));
    }
  }
}

}  // namespace

void bitfield(CommandContext& ctx) { run_operations(ctx, true); }
void bitfield_ro(CommandContext& ctx) { run_operations(ctx, false); }

}  // namespace orbit::resp::commands
