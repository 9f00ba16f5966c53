// SPDX-License-Identifier: MIT OR BSD-3-Clause
// How actors are named to people.
#pragma once

#include <string>
#include <string_view>

namespace orbit::kernel {

// Text is UTF-8; keys are any bytes: what is not printable ASCII, and the percent sign, is percent-encoded.
std::string shown_key(std::string_view key);
// "bank.Account/alice"; of a long key the beginning.
std::string actor_name(std::string_view type, std::string_view key);

}  // namespace orbit::kernel
