// SPDX-License-Identifier: MIT OR BSD-3-Clause
#pragma once

#include <string_view>

namespace orbit::resp {

// Redis's patterns: * ? [abc] [^a] [a-z] and \ before a character that stands for itself. Takes at most
// pattern.size() * text.size() steps.
bool glob_match(std::string_view pattern, std::string_view text) noexcept;

// Whether the pattern matches everything, so that matching can be left out.
inline bool glob_is_all(std::string_view pattern) noexcept { return pattern == "*"; }

}  // namespace orbit::resp
