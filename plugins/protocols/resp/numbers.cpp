// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "numbers.hpp"

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace orbit::resp {
namespace {

constexpr size_t kFloatTextBytesMax = 255;

bool is_blank(char c) noexcept { return c == ' ' || (c >= '\t' && c <= '\r'); }

// strtod and strtold need a terminating zero, which our text lacks.
template <class Number, Number (*convert)(const char*, char**)>
bool parse_with_libc(std::string_view text, Number& value) noexcept {
  if (text.empty() || text.size() > kFloatTextBytesMax || is_blank(text[0])) return false;
  char copy[kFloatTextBytesMax + 1];
  std::memcpy(copy, text.data(), text.size());
  copy[text.size()] = '\0';
  char* end = nullptr;
  errno = 0;
  const Number parsed = convert(copy, &end);
  if (end != copy + text.size() || std::isnan(parsed)) return false;
  if (errno == ERANGE && (std::isinf(parsed) || parsed == 0)) return false;
  value = parsed;
  return true;
}

}  // namespace

bool parse_integer(std::string_view text, int64_t& value) noexcept {
  if (text.empty() || text.size() > kIntegerCharsMax) return false;
  size_t at = 0;
  const bool negative = text[0] == '-';
  if (negative && ++at == text.size()) return false;
  if (text[at] == '0') {
    if (text.size() != 1) return false;
    value = 0;
    return true;
  }
  uint64_t sum = 0;
  for (; at < text.size(); ++at) {
    const auto digit = static_cast<unsigned>(text[at] - '0');
    if (digit > 9) return false;
    if (sum > (UINT64_MAX - digit) / 10) return false;
    sum = sum * 10 + digit;
  }
  if (negative) {
    if (sum > uint64_t{1} << 63) return false;
    value = static_cast<int64_t>(0 - sum);
  } else {
    if (sum > static_cast<uint64_t>(INT64_MAX)) return false;
    value = static_cast<int64_t>(sum);
  }
  return true;
}

bool parse_double(std::string_view text, double& value) noexcept {
  double parsed;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), parsed);
  if (code == std::errc() && end == text.data() + text.size() && !std::isnan(parsed)) {
    value = parsed;
    return true;
  }
  return parse_with_libc<double, std::strtod>(text, value);
}

bool parse_long_double(std::string_view text, long double& value) noexcept {
  return parse_with_libc<long double, std::strtold>(text, value);
}

size_t format_double(char* out, double value) noexcept {
  constexpr double kExactMax = 1e15;
  if (value > -kExactMax && value < kExactMax) {
    const auto whole = static_cast<int64_t>(value);
    if (static_cast<double>(whole) == value && (whole != 0 || !std::signbit(value))) return format_integer(out, whole);
  }
  return static_cast<size_t>(std::to_chars(out, out + kDoubleCharsMax, value, std::chars_format::general, 17).ptr -
                             out);
}

size_t format_long_double(char* out, long double value) noexcept {
  auto size = static_cast<size_t>(std::snprintf(out, kLongDoubleCharsMax, "%.17Lf", value));
  if (std::memchr(out, '.', size) != nullptr) {
    while (out[size - 1] == '0') --size;
    if (out[size - 1] == '.') --size;
  }
  if (size == 2 && out[0] == '-' && out[1] == '0') {
    out[0] = '0';
    size = 1;
  }
  return size;
}

}  // namespace orbit::resp
