// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "actor/names.hpp"

#include <algorithm>
#include <cstdio>
#include <ctime>

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

std::string short_key(std::string_view key) {
  return shown_key(key.substr(0, kKeyShownMax)) + (key.size() > kKeyShownMax ? "..." : "");
}

std::string actor_name(std::string_view type, std::string_view key) { return std::string(type) + '/' + short_key(key); }

std::string time_text(uint64_t unix_ms) {
  const auto seconds = static_cast<std::time_t>(unix_ms / 1000);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[40];
  const size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + size, sizeof text - size, ".%03uZ", static_cast<unsigned>(unix_ms % 1000));
  return text;
}

}  // namespace orbit::kernel
