// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Always on: a broken invariant of the kernel stops the process before it can spoil state.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <source_location>

namespace orbit::kernel {

inline void invariant(bool holds, const char* what,
                      std::source_location where = std::source_location::current()) noexcept {
  if (holds) [[likely]]
    return;
  std::fprintf(stderr, "orbitd: broken invariant: %s (%s:%u)\n", what, where.file_name(), where.line());
  std::abort();
}

}  // namespace orbit::kernel
