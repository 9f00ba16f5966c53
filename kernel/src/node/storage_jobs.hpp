// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What an operator has a storage instance do while the node serves: be checked, counted, compacted, copied into a
// directory. One at a time, on a thread of its own: it may take as long as the device does, and the I/O pool is for the
// actors.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "maintenance/pace.hpp"
#include "maintenance/progress.hpp"
#include "observe/log.hpp"
#include "orbit/ext/storage_checkpoint.h"
#include "orbit/ext/storage_maintenance.h"
#include "orbit/result.hpp"
#include "state/engine.hpp"

namespace orbit::kernel {

class PluginHost;

class StorageJobs {
 public:
  // `pace` bounds what checks and counts read a second. All must outlive it.
  StorageJobs(const PluginHost& plugins, std::vector<Engine> all, Pace& pace, Logger& logger)
      : plugins_(plugins), all_(std::move(all)), pace_(pace), logger_(logger) {}
  ~StorageJobs() { stop(); }
  StorageJobs(const StorageJobs&) = delete;
  StorageJobs& operator=(const StorageJobs&) = delete;

  void add(const Engine& engine) { all_.push_back(engine); }  // [main]
  // `kind`: check, stats, compact, or checkpoint, which makes a second database in `path` (absolute; nothing is there
  // yet). UNIMPLEMENTED: the engine cannot. [main]
  Result<> start(const std::string& kind, const std::string& storage, const std::string& path);
  // A check and a count are given up; a compaction and a checkpoint are waited for. [main]
  void stop();
  std::string json() const;  // [any thread]

 private:
  struct Tools {
    const orbit_storage_maintenance_v1* maintenance = nullptr;
    const orbit_storage_checkpoint_v1* checkpoints = nullptr;
    const orbit_storage_snapshot_v1* snapshots = nullptr;
  };
  struct Job {
    std::string kind;
    std::string storage;
    std::string path;
    std::string stage;  // "running", "done", "failed"
    uint64_t entries = 0;
    uint64_t bytes = 0;
    std::string result = "null";  // JSON
    std::string error;
  };
  Tools tools_of(const std::string& storage) const;
  void run(Engine engine, Tools tools, Job job) noexcept;
  Result<std::string> work(const Engine& engine, const Tools& tools, const Job& job);
  Result<std::string> check(const Engine& engine, const Tools& tools);

  const PluginHost& plugins_;
  std::vector<Engine> all_;  // [main]
  Pace& pace_;
  Logger& logger_;
  std::atomic<bool> stop_{false};
  std::thread thread_;        // of the last job
  mutable std::mutex mutex_;  // guards what follows
  bool running_ = false;
  std::vector<Job> jobs_;
};

}  // namespace orbit::kernel
