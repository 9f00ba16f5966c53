// SPDX-License-Identifier: MIT OR BSD-3-Clause
// How actors are named to people.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace orbit::kernel {

// Text is UTF-8; keys are any bytes: what is not printable ASCII, and the percent sign, is percent-encoded.
std::string shown_key(std::string_view key);
// The same; of a long key the beginning and "...".
std::string short_key(std::string_view key);
// "bank.Account/alice", with the short key.
std::string actor_name(std::string_view type, std::string_view key);
// "2026-01-31T12:00:00.250Z" (RFC 3339).
std::string time_text(uint64_t unix_ms);

}  // namespace orbit::kernel
