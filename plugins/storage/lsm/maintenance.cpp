// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <algorithm>

#include "compaction.hpp"

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

namespace {

// What a bulk load gives, as versions of one moment.
class LoadCursor final : public Cursor {
 public:
  LoadCursor(NextEntry next, uint64_t tag) : next_(next) { tag_ = tag; }
  void seek(Bytes, uint64_t) override { next(); }
  void seek_before(const Bytes*) override { raise(Code::internal, "a bulk load goes forward only"); }
  void next() override {
    if (valid_) last_.assign(key_);
    const bool first = !valid_;
    valid_ = next_(key_, value_);
    if (!valid_) return;
    if (key_.size() > kKeyBytesMax)
      raise(Code::invalid_argument, "a key has " + std::to_string(key_.size()) + " bytes; at most " +
                                        std::to_string(kKeyBytesMax) + " are possible");
    if (!first && key_ <= last_) raise(Code::invalid_argument, "the entries of a bulk load must ascend");
  }
  void prev() override { seek_before(nullptr); }

 private:
  NextEntry next_;
  std::string last_;
};

}  // namespace

Result<> Engine::bulk_load(NextEntry next) {
  // What was erased goes first: it would hide what comes.
  bool any = false;
  if (auto seen = scan(nullptr, {}, {}, false, [&](Bytes, Bytes) { return any = true, false; }); !seen) return seen;
  if (!any)
    if (auto merged = compact(); !merged) return merged;
  return guarded([&] {
    const Turn turn(*this);
    refuse_if_stopped();
    const std::lock_guard compacting(compact_lock_);
    const auto state = hold_state();
    const auto& levels = state->version->levels;
    const bool tables = std::any_of(levels.begin(), levels.end(), [](const auto& level) { return !level.empty(); });
    if (any || tables || !state->memtable->empty() || !state->full.empty())
      raise(Code::failed_precondition, "a bulk load needs an empty store, without snapshots of what was erased");
    const uint64_t sequence = last_sequence_.load() + 1;
    LoadCursor at(next, tag_of(sequence, Kind::put));
    const Made made = write_tables(at, RangeSet(), *state->version, kLevels - 1, {});
    last_sequence_.store(sequence, std::memory_order_release);
    if (options_.ttl_seconds > 0) sample_time();
    try {
      install([&](Version& version) { version.levels[kLevels - 1] = made.below; }, nullptr);
    } catch (...) {
      // The manifest may name them or not, and what is named must be there.
      stop({Code::unavailable, "it is not known whether a bulk load was stored"});
      throw;
    }
    counters_.compaction_bytes += made.bytes();
  });
}

}  // namespace orbit::lsm
