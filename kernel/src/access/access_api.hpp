// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The host's `orbit.access/1`: a table of functions over an Access.
#pragma once

#include "access/access.hpp"

namespace orbit::kernel {

// The id under which the host's registry holds the node's Access* (not a table for plugins).
inline constexpr const char* kAccessExtension = "orbit.kernel.access/1";

// Lives as long as the process. Register it as ORBIT_ACCESS_V1 and the access control as kAccessExtension, both before plugins
// are created.
const orbit_access_v1* access_table() noexcept;

}  // namespace orbit::kernel
