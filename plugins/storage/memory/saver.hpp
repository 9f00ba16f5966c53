// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Keeps an engine's snapshot file: read at the start, written now and then and at the end.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <orbit/encryption.hpp>
#include <orbit/files.hpp>
#include <string>
#include <thread>

#include "engine.hpp"

namespace orbit::storage_memory {

class Saver {
 public:
  // Fills the engine from `directory`/memory.snapshot. FAILED_PRECONDITION: another process uses the directory;
  // DATA_LOSS: the file is damaged; RESOURCE_EXHAUSTED: it does not fit. Then writes it every `interval` (zero: only at
  // the end) if something has changed. `failed` is told, on whatever thread, why one could not be written; the last one
  // stays. With `keys` the file is encrypted, and written at once when the previous key was needed to read it.
  static Result<std::unique_ptr<Saver>> open(Engine& engine, FileSystem& files, const std::string& directory,
                                             std::chrono::milliseconds interval,
                                             std::function<void(const Error&)> failed,
                                             std::shared_ptr<const MasterKeys> keys = nullptr);
  // Writes what has changed; the engine must still be there.
  ~Saver();

  // Now, whatever has changed. [any thread]
  Result<> save();

 private:
  Saver(Engine& engine, FileSystem& files, std::string path, std::function<void(const Error&)> failed,
        std::shared_ptr<const MasterKeys> keys)
      : engine_(engine), files_(files), path_(std::move(path)), failed_(std::move(failed)), keys_(std::move(keys)) {}
  void run(std::chrono::milliseconds interval);
  void save_changes();

  Engine& engine_;
  FileSystem& files_;
  const std::string path_;
  const std::function<void(const Error&)> failed_;
  const std::shared_ptr<const MasterKeys> keys_;  // null: not encrypted
  std::unique_ptr<FileLock> lock_;
  bool loaded_ = false;  // a file that could not be read is not replaced
  std::mutex saving_;
  uint64_t saved_ = 0;  // the engine's sequence in the file; with saving_ held
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace orbit::storage_memory
