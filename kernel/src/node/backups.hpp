// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Backups of storage instances while the node serves: at most one at a time, as one job of the I/O pool.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "executor/executor.hpp"
#include "maintenance/backup.hpp"
#include "observe/log.hpp"

namespace orbit::kernel {

class PluginHost;
class Runtime;

class Backups {
 public:
  Backups(Executor& executor, Runtime& runtime, const PluginHost& plugins, Pace& pace, Logger& logger)
      : executor_(executor), runtime_(runtime), plugins_(plugins), pace_(pace), logger_(logger) {}

  // Begins to save the instance, one in use, as of this moment into the folder (absolute) or to the address. [main]
  Result<> start(const std::string& storage, const std::string& folder);
  // The running one is given up; what it wrote serves the next one. Returns when it has ended. [main]
  void stop();
  std::string json() const;  // [any thread]

 private:
  struct Job {
    std::string storage;
    std::string folder;
    std::string stage;  // "saving", "done", "failed"
    uint64_t entries = 0;
    uint64_t bytes = 0;
    BackupResult result;
    std::string error;
  };
  void run();

  Executor& executor_;
  Runtime& runtime_;
  const PluginHost& plugins_;
  Pace& pace_;
  Logger& logger_;
  std::atomic<bool> stop_{false};
  Engine engine_;  // of the running one
  OpenPlace open_place_;
  mutable std::mutex mutex_;
  std::condition_variable ended_;
  bool running_ = false;
  std::vector<Job> jobs_;
};

}  // namespace orbit::kernel
