// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Words of commands: compared without case, as Redis does.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace orbit::resp {

constexpr char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

constexpr bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

inline std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return lower(c); });
  return out;
}

}  // namespace orbit::resp
