// SPDX-License-Identifier: MIT OR BSD-3-Clause
// SORT whose BY and GET name other keys by pattern: which keys those are, and the command over them.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "command.hpp"

namespace orbit::resp {

// Whether BY or GET name keys that only the elements tell.
bool sort_names_keys(std::span<const std::string_view> args);
// The names of all such keys, for the value that is sorted; some come twice. Nothing when the arguments are wrong.
std::vector<std::string> sort_named_keys(std::span<const std::string_view> args, const Value& sorted);

// What a key holds; null or none: nothing.
using SortLookup = std::function<const Value*(std::string_view key)>;
// As commands::sort or sort_ro, over keys that were found so.
void sort_with(CommandContext& ctx, bool may_store, const SortLookup& lookup);

}  // namespace orbit::resp
