// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The commands that talk to a node.
#pragma once

#include "commands.hpp"

namespace orbit::ctl {

ExitCode status(const Invocation& call);
ExitCode workers(const Invocation& call);
ExitCode plugins(const Invocation& call);
ExitCode modules(const Invocation& call);
ExitCode module_load(const Invocation& call);
ExitCode module_retire(const Invocation& call);
ExitCode storages(const Invocation& call);
ExitCode migrations(const Invocation& call);
ExitCode types(const Invocation& call);
ExitCode activations(const Invocation& call);
ExitCode inspect(const Invocation& call);
ExitCode call_actor(const Invocation& call);
ExitCode deactivate(const Invocation& call);
ExitCode config(const Invocation& call);
ExitCode log_levels(const Invocation& call);
ExitCode metrics(const Invocation& call);
ExitCode ready(const Invocation& call);

}  // namespace orbit::ctl
