// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "waiting.hpp"

namespace orbit::lsm {

Result<> Engine::checkpoint(const std::string& path) {
  if (auto flushed = flush(); !flushed) return flushed;
  return guarded([&] {
    if (must(files_.exists(path))) raise(Code::already_exists, path + " exists");
    // Holding the state keeps the tables' files.
    const auto state = hold_state();
    must(files_.make_directories(path));
    Manifest manifest;
    manifest.next_file = next_file_;
    manifest.last_sequence = last_sequence_;
    for (size_t level = 0; level < kLevels; ++level) {
      for (const TablePtr& table : state->version->levels[level]) {
        must(files_.link(table->path(), table_path(path, table->info.number)));
        manifest.levels[level].push_back(table->info);
      }
    }
    {
      const std::lock_guard lock(times_lock_);
      manifest.times = times_;
    }
    must(files_.sync_directory(path));
    write_manifest(files_, path, manifest, keyring_.get(), keyring_ != nullptr ? keyring_->all() : std::set<uint64_t>());
    const size_t slash = path.find_last_of('/');
    must(files_.sync_directory(slash == std::string::npos ? "." : path.substr(0, slash)));
  });
}

Result<> Engine::verify() {
  return guarded([&] {
    const auto state = hold_state();
    for (const auto& level : state->version->levels)
      for (const TablePtr& table : level) table->table->verify();
  });
}

}  // namespace orbit::lsm
