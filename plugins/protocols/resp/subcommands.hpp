// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The subcommands of CLIENT, CONFIG and their like: names, arities, help.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "key_actor.hpp"

namespace orbit::resp {

struct Subcommand {
  const char* container;  // lower case
  const char* name;
  int arity;  // as Redis: positive exact, negative at least, counting both names
  const char* summary;
};

// Grouped by container.
std::span<const Subcommand> subcommands();
// False: args[1] is no subcommand of this container, or has not so many arguments; `why` is the error. True for
// commands that are no containers.
bool check_subcommand(std::string_view container, Args args, std::string& why);
// Answers what is wrong, and HELP. True: it was answered.
bool answer_subcommand(std::string_view container, Args args, Reply& reply);

}  // namespace orbit::resp
