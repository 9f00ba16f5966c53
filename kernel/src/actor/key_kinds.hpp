// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What the keys of an actor type are, as its .proto says.
#pragma once

#include "actor/types.hpp"
#include "orbit/ext/descriptors.h"

namespace orbit::kernel {

// Each thread remembers it. [any thread]
orbit_key_kind key_kind_of(const TypeVersion& version);

}  // namespace orbit::kernel
