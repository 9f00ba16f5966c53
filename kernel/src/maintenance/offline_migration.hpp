// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Moving what one storage instance has to another, while no node uses either.
#pragma once

#include <string>

#include "maintenance/pace.hpp"
#include "maintenance/progress.hpp"
#include "orbit/ext/storage_maintenance.h"
#include "orbit/result.hpp"
#include "state/engine.hpp"

namespace orbit::kernel {

struct MigrationResult {
  uint64_t entries = 0;
  uint64_t bytes = 0;
  uint64_t written_chunks = 0;  // the others were there already
  uint64_t chunks = 0;
};

// Copies, compares both by checksum range by range, and only then says in the source that it was moved: from that write
// on the target counts. Whatever ends it before, calling it again goes on: ranges that are equal already are not
// written again. Refused: a target that holds something else, a source that was moved. Nothing of a whole source is
// removed. `pace` (may be null) bounds what is read a second; `bulk` (may be null): the target's way to be filled at
// once.
Result<MigrationResult> migrate_offline(const Engine& from, const Engine& to, const Report& report,
                                        Pace* pace = nullptr, const orbit_storage_bulk_load_v1* bulk = nullptr);

// The same for the actors of one type, with their index entries and what is due for them; what the source has of them is
// removed at the end. The target may have other types.
Result<MigrationResult> migrate_type_offline(const Engine& from, const Engine& to, const std::string& type,
                                             const Report& report, Pace* pace = nullptr);

}  // namespace orbit::kernel
