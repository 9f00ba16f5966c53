// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The commands about storage instances. Those that work on the files of a stopped node are done by orbitd, which has the
// engines: this program becomes it.
#pragma once

#include "commands.hpp"

namespace orbit::ctl {

ExitCode storage_migrate(const Invocation& call);
ExitCode storage_check(const Invocation& call);
ExitCode storage_stats(const Invocation& call);
ExitCode storage_compact(const Invocation& call);
ExitCode storage_checkpoint(const Invocation& call);
ExitCode storage_pace(const Invocation& call);
ExitCode storage_backup(const Invocation& call);
ExitCode storage_restore(const Invocation& call);
ExitCode storage_dump(const Invocation& call);

}  // namespace orbit::ctl
