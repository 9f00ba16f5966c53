// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Who gets into a node: revocations, and reading users and keys again.
#pragma once

#include "commands.hpp"

namespace orbit::ctl {

ExitCode access_list(const Invocation& call);
ExitCode access_revoke(const Invocation& call);
ExitCode access_restore(const Invocation& call);
ExitCode access_reload(const Invocation& call);

}  // namespace orbit::ctl
