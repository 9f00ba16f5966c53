// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Numbers as Redis 7.0 reads and writes them.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace orbit::resp {

// Room for any number that the functions below write.
inline constexpr size_t kIntegerCharsMax = 20;
inline constexpr size_t kDoubleCharsMax = 32;
// An 80-bit number has up to 4933 digits before its point and is written with 17 after it.
inline constexpr size_t kLongDoubleCharsMax = 5 * 1024;

// Decimal without leading zeros, blanks or a plus sign.
bool parse_integer(std::string_view text, int64_t& value) noexcept;
// What strtod takes (also hexadecimal and infinities), without leading blanks, overflow, underflow to zero and NaN.
bool parse_double(std::string_view text, double& value) noexcept;
bool parse_long_double(std::string_view text, long double& value) noexcept;

// These return the number of characters written; no terminating zero.
inline size_t format_integer(char* out, int64_t value) noexcept {
  return static_cast<size_t>(std::to_chars(out, out + kIntegerCharsMax, value).ptr - out);
}
// Like "%.17g".
size_t format_double(char* out, double value) noexcept;
// Like "%.17Lf" without the zeros behind; out has kLongDoubleCharsMax.
size_t format_long_double(char* out, long double value) noexcept;

}  // namespace orbit::resp
