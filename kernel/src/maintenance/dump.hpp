// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What a storage instance holds, for people and scripts: one line an entry.
#pragma once

#include <ostream>
#include <string>

#include "maintenance/state_types.hpp"
#include "orbit/result.hpp"
#include "state/engine.hpp"

namespace orbit::kernel {

struct DumpOptions {
  std::string type;   // empty: all
  bool json = false;  // one object a line
  const StateTypes* types = nullptr;  // null: no type's state is known
};
// Keys are decoded, and values as far as they are known: state messages become JSON with the descriptors of their
// module, reminders and journals tell their fields; the rest is hexadecimal. What cannot be decoded is dumped as it is,
// as kind "unknown".
Result<> dump_state(const Engine& engine, const DumpOptions& options, std::ostream& out);

}  // namespace orbit::kernel
