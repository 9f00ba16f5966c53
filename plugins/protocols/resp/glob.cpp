// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "glob.hpp"

#include <algorithm>
#include <cstddef>

namespace orbit::resp {
namespace {

// Matches one character against the class that starts behind '['; sets `at` behind the class. A class that is never
// closed ends with the pattern.
bool match_class(std::string_view pattern, size_t& at, unsigned char c) noexcept {
  const bool inverted = at < pattern.size() && pattern[at] == '^';
  if (inverted) ++at;
  bool found = false;
  for (; at < pattern.size(); ++at) {
    if (pattern[at] == '\\' && at + 1 < pattern.size()) {
      ++at;
      found |= static_cast<unsigned char>(pattern[at]) == c;
    } else if (pattern[at] == ']') {
      ++at;
      break;
    } else if (at + 2 < pattern.size() && pattern[at + 1] == '-') {
      const auto [low, high] =
          std::minmax({static_cast<unsigned char>(pattern[at]), static_cast<unsigned char>(pattern[at + 2])});
      found |= c >= low && c <= high;
      at += 2;
    } else {
      found |= static_cast<unsigned char>(pattern[at]) == c;
    }
  }
  return found != inverted;
}

// Matches one character against the pattern element at `at`, which is no star; sets `at` behind the element.
bool match_one(std::string_view pattern, size_t& at, unsigned char c) noexcept {
  switch (pattern[at]) {
    case '?':
      ++at;
      return true;
    case '[':
      ++at;
      return match_class(pattern, at, c);
    case '\\':
      if (at + 1 < pattern.size()) ++at;
      [[fallthrough]];
    default:
      return static_cast<unsigned char>(pattern[at++]) == c;
  }
}

}  // namespace

bool glob_match(std::string_view pattern, std::string_view text) noexcept {
  constexpr size_t kNoStar = static_cast<size_t>(-1);
  size_t at = 0;
  size_t star = kNoStar;  // behind the last star met: everything before it is settled
  size_t star_text = 0;
  for (size_t i = 0; i < text.size();) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = ++at;
      star_text = i;
      continue;
    }
    if (at < pattern.size() && match_one(pattern, at, static_cast<unsigned char>(text[i]))) {
      ++i;
      continue;
    }
    if (star == kNoStar) return false;
    at = star;
    i = ++star_text;
  }
  while (at < pattern.size() && pattern[at] == '*') ++at;
  return at == pattern.size();
}

}  // namespace orbit::resp
