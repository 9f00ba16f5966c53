// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The host's `orbit.net/1`: a table of functions over a Net.
#pragma once

#include "net/net.hpp"

namespace orbit::kernel {

// The id under which the host's registry holds the node's Net* (not a table for plugins); the table's `listen` asks the
// calling host for it.
inline constexpr const char* kNetExtension = "orbit.kernel.net/1";

// Lives as long as the process. Register it as ORBIT_NET_V1 and the net as kNetExtension, both before plugins are created.
const orbit_net_v1* net_table() noexcept;

// The options of a plugin that may have been built with fewer of them.
Result<orbit_listen_options> whole_options(const orbit_listen_options* options);

}  // namespace orbit::kernel
