// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Backups in a folder or elsewhere (a place): chunks named by the hash of their content, and a manifest for each backup, which
// lists them. What did
// not change since an earlier backup has the same chunks, and is not written again. The format: docs/formats/backup.md.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "maintenance/backup_place.hpp"
#include "maintenance/pace.hpp"
#include "maintenance/progress.hpp"
#include "orbit/ext/storage_maintenance.h"
#include "orbit/result.hpp"
#include "state/engine.hpp"

namespace orbit::kernel {

struct BackupChunk {
  std::string hash;  // SHA-256 of the file, hexadecimal
  uint64_t bytes = 0;
  uint64_t entries = 0;
  bool operator==(const BackupChunk&) const = default;
};
struct Manifest {
  std::string source;   // storage instance
  std::string created;  // RFC 3339
  std::vector<BackupChunk> chunks;
  uint64_t entries() const noexcept;
  uint64_t bytes() const noexcept;
};
std::string manifest_text(const Manifest& manifest);
// DATA_LOSS when it is cut, changed, or none.
Result<Manifest> parse_manifest(std::string_view text);
// The lines between the first and the last.
Result<Manifest> parse_manifest_lines(std::string_view lines);

// The entries of a chunk's file, in order; `visit` gets key and value. DATA_LOSS when it is none.
Result<> read_chunk_file(std::string_view bytes, const std::function<void(std::string_view, std::string_view)>& visit);

struct BackupResult {
  uint64_t number = 0;  // of the backup in its place
  uint64_t entries = 0;
  uint64_t chunks = 0;
  uint64_t new_chunks = 0;
  uint64_t new_bytes = 0;
};
// Makes the next backup in the place, of what the instance has at this moment; others may write to it meanwhile. It is
// there when its manifest is, which is written last. Gives up soon when `stop` (may be null) becomes true. `pace` (may
// be null) bounds what is read a second.
Result<BackupResult> backup(const Engine& engine, BackupPlace& place, const Report& report,
                            const std::atomic<bool>* stop = nullptr, Pace* pace = nullptr);

struct PruneResult {
  uint64_t backups = 0;
  uint64_t chunks = 0;
};
// Removes all backups of the place but the `keep` newest (at least 1), and the chunks that none of those needs. Nothing is
// removed when one of those cannot be read.
Result<PruneResult> prune_backups(BackupPlace& place, uint64_t keep);

// Reads all that the backup needs (number 0: the newest) and compares it with the hashes.
Result<Manifest> check_backup(BackupPlace& place, uint64_t number, const Report& report);

// Fills an empty instance, and compares what it then has with the backup. One that did not end may be begun again, and
// a node does not start on it. `bulk` (may be null): the engine's way to be filled at once.
Result<Manifest> restore(BackupPlace& place, uint64_t number, const Engine& engine, const Report& report,
                         const orbit_storage_bulk_load_v1* bulk = nullptr);

}  // namespace orbit::kernel
