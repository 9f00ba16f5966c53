// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Filling an empty storage instance at once, where its engine can (orbit.storage.bulk_load/1).
#pragma once

#include <string>
#include <string_view>

#include "orbit/ext/storage_maintenance.h"
#include "orbit/result.hpp"
#include "state/engine.hpp"
#include "state/instance_notes.hpp"

namespace orbit::kernel {

// Where entries come from, in ascending order of keys.
class EntrySource {
 public:
  virtual ~EntrySource() = default;
  // False: there are no more. The bytes are valid until the next call.
  virtual Result<bool> next(std::string_view& key, std::string_view& value) = 0;
};

// All that the source has, and the note, or nothing; durable. An error of the source ends it and is the answer.
Result<> bulk_load(const Engine& engine, const orbit_storage_bulk_load_v1& table, EntrySource& source,
                   const CopyNote& note);

}  // namespace orbit::kernel
