// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The commands that show what the actors of a node do at this moment, and the one that looks for actors.
#pragma once

#include <boost/json.hpp>
#include <iosfwd>

#include "commands.hpp"

namespace orbit::ctl {

ExitCode top(const Invocation& call);
ExitCode waits(const Invocation& call);
ExitCode slow_turns(const Invocation& call);
ExitCode dead_letters(const Invocation& call);
ExitCode query(const Invocation& call);

// The graph of GET /v1/waits as a tree: who waits, and under it for whom.
void print_waits(std::ostream& out, const boost::json::value& graph);
// One screen of `top`. `before` (null: none) is what was shown `seconds` ago.
void print_top(std::ostream& out, const boost::json::value& node, const boost::json::value& top,
               const boost::json::value& waits, const boost::json::value& before, double seconds, size_t width);

}  // namespace orbit::ctl
