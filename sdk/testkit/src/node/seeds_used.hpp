// SPDX-License-Identifier: MIT OR BSD-3-Clause
#pragma once

#include <cstdint>

namespace orbit::testkit::detail {

void note_seed(uint64_t seed);
bool seeds_are_printed() noexcept;

}  // namespace orbit::testkit::detail
