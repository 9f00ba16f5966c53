// SPDX-License-Identifier: MIT OR BSD-3-Clause
#pragma once

#include "orbit/ext/descriptors.h"

namespace orbit::kernel {

// The table of orbit.descriptors/1.
const orbit_descriptors_v1* descriptors_table() noexcept;

// Types were put into service or taken out of it: the table's generation changes. [any thread]
void count_type_change() noexcept;

}  // namespace orbit::kernel
