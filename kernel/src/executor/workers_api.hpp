// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The host's `orbit.workers/1`: a table of functions over an Executor.
#pragma once

#include "executor/executor.hpp"

namespace orbit::kernel {

// The id under which the host's registry holds the node's Executor* (not a table for plugins). The functions of the table
// find their executor by asking the calling host for it, so that several nodes can live in one process.
inline constexpr const char* kExecutorExtension = "orbit.kernel.executor/1";

// Lives as long as the process. Register it as ORBIT_WORKERS_V1 and the executor as kExecutorExtension, both before plugins
// are created; the executor must outlive the last call of a plugin.
const orbit_workers_v1* workers_table() noexcept;

// The executor of the node that `host` belongs to.
Executor& executor_of(const orbit_host* host) noexcept;

}  // namespace orbit::kernel
