// SPDX-License-Identifier: MIT OR BSD-3-Clause
#pragma once

#include <string_view>

namespace orbit::http {

// Without the spaces and tabs around it (RFC 9110 section 5.6.3, OWS).
inline std::string_view trimmed(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace orbit::http
