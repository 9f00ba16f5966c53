// SPDX-License-Identifier: MIT OR BSD-3-Clause
// `orbitd storage COMMAND`: work on the storage instances of a node that is stopped. `orbitctl storage` is its face.
#pragma once

#include "node/node.hpp"

namespace orbit::kernel {

// argv[0] is the command. The process's exit code: 0 done, 1 refused or damaged, 2 the command line is wrong.
int storage_command(int argc, char** argv, const NodeOptions& options);

}  // namespace orbit::kernel
