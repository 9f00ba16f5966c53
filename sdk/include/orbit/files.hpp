// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Files as our storage engines see them: a small interface that is injected, so that a test can put a layer below an engine
// that loses or tears what was not synced, or that fails (architecture.md, "One seed, one history"). files_posix.hpp has the
// real one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "result.hpp"

namespace orbit {

// An open file. All functions may be called from several threads at once. Errors name the file: RESOURCE_EXHAUSTED when the
// device is full, DATA_LOSS when it cannot be read or written (EIO), otherwise what fits the cause.
class File {
 public:
  virtual ~File() = default;
  // Fills `into` from `offset`; fewer bytes only where the file ends.
  virtual Result<size_t> read(uint64_t offset, std::span<char> into) = 0;
  // Writes the parts one after the other, all of them or an error; after an error any part of them may have been written.
  // Extends the file. Survives the death of the process at once, a power cut only after sync.
  virtual Result<> write(uint64_t offset, std::span<const Bytes> parts) = 0;
  Result<> write(uint64_t offset, Bytes data) { return write(offset, std::span<const Bytes>(&data, 1)); }
  // The same, for a log that puts many small pieces one after the other where the file has been written before: a real file
  // needs no call of the system for each. Where a sync follows each piece, a write is faster. From one thread at a time.
  virtual Result<> overwrite(uint64_t offset, Bytes data) { return write(offset, data); }
  // Every write that returned before the call survives a power cut. After an error nothing is known of any write since the
  // last sync that succeeded, and a later sync does not make up for it: write the bytes again.
  virtual Result<> sync() = 0;
  // The range has room on the device, so that writing there later does not fail for lack of it; extends the file, with zeros.
  virtual Result<> allocate(uint64_t offset, uint64_t length) = 0;
  virtual Result<> truncate(uint64_t size) = 0;
  virtual Result<uint64_t> size() = 0;
  // A hint that the range will be read soon.
  virtual void will_need(uint64_t offset, uint64_t length) {
    (void)offset;
    (void)length;
  }
};

// Held while an engine has its files open; a second holder, in any process, is refused.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

enum class OpenMode {
  existing,   // NOT_FOUND when there is none
  create,     // existing, or a new empty one
  exclusive,  // a new empty one; ALREADY_EXISTS
};

// Where files live. Names of files survive a power cut only after sync_directory of the directory they are in.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  // FAILED_PRECONDITION: somebody holds it. Creates the file `path` when missing.
  virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path) = 0;
  virtual Result<bool> exists(const std::string& path) = 0;
  virtual Result<> remove(const std::string& path) = 0;
  // Replaces `to` in one step.
  virtual Result<> rename(const std::string& from, const std::string& to) = 0;
  // A second name for the same file.
  virtual Result<> link(const std::string& from, const std::string& to) = 0;
  virtual Result<std::vector<std::string>> list(const std::string& directory) = 0;
  virtual Result<> make_directories(const std::string& directory) = 0;
  virtual Result<> sync_directory(const std::string& directory) = 0;
};

}  // namespace orbit
