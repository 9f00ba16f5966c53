// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Values of indexed fields as bytes that compare (unsigned, shorter first) as the values do; docs/formats/state.md has
// the format. No encoding is a prefix of another one of the same kind. [any thread]
#pragma once

#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <string>
#include <string_view>

#include "ext/actors.h"
#include "result.hpp"

namespace orbit {

namespace detail {

inline void append_big_endian(std::string& out, uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}
inline uint64_t big_endian_of(std::string_view in) noexcept {
  uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8 | static_cast<unsigned char>(in[static_cast<size_t>(i)]);
  return value;
}
inline constexpr uint64_t kSignBit = uint64_t{1} << 63;

}  // namespace detail

// Integers in 8 bytes, big endian; of signed ones the sign bit is turned over, so that negative numbers come first.
inline void append_index_value(std::string& out, bool value) { out.push_back(value ? 1 : 0); }
template <std::signed_integral T>
void append_index_value(std::string& out, T value) {
  detail::append_big_endian(out, static_cast<uint64_t>(static_cast<int64_t>(value)) ^ detail::kSignBit);
}
template <std::unsigned_integral T>
  requires(!std::same_as<T, bool>)
void append_index_value(std::string& out, T value) {
  detail::append_big_endian(out, value);
}
// IEEE 754 bits: of negative numbers all are turned over, of others the sign. -0 is 0; every NaN is one, the greatest
// value.
inline void append_index_value(std::string& out, double value) {
  if (value == 0) value = 0;
  if (std::isnan(value)) value = std::numeric_limits<double>::quiet_NaN();
  const auto bits = std::bit_cast<uint64_t>(value);
  detail::append_big_endian(out,
                            (bits & detail::kSignBit) != 0 && !std::isnan(value) ? ~bits : bits | detail::kSignBit);
}
// Text and bytes: a zero byte becomes 00 ff, and 00 01 ends the value.
inline void append_index_value(std::string& out, std::string_view value) {
  for (const char c : value) {
    out.push_back(c);
    if (c == '\0') out.push_back('\xff');
  }
  out.append("\0\1", 2);
}
inline void append_index_value(std::string& out, const std::string& value) {
  append_index_value(out, std::string_view(value));
}
inline void append_index_value(std::string& out, const char* value) {
  append_index_value(out, std::string_view(value));
}

// How many bytes at the front of `in` are one value; 0 when there is none.
inline size_t index_value_size(orbit_index_kind kind, std::string_view in) noexcept {
  switch (kind) {
    case ORBIT_INDEX_BOOL:
      return in.empty() ? 0 : 1;
    case ORBIT_INDEX_SIGNED:
    case ORBIT_INDEX_UNSIGNED:
    case ORBIT_INDEX_FLOAT:
      return in.size() < 8 ? 0 : 8;
    default:
      for (size_t at = 0; at + 1 < in.size(); ++at) {
        if (in[at] != '\0') continue;
        if (in[at + 1] == '\1') return at + 2;
        ++at;
      }
      return 0;
  }
}

// The way back. `in` is one whole value of the kind.
inline int64_t index_signed_of(std::string_view in) noexcept {
  return static_cast<int64_t>(detail::big_endian_of(in) ^ detail::kSignBit);
}
inline uint64_t index_unsigned_of(std::string_view in) noexcept { return detail::big_endian_of(in); }
inline double index_float_of(std::string_view in) noexcept {
  const uint64_t bits = detail::big_endian_of(in);
  return std::bit_cast<double>((bits & detail::kSignBit) != 0 ? bits ^ detail::kSignBit : ~bits);
}
inline std::string index_text_of(std::string_view in) {
  std::string out;
  for (size_t at = 0; at + 2 < in.size(); ++at) {
    out.push_back(in[at]);
    if (in[at] == '\0') ++at;
  }
  return out;
}

// A value for people, as in an error: 42, true, "alice", 0x00ff.
inline std::string index_value_shown(orbit_index_kind kind, std::string_view in) {
  if (index_value_size(kind, in) != in.size() || in.empty()) return "(no value)";
  char text[32];
  switch (kind) {
    case ORBIT_INDEX_BOOL:
      return in[0] != 0 ? "true" : "false";
    case ORBIT_INDEX_SIGNED:
      return std::to_string(index_signed_of(in));
    case ORBIT_INDEX_UNSIGNED:
      return std::to_string(index_unsigned_of(in));
    case ORBIT_INDEX_FLOAT:
      std::snprintf(text, sizeof text, "%.17g", index_float_of(in));
      return text;
    case ORBIT_INDEX_TEXT:
      return '"' + index_text_of(in) + '"';
    default: {
      std::string out = "0x";
      for (const char c : index_text_of(in)) {
        std::snprintf(text, sizeof text, "%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
        out += text;
      }
      return out;
    }
  }
}

}  // namespace orbit
