// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Access control as a configuration has it.
#pragma once

#include "access/access.hpp"
#include "config/node_config.hpp"

namespace orbit::kernel {

// [access] and [[rule]]. Patterns that are none go to `mistakes`.
AccessOptions access_options(const NodeConfig& config, Mistakes& mistakes);

}  // namespace orbit::kernel
