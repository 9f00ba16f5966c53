// SPDX-License-Identifier: MIT OR BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace orbit::kernel {

// How far a long piece of work is; told after every chunk.
struct Progress {
  std::string_view stage;  // "copying", "verifying", ...
  uint64_t entries = 0;    // seen in this stage
  uint64_t bytes = 0;
};
using Report = std::function<void(const Progress&)>;

}  // namespace orbit::kernel
