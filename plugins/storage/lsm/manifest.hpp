// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Which tables there are. The file MANIFEST holds all of it under one checksum and is replaced in one step, so that it
// is never torn: whatever does not check is damage.
#pragma once

#include <array>
#include <optional>
#include <orbit/files.hpp>

#include "log.hpp"
#include "table.hpp"

namespace orbit::lsm {

constexpr size_t kLevels = 7;

// All writes up to `sequence` were made at or before `seconds`.
struct WrittenBy {
  uint64_t sequence;
  uint64_t seconds;
};

struct Manifest {
  uint64_t next_file = 1;
  uint64_t first_log = 0;  // logs before this one are in tables
  uint64_t last_sequence = 0;
  LogPosition synced;  // how far the log was known to be synced
  std::vector<WrittenBy> times;
  std::array<std::vector<TableInfo>, kLevels> levels;  // level 0: the newest first; others: by key

  std::string encode() const;
  static Manifest decode(Bytes data, const std::string& path);  // DATA_LOSS
};

std::string manifest_path(const std::string& directory);
std::string table_path(const std::string& directory, uint64_t number);
std::string log_path(const std::string& directory, uint64_t number);
// The number in a file's name that ends in `suffix`; none: it is no such name.
std::optional<uint64_t> number_of(const std::string& name, std::string_view suffix);

// Durable on return. After an error either the old or the new one may be there.
// `keyring`: null when the database is not encrypted. The data keys in `used` stay in it.
void write_manifest(FileSystem& files, const std::string& directory, const Manifest& manifest, const Keyring* keyring,
                    const std::set<uint64_t>& used);
// None: there is no database. Sets `keyring` when it is encrypted. FAILED_PRECONDITION (raised): with another key, or only one of
// database and `master` is with encryption.
std::optional<Manifest> read_manifest(FileSystem& files, const std::string& directory, const std::shared_ptr<const MasterKeys>& master,
                                      std::unique_ptr<Keyring>& keyring);
std::string read_file(FileSystem& files, const std::string& path);

}  // namespace orbit::lsm
