// SPDX-License-Identifier: MIT OR BSD-3-Clause
// `orbitctl mcp`: the Model Context Protocol over standard input and output, for clients that start a program, joined to the
// HTTP endpoint of a node.
#pragma once

#include "commands.hpp"

namespace orbit::ctl {

ExitCode mcp(const Invocation& call);

}  // namespace orbit::ctl
