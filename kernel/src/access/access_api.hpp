// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The host's `orbit.access/1`.
#pragma once

#include "orbit/ext/access.h"

namespace orbit::kernel {

// Lives as long as the process.
const orbit_access_v1* access_table() noexcept;

}  // namespace orbit::kernel
