// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "maintenance/offline_migration.hpp"

#include "maintenance/bulk.hpp"
#include "state/instance_notes.hpp"
#include "state/transfer.hpp"

namespace orbit::kernel {

namespace {

Result<> refuse_same(const Engine& from, const Engine& to) {
  if (from.name == to.name) return fail(Code::invalid_argument, "the source and the target are both '" + from.name + "'");
  return {};
}

struct Begun {
  CopyNote note;
  bool fresh;  // the note is not written yet
};

// The note of a migration from `from` into `to` that may go on, or a new one.
Result<Begun> begin(const Engine& from, const Engine& to, const std::string& type, const std::vector<Part>& parts) {
  auto noted = read_copy_note(to, type);
  if (!noted) return tl::unexpected(noted.error());
  const std::string what = type.empty() ? "something" : "actors of the type " + type;
  if (!*noted) {
    auto holds = holds_any(to, parts);
    if (!holds) return tl::unexpected(holds.error());
    if (*holds)
      return fail(Code::failed_precondition, "the storage '" + to.name + "' holds " + what +
                                                 " that is not from a migration; the target of a migration must be empty");
    return Begun{{new_migration_id(), from.name, type, CopyStage::copying}, true};
  }
  CopyNote note = **noted;
  if (note.stage == CopyStage::adopted)
    return fail(Code::failed_precondition, "the storage '" + to.name + "' is in use: what it holds came from '" + note.from +
                                               "' in an earlier migration; the target of a migration must be empty");
  if (note.from != from.name)
    return fail(Code::failed_precondition, "the storage '" + to.name + "' holds part of a migration from '" + note.from +
                                               "'; expected one from '" + from.name + "' or an empty storage");
  return Begun{std::move(note), false};
}

// What the parts of an engine have, one after the other.
class PartsSource final : public EntrySource {
 public:
  PartsSource(const Engine& from, const std::vector<Part>& parts, const Report& report, Pace* pace,
              MigrationResult& result)
      : from_(from), parts_(parts), report_(report), pace_(pace), result_(result), next_(parts.front().from) {}
  Result<bool> next(std::string_view& key, std::string_view& value) override {
    while (at_ == chunk_.sizes.size()) {
      if (part_ == parts_.size()) return false;
      auto chunk = read_chunk(from_, parts_[part_], next_, true);
      if (!chunk) return tl::unexpected(chunk.error());
      chunk_ = std::move(*chunk);
      at_ = offset_ = 0;
      next_ = chunk_.to;
      if (chunk_.last && ++part_ < parts_.size()) next_ = parts_[part_].from;
      ++result_.chunks;
      ++result_.written_chunks;
      progress_.entries = result_.entries += chunk_.entries;
      progress_.bytes = result_.bytes += chunk_.bytes;
      report_(progress_);
      if (pace_ != nullptr) pace_->wait(chunk_.bytes, nullptr);
    }
    const auto [key_size, value_size] = chunk_.sizes[at_++];
    key = std::string_view(chunk_.data).substr(offset_, key_size);
    value = std::string_view(chunk_.data).substr(offset_ + key_size, value_size);
    offset_ += key_size + value_size;
    return true;
  }

 private:
  const Engine& from_;
  const std::vector<Part>& parts_;
  const Report& report_;
  Pace* const pace_;
  MigrationResult& result_;
  Progress progress_{"copying"};
  size_t part_ = 0;
  std::string next_;
  Chunk chunk_;
  size_t at_ = 0;
  size_t offset_ = 0;
};

Result<> copy(const Engine& from, const Engine& to, const std::vector<Part>& parts, const Report& report, Pace* pace,
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
      if (pace != nullptr) pace->wait(chunk->bytes, nullptr);
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

Result<> verify(const Engine& from, const Engine& to, const std::vector<Part>& parts, const Report& report,
                Pace* pace) {
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
      if (pace != nullptr) pace->wait(2 * chunk->bytes, nullptr);
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

Result<MigrationResult> migrate_offline(const Engine& from, const Engine& to, const Report& report, Pace* pace,
                                        const orbit_storage_bulk_load_v1* bulk) {
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
  auto begun = begin(from, to, {}, parts);
  if (!begun) return tl::unexpected(begun.error());
  CopyNote& note = begun->note;
  if (begun->fresh && bulk != nullptr) {
    PartsSource source(from, parts, report, pace, result);
    if (auto loaded = bulk_load(to, *bulk, source, note); !loaded) return tl::unexpected(loaded.error());
  } else {
    if (auto written = begun->fresh ? write_copy_note(to, note) : Result<>(); !written)
      return tl::unexpected(written.error());
    if (auto copied = copy(from, to, parts, report, pace, result); !copied) return tl::unexpected(copied.error());
  }
  if (auto verified = verify(from, to, parts, report, pace); !verified) return tl::unexpected(verified.error());
  note.stage = CopyStage::verified;
  if (auto written = write_copy_note(to, note); !written) return tl::unexpected(written.error());
  if (auto written = write_moved_note(from, {note.id, to.name}); !written) return tl::unexpected(written.error());
  note.stage = CopyStage::adopted;
  if (auto written = write_copy_note(to, note); !written) return tl::unexpected(written.error());
  return result;
}

Result<MigrationResult> migrate_type_offline(const Engine& from, const Engine& to, const std::string& type,
                                             const Report& report, Pace* pace) {
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
  auto begun = begin(from, to, type, parts);
  if (!begun) return tl::unexpected(begun.error());
  CopyNote& note = begun->note;
  MigrationResult result;
  // Verified: the source may have lost some of it already.
  if (note.stage == CopyStage::copying) {
    if (auto written = begun->fresh ? write_copy_note(to, note) : Result<>(); !written)
      return tl::unexpected(written.error());
    if (auto copied = copy(from, to, parts, report, pace, result); !copied) return tl::unexpected(copied.error());
    if (auto verified = verify(from, to, parts, report, pace); !verified) return tl::unexpected(verified.error());
    note.stage = CopyStage::verified;
    if (auto written = write_copy_note(to, note); !written) return tl::unexpected(written.error());
  }
  if (auto removed = remove(from, parts, report); !removed) return tl::unexpected(removed.error());
  if (auto removed = remove_copy_note(to, type); !removed) return tl::unexpected(removed.error());
  return result;
}

}  // namespace orbit::kernel
