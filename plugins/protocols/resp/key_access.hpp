// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What commands do with their keys, in the words of Redis's key specifications.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "command.hpp"

namespace orbit::resp {

// Of the command's key number `key` (from 0, as find_keys tells them): RO, RW, OW or RM, then what is done to the value,
// separated by blanks.
std::string_view key_access(const CommandSpec& spec, std::span<const std::string_view> args, size_t key);

}  // namespace orbit::resp
