// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What the tests of this folder share.
#pragma once

#include <map>
#include <string>

#include "maintenance/progress.hpp"
#include "sim_node.hpp"
#include "state/transfer.hpp"

namespace test {

inline const Report kQuiet = [](const Progress&) {};

inline Engine named(const char* name, Disk& disk) {
  Engine engine = disk.engine();
  engine.name = name;
  return engine;
}

// What counts of an instance: all but the notes about itself.
inline std::map<std::string, std::string> content(const Disk& disk) {
  std::map<std::string, std::string> out;
  for (const auto& [key, value] : disk.data)
    if (!key.starts_with(kNoteSpace)) out.emplace(key, value);
  return out;
}

}  // namespace test
