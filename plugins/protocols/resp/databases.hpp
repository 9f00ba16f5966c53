// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What whole databases undergo: SWAPDB, FLUSHDB, FLUSHALL. A database's keys are the actors of one type; exchanging two
// databases exchanges their types, and which type each database is, is kept by an actor of its own
// (docs/formats/redis-values.md).
#pragma once

#include <functional>
#include <string>

#include "server.hpp"

namespace orbit::resp {

// Reads the order that was kept and opens the gate, which is closed at first. [main] when the workers are there
void load_database_order(Server& server);

// Actor types of databases: bit n is Server::type(n).
using TypeSet = uint32_t;
inline constexpr TypeSet kAllTypes = (TypeSet{1} << kDatabaseCount) - 1;

// What a FLUSHDB, FLUSHALL or SWAPDB does, which stands for any number of them in a row.
struct DatabaseChange {
  const char* error = nullptr;  // the arguments are wrong, and nothing is done
  TypeSet erased = 0;
  TypeSet exchanged = 0;
};
// `order` is that before the command, and becomes that after it. `database`: the one that is selected.
DatabaseChange read_database_change(std::string_view command, Args args, uint32_t database,
                                    Server::DatabaseOrder& order);
// As the actor of the order has it.
std::string write_order(const Server::DatabaseOrder& order);
bool has(const Server& server, TypeSet types, const orbit_type* type);
// Tells clients what has happened to these types: watches of exchanged ones are broken, and who waits for keys is known
// to the right actors again. Then `done`, on this worker. [worker]
void tell_clients(Server& server, TypeSet erased, TypeSet exchanged, std::function<void()> done);

}  // namespace orbit::resp
