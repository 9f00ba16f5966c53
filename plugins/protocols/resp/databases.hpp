// SPDX-License-Identifier: MIT OR BSD-3-Clause
// SWAPDB. A database's keys are the actors of one type; exchanging two databases exchanges their types, and which type
// each database is, is kept by an actor of its own (docs/formats/redis-values.md).
#pragma once

namespace orbit::resp {

class Server;

// Reads the order that was kept and opens the gate, which is closed at first. [main] when the workers are there
void load_database_order(Server& server);

}  // namespace orbit::resp
