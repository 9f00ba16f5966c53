// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The entries of an engine in one file; docs/formats/storage-memory.md describes its bytes.
#pragma once

#include <cstdint>
#include <orbit/encryption.hpp>
#include <orbit/files.hpp>
#include <orbit/storage.hpp>
#include <string>
#include <vector>

namespace orbit::storage_memory {

// Replaces the file `path` by the entries that `scan` visits, in one step: before it the old one is whole, after it the
// new one, also over a power cut. Uses `path`.new meanwhile. `scan` must visit keys in ascending order, each once.
// `keys`: encrypts with a key of this file alone, which the master key wraps; null: does not.
Result<> write_snapshot(FileSystem& files, const std::string& path, FunctionRef<Result<>(VisitEntry)> scan,
                        const MasterKeys* keys = nullptr);

enum class SnapshotFound { none, whole, by_previous_key };

// Gives what the file holds to `take`, some puts at a time. DATA_LOSS, with what was found and expected and at which
// byte: it is damaged; FAILED_PRECONDITION: it is of another format, or it wants another key, or none, or one. What was
// given before an error is of no use.
Result<SnapshotFound> read_snapshot(FileSystem& files, const std::string& path,
                                    FunctionRef<Result<>(std::span<const orbit_write_op>)> take,
                                    const MasterKeys* keys = nullptr);

}  // namespace orbit::storage_memory
