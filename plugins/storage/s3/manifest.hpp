// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The one object that is replaced: which tables and logs there are, and whose turn it is to write.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "table.hpp"

namespace orbit::s3 {

constexpr size_t kLevels = 7;
constexpr const char* kManifestName = "manifest";

struct Manifest {
  uint64_t epoch = 0;        // of the writer; each one that opens takes the next
  std::string writer_id;     // 16 random bytes: tells a lost answer from somebody else's write
  std::string writer;        // for people: host, process, time
  uint64_t edit = 0;         // counts the writes of this object
  uint64_t wal_flushed = 0;  // logs up to this are in tables
  uint64_t wal_removed = 0;  // logs up to this are removed, but for those that fence
  std::array<std::vector<TableInfo>, kLevels> levels;  // level 0: the newest first; others: by key, without overlap

  std::string encode() const;
  static Manifest decode(Bytes object, const std::string& what);
};

}  // namespace orbit::s3
