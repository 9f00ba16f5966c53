// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "maintenance/bulk.hpp"

#include <optional>

#include "state/transfer.hpp"

namespace orbit::kernel {

namespace {

// The source's entries with the note at its place among them.
struct WithNote {
  EntrySource& source;
  const std::pair<std::string, std::string> note;
  bool note_given = false;
  bool has_next = false;  // an entry that the note came before
  std::string_view key;
  std::string_view value;
  std::optional<Error> failed;

  int next(orbit_bytes* out_key, orbit_bytes* out_value) {
    if (!has_next) {
      auto more = source.next(key, value);
      if (!more) {
        failed = std::move(more.error());
        return ORBIT_NEXT_GIVE_UP;
      }
      has_next = *more;
    }
    if (!note_given && (!has_next || key > note.first)) {
      note_given = true;
      *out_key = to_c(Bytes(note.first));
      *out_value = to_c(Bytes(note.second));
      return ORBIT_NEXT_ENTRY;
    }
    if (!has_next) return ORBIT_NEXT_END;
    has_next = false;
    *out_key = to_c(key);
    *out_value = to_c(value);
    return ORBIT_NEXT_ENTRY;
  }
};

}  // namespace

Result<> bulk_load(const Engine& engine, const orbit_storage_bulk_load_v1& table, EntrySource& source,
                   const CopyNote& note) {
  WithNote all{source, copy_note_entry(note)};
  ErrorOut error;
  const orbit_code code = table.bulk_load(
      engine.self,
      [](void* ctx, orbit_bytes* key, orbit_bytes* value) -> int {
        return static_cast<WithNote*>(ctx)->next(key, value);
      },
      &all, &error);
  if (all.failed) return tl::unexpected<Error>(std::move(*all.failed));
  if (code != ORBIT_OK) return tl::unexpected(at_storage(engine, error.take(code)));
  return {};
}

}  // namespace orbit::kernel
