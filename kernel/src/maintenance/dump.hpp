// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What a storage instance holds, for people and scripts: one line an entry.
#pragma once

#include <ostream>
#include <string>

#include "orbit/result.hpp"
#include "state/engine.hpp"

namespace orbit::kernel {

struct DumpOptions {
  std::string type;   // empty: all
  bool json = false;  // one object a line
};
// Keys are decoded, values are hexadecimal. What cannot be decoded is dumped as it is, as kind "unknown".
Result<> dump_state(const Engine& engine, const DumpOptions& options, std::ostream& out);

}  // namespace orbit::kernel
