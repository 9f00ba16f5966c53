// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The conformance suite of orbit.storage/1, orbit.storage.snapshot/1, orbit.storage.cached/1, orbit.storage.fenced/1,
// orbit.storage.shared/1, orbit.storage.checkpoint/1, orbit.storage.maintenance/1 and orbit.storage.bulk_load/1. An
// engine that passes it keeps the contract that the kernel relies on, as far as one process can tell; what a crash
// leaves is for a crash test.
//
//   orbit-storage-conformance path/to/plugin.so [--set key=value]...
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "orbit/testkit/plugin_file.hpp"

namespace orbit::testkit {

struct StorageConformance {
  // Makes an instance on the same data each time, with `extra` settings on top of the usual ones. At most one is alive at a
  // time, except where `extra` is given or the plugin provides orbit.storage.shared/1; then it is called by several threads
  // too. Everything that is stored there is erased.
  std::function<Result<std::unique_ptr<PluginInstance>>(std::span<const Setting> extra)> open;
  bool durable = true;  // whether data is expected to be there after a reopen
  // A setting that makes the engine refuse writes at about a megabyte; enables the case about bounds. Its instance must not
  // share data with the usual one.
  std::optional<Setting> bound;
  // For orbit.storage.checkpoint/1: the key of the setting that says where the data lies, and a path where nothing is.
  std::string path_key;
  std::function<std::string()> free_path;
  uint64_t seed = 1;  // of the random cases; printed with a failure
  std::string only;   // runs only cases whose name contains this
  // Per cent, 1 to 100: of the steps that the cases with random operations and with several threads take. A build with
  // sanitizers sees as much in a part of them.
  uint32_t effort = 100;
};

struct ConformanceReport {
  size_t passed = 0;
  size_t failed = 0;
  size_t skipped = 0;
};

// Runs every case that applies and writes a line for each. Uses a few threads; takes seconds.
ConformanceReport run_storage_conformance(const StorageConformance& suite, std::ostream& out);

}  // namespace orbit::testkit
