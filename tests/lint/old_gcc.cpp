// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Must not compile with g++ 12, which silently miscompiles coroutines. Never built otherwise.
#include <orbit/task.hpp>

orbit::Task<int> answer() { co_return 42; }
