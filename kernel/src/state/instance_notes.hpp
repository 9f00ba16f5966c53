// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What a storage instance says about itself, under keys of its own (docs/formats/state.md): that its content is a copy being
// made, or that it was moved elsewhere. Which of two instances counts is decided by what the source says, in one write.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "orbit/result.hpp"
#include "state/engine.hpp"

namespace orbit::kernel {

enum class CopyStage : uint8_t {
  copying,   // not complete
  verified,  // equals the source, which still counts until it says "moved"
  adopted,   // counts
};
std::string_view stage_name(CopyStage stage) noexcept;

// In the target: where its content comes from.
struct CopyNote {
  std::string id;    // of the migration; the source says it too
  std::string from;  // instance
  std::string type;  // empty: all of the source
  CopyStage stage = CopyStage::copying;
};
// In the source: it no longer counts.
struct MovedNote {
  std::string id;
  std::string to;  // instance
};

std::string new_migration_id();

// `type`: of a migration of one type; empty: of a whole instance. DATA_LOSS when it cannot be read.
Result<std::optional<CopyNote>> read_copy_note(const Engine& engine, std::string_view type = {});
Result<std::optional<MovedNote>> read_moved_note(const Engine& engine);
// Its key and value as they are stored.
std::pair<std::string, std::string> copy_note_entry(const CopyNote& note);
// Synced.
Result<> write_copy_note(const Engine& engine, const CopyNote& note);
Result<> remove_copy_note(const Engine& engine, std::string_view type);
Result<> write_moved_note(const Engine& engine, const MovedNote& note);
std::string moved_note_key();

}  // namespace orbit::kernel
