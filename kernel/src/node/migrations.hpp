// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The online migrations of a node: at most one at a time.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "maintenance/online_migration.hpp"
#include "observe/log.hpp"

namespace orbit::kernel {

class Runtime;

class Migrations {
 public:
  Migrations(Executor& executor, Runtime& runtime, std::vector<Engine> all, Pace& pace, Logger& logger);

  // One more instance, not in use. Blocks for a moment. [main]
  void add(const Engine& engine);
  // Blocks for a moment. [main]
  Result<> start(const std::string& from, const std::string& to);
  // The running one ends where it is, to be started again later. [main]
  void stop();

  std::string storages_json() const;    // [any thread], as the next
  std::string migrations_json() const;

 private:
  std::vector<Engine> all() const;
  Executor& executor_;
  Runtime& runtime_;
  Pace& pace_;
  Logger& logger_;
  mutable std::mutex mutex_;  // guards what follows
  std::vector<Engine> all_;
  std::vector<OnlineMigration::Status> interrupted_;  // found when an instance came
  std::vector<std::unique_ptr<OnlineMigration>> begun_;
};

}  // namespace orbit::kernel
