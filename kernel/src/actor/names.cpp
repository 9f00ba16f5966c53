// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "actor/names.hpp"

#include <algorithm>

namespace orbit::kernel {

namespace {

constexpr size_t kKeyShownMax = 128;

bool plain(char c) { return static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x7f && c != '%'; }

}  // namespace

std::string shown_key(std::string_view key) {
  if (std::all_of(key.begin(), key.end(), plain)) return std::string(key);
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : key) {
    if (plain(c)) {
      out.push_back(c);
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out.push_back('%');
      out.push_back(kHex[byte >> 4]);
      out.push_back(kHex[byte & 15]);
    }
  }
  return out;
}

std::string actor_name(std::string_view type, std::string_view key) {
  std::string name(type);
  name += '/';
  name += shown_key(key.substr(0, kKeyShownMax));
  if (key.size() > kKeyShownMax) name += "...";
  return name;
}

}  // namespace orbit::kernel
