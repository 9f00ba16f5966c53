// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Plugins that are loaded into the running node, and unloaded.
#pragma once

#include "commands.hpp"

namespace orbit::ctl {

ExitCode plugin_load(const Invocation& call);
ExitCode plugin_unload(const Invocation& call);

}  // namespace orbit::ctl
