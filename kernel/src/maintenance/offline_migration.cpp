// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "maintenance/offline_migration.hpp"

#include "state/instance_notes.hpp"
#include "state/transfer.hpp"

namespace orbit::kernel {

namespace {

Result<> refuse_same(const Engine& from, const Engine& to) {
  if (from.name == to.name) return fail(Code::invalid_argument, "the source and the target are both '" + from.name + "'");
  return {};
}

// The note of a migration from `from` into `to` that may go on, or a new one.
Result<CopyNote> begin(const Engine& from, const Engine& to, const std::string& type, const std::vector<Part>& parts) {
  auto noted = read_copy_note(to, type);
  if (!noted) return tl::unexpected(noted.error());
  const std::string what = type.empty() ? "something" : "actors of the type " + type;
  if (!*noted) {
    auto holds = holds_any(to, parts);
    if (!holds) return tl::unexpected(holds.error());
    if (*holds)
      return fail(Code::failed_precondition, "the storage '" + to.name + "' holds " + what +
                                                 " that is not from a migration; the target of a migration must be empty");
    CopyNote note{new_migration_id(), from.name, type, CopyStage::copying};
    if (auto written = write_copy_note(to, note); !written) return tl::unexpected(written.error());
    return note;
  }
  CopyNote note = **noted;
  if (note.stage == CopyStage::adopted)
    return fail(Code::failed_precondition, "the storage '" + to.name + "' is in use: what it holds came from '" + note.from +
                                               "' in an earlier migration; the target of a migration must be empty");
  if (note.from != from.name)
    return fail(Code::failed_precondition, "the storage '" + to.name + "' holds part of a migration from '" + note.from +
                                               "'; expected one from '" + from.name + "' or an empty storage");
  return note;
}

Result<> copy(const Engine& from, const Engine& to, const std::vector<Part>& parts, const Report& report,
              MigrationResult& result) {
  Progress progress{"copying"};
  for (const Part& part : parts) {
    std::string at = part.from;
    for (bool last = false; !last;) {
      auto chunk = read_chunk(from, part, at, true);
      if (!chunk) return tl::unexpected(chunk.error());
      auto wrote = put_chunk(to, part, at, *chunk);
      if (!wrote) return tl::unexpected(wrote.error());
      result.written_chunks += *wrote;
      ++result.chunks;
      progress.entries += chunk->entries;
      progress.bytes += chunk->bytes;
      report(progress);
      last = chunk->last;
      at = std::move(chunk->to);
    }
  }
  result.entries = progress.entries;
  result.bytes = progress.bytes;
  ErrorOut error;
  const orbit_code code = to.table->sync(to.self, &error);
  if (code != ORBIT_OK) return tl::unexpected(at_storage(to, error.take(code)));
  return {};
}

Result<> verify(const Engine& from, const Engine& to, const std::vector<Part>& parts, const Report& report) {
  Progress progress{"verifying"};
  for (const Part& part : parts) {
    std::string at = part.from;
    for (bool last = false; !last;) {
      auto chunk = read_chunk(from, part, at, false);
      if (!chunk) return tl::unexpected(chunk.error());
      auto there = read_range(to, part, at, chunk->to);
      if (!there) return tl::unexpected(there.error());
      if (there->sum != chunk->sum)
        return fail(Code::data_loss, "a range of " + std::to_string(chunk->entries) + " entries of '" + from.name + "' has another "
                                         "checksum in '" + to.name + "' (" + std::to_string(there->entries) +
                                         " entries) after it was copied; start the migration again");
      progress.entries += chunk->entries;
      progress.bytes += chunk->bytes;
      report(progress);
      last = chunk->last;
      at = std::move(chunk->to);
    }
  }
  return {};
}

// Of one type in the source. Its main records go last: as long as one is there, a node refuses the type.
Result<> remove(const Engine& from, const std::vector<Part>& parts, const Report& report) {
  const Engine& engine = from;
  Progress progress{"removing"};
  for (const Part& part : parts) {
    std::string at = part.from;
    for (bool last = false; !last;) {
      auto chunk = read_chunk(engine, part, at, false);
      if (!chunk) return tl::unexpected(chunk.error());
      const Chunk none{chunk->to, chunk->last};
      if (auto removed = put_chunk(engine, part, at, none); !removed) return tl::unexpected(removed.error());
      progress.entries += chunk->entries;
      progress.bytes += chunk->bytes;
      report(progress);
      last = chunk->last;
      at = std::move(chunk->to);
    }
  }
  ErrorOut error;
  const orbit_code code = engine.table->sync(engine.self, &error);
  if (code != ORBIT_OK) return tl::unexpected(at_storage(engine, error.take(code)));
  return {};
}

Result<> refuse_moved(const Engine& from) {
  auto moved = read_moved_note(from);
  if (!moved) return tl::unexpected(moved.error());
  if (*moved)
    return fail(Code::failed_precondition, "the storage '" + from.name + "' was migrated to '" + (*moved)->to + "' already");
  return {};
}

}  // namespace

Result<MigrationResult> migrate_offline(const Engine& from, const Engine& to, const Report& report) {
  if (auto good = refuse_same(from, to); !good) return tl::unexpected(good.error());
  auto moved = read_moved_note(from);
  if (!moved) return tl::unexpected(moved.error());
  MigrationResult result;
  if (*moved) {
    // Ended between the last two writes: only the target has to hear of it.
    auto noted = read_copy_note(to);
    if (!noted) return tl::unexpected(noted.error());
    if (!*noted || (*noted)->id != (*moved)->id || (*noted)->stage != CopyStage::verified) {
      auto refused = refuse_moved(from);
      return tl::unexpected(refused.error());
    }
    (*noted)->stage = CopyStage::adopted;
    if (auto written = write_copy_note(to, **noted); !written) return tl::unexpected(written.error());
    return result;
  }
  const std::vector<Part> parts = all_parts();
  auto note = begin(from, to, {}, parts);
  if (!note) return tl::unexpected(note.error());
  if (auto copied = copy(from, to, parts, report, result); !copied) return tl::unexpected(copied.error());
  if (auto verified = verify(from, to, parts, report); !verified) return tl::unexpected(verified.error());
  note->stage = CopyStage::verified;
  if (auto written = write_copy_note(to, *note); !written) return tl::unexpected(written.error());
  if (auto written = write_moved_note(from, {note->id, to.name}); !written) return tl::unexpected(written.error());
  note->stage = CopyStage::adopted;
  if (auto written = write_copy_note(to, *note); !written) return tl::unexpected(written.error());
  return result;
}

Result<MigrationResult> migrate_type_offline(const Engine& from, const Engine& to, const std::string& type,
                                             const Report& report) {
  if (auto good = refuse_same(from, to); !good) return tl::unexpected(good.error());
  if (type.empty() || type.size() > 255)
    return fail(Code::invalid_argument, "the type's name has " + std::to_string(type.size()) + " bytes, expected 1 to 255");
  for (const Engine* each : {&from, &to})
    if (auto good = refuse_moved(*each); !good) return tl::unexpected(good.error());
  auto whole = read_copy_note(to);
  if (!whole) return tl::unexpected(whole.error());
  if (*whole && (*whole)->stage != CopyStage::adopted)
    return fail(Code::failed_precondition,
                "the storage '" + to.name + "' holds part of a migration of all of '" + (*whole)->from + "', which did not end");
  const std::vector<Part> parts = parts_of_type(type);
  auto note = begin(from, to, type, parts);
  if (!note) return tl::unexpected(note.error());
  MigrationResult result;
  // Verified: the source may have lost some of it already.
  if (note->stage == CopyStage::copying) {
    if (auto copied = copy(from, to, parts, report, result); !copied) return tl::unexpected(copied.error());
    if (auto verified = verify(from, to, parts, report); !verified) return tl::unexpected(verified.error());
    note->stage = CopyStage::verified;
    if (auto written = write_copy_note(to, *note); !written) return tl::unexpected(written.error());
  }
  if (auto removed = remove(from, parts, report); !removed) return tl::unexpected(removed.error());
  if (auto removed = remove_copy_note(to, type); !removed) return tl::unexpected(removed.error());
  return result;
}

}  // namespace orbit::kernel
