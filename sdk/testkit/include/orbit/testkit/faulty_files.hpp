// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Files in memory that lose power and fail on demand: what goes below a storage engine in its crash tests (after ALICE,
// Pillai et al., OSDI 2014).
//
//   FaultyFiles files;
//   run(files);                                     // the workload; everything it does to the files is recorded
//   CrashWalk walk(files);
//   while (walk.step())                             // after each write, sync, ...
//     for (Loss loss : kLosses) check(*walk.crash(loss, random));   // open what a power cut at this moment left
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <orbit/files.hpp>
#include <random>
#include <string>
#include <vector>

namespace orbit::testkit {

enum class FileOperation { write, sync, allocate, truncate, name };

class FaultyFiles final : public FileSystem {
 public:
  FaultyFiles();
  ~FaultyFiles() override;

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;
  Result<bool> exists(const std::string& path) override;
  Result<> remove(const std::string& path) override;
  Result<> rename(const std::string& from, const std::string& to) override;
  Result<> link(const std::string& from, const std::string& to) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Result<> make_directories(const std::string& directory) override;
  Result<> sync_directory(const std::string& directory) override;

  // Asked before each operation that changes something; an error makes it fail. A write that fails has written its first
  // half; after a sync that failed, nothing that it should have made durable becomes durable by a later one.
  void set_fault(std::function<std::optional<Error>(FileOperation)> fault);
  // An error makes reads fail.
  void set_read_fault(std::function<std::optional<Error>()> fault);
  // Notes something in the record, for CrashWalk::mark.
  void mark(const std::string& name, uint64_t value);
  // Stops recording, and forgets the record: what is in the files counts as durable.
  void stop_recording();

  // The bytes of a file, to look at or to damage.
  std::string content(const std::string& path) const;
  void set_content(const std::string& path, std::string bytes);

 private:
  friend class CrashWalk;
  class Handle;
  struct State;
  std::shared_ptr<State> state_;
};

// What a power cut does to writes that were not synced.
enum class Loss {
  nothing,     // all of them arrived
  everything,  // none did
  some,        // each arrived or not
  torn,        // each sector of 512 bytes arrived or not
};
inline constexpr Loss kLosses[] = {Loss::nothing, Loss::everything, Loss::some, Loss::torn};

// Goes through what was recorded, one operation at a time.
class CrashWalk {
 public:
  explicit CrashWalk(const FaultyFiles& files);
  ~CrashWalk();
  bool step();  // false: there is nothing more
  size_t steps() const noexcept;
  // The newest value noted under the name, or 0.
  uint64_t mark(const std::string& name) const;
  // The files after a power cut at this moment.
  std::unique_ptr<FaultyFiles> crash(Loss loss, std::mt19937_64& random) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace orbit::testkit
