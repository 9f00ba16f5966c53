// SPDX-License-Identifier: MIT OR BSD-3-Clause
#pragma once

#include "orbit/ext/introspection.h"

namespace orbit::kernel {

// The table of orbit.introspection/1.
const orbit_introspection_v1* introspection_table() noexcept;

}  // namespace orbit::kernel
