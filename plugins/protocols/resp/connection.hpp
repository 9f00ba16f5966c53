// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Between orbit.net/1 and sessions: the handler's functions, and the listener.
#pragma once

#include "orbit/ext/net.h"
#include "orbit/result.hpp"
#include "server.hpp"

namespace orbit::resp {

// Starts to listen as the server's settings say. The server lives until the node has stopped. [main]
Result<orbit_listener*> listen(Server& server);

}  // namespace orbit::resp
