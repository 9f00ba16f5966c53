// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What goes on behind the writers: memtables become tables. Merging tables: compaction.cpp.
#include <algorithm>

#include "compaction.hpp"

namespace orbit::lsm {
namespace {

constexpr auto kIdle = std::chrono::milliseconds(500);

// Which snapshots see a version. Two versions of a key in one stripe are seen by the same snapshots, so the older is of
// no use.
class Stripes {
 public:
  explicit Stripes(std::vector<uint64_t> snapshots) noexcept : snapshots_(std::move(snapshots)) {}
  size_t of(uint64_t sequence) const noexcept {
    return static_cast<size_t>(std::lower_bound(snapshots_.begin(), snapshots_.end(), sequence) - snapshots_.begin());
  }
  uint64_t last(size_t stripe) const noexcept { return stripe < snapshots_.size() ? snapshots_[stripe] : kSequenceMax; }

 private:
  std::vector<uint64_t> snapshots_;  // ascending
};

}  // namespace

Compression Engine::compression_of(size_t level) const noexcept {
  return options_.compression.empty() ? Compression::none
                                      : options_.compression[std::min(level, options_.compression.size() - 1)];
}

// ---- threads -------------------------------------------------------------------------------------------------------

void Engine::background_failed(const Error& error) {
  stop(error);
  const std::lock_guard lock(state_lock_);
  state_changed_.notify_all();
}

void Engine::background_done() {
  epochs_.collect();
  epochs_.collect();
  if (options_.after_background) options_.after_background(stats());
}

void Engine::flush_loop() {
  for (;;) {
    {
      std::unique_lock lock(state_lock_);
      state_changed_.wait(lock, [&] { return ending_ || (!stopped_ && !state_.load()->full.empty()); });
      if (ending_) return;
    }
    if (auto done = guarded([&] { flush_one(); }); !done) background_failed(done.error());
    background_done();
  }
}

void Engine::compact_loop() {
  for (;;) {
    bool any = false;
    if (!stopped_)
      if (auto done = guarded([&] { any = compact_one(); }); !done) background_failed(done.error());
    if (any) background_done();
    std::unique_lock lock(state_lock_);
    if (ending_) return;
    if (!any) {
      epochs_.collect();
      state_changed_.wait_for(lock, kIdle);
      if (ending_) return;
    }
  }
}

// ---- installing ----------------------------------------------------------------------------------------------------

void Engine::install(const std::function<void(Version&)>& change, const Memtable* flushed) {
  const std::lock_guard installing(install_lock_);
  const auto state = hold_state();
  auto version = std::make_shared<Version>(*state->version);
  change(*version);

  Manifest manifest;
  const auto& full = state->full;
  const size_t left = full.size() - (flushed != nullptr ? 1 : 0);  // the oldest goes
  const uint64_t oldest_log = left > 0 ? full[left - 1]->log() : state->memtable->log();
  const uint64_t first_log = oldest_log != 0 ? oldest_log : first_log_;
  manifest.next_file = next_file_;
  manifest.first_log = first_log;
  manifest.last_sequence = last_sequence_;
  {
    const std::lock_guard lock(logs_lock_);
    manifest.synced = synced_;
  }
  {
    const std::lock_guard lock(times_lock_);
    manifest.times = times_;
  }
  for (size_t level = 0; level < kLevels; ++level)
    for (const TablePtr& table : version->levels[level]) manifest.levels[level].push_back(table->info);
  // Old logs have keys too, as long as they are being read.
  std::set<uint64_t> used;
  if (keyring_ != nullptr && !background_on_) used = keyring_->all();
  for (const auto& level : version->levels)
    for (const TablePtr& table : level) used.insert(table->table->data_key());
  write_manifest(files_, options_.path, manifest, keyring_.get(), used);
  first_log_ = first_log;
  {
    const std::lock_guard lock(state_lock_);
    const State& now = *state_.load();
    auto* const next = new State;
    next->memtable = now.memtable;
    next->full = now.full;
    if (flushed != nullptr) next->full.pop_back();
    next->version = std::move(version);
    set_state(next);
  }
  state_changed_.notify_all();
  drop_logs_before(first_log);
}

// ---- flush ---------------------------------------------------------------------------------------------------------

bool Engine::flush_one() {
  const std::lock_guard flushing(flush_lock_);
  const auto state = hold_state();
  if (state->full.empty()) return false;
  const Memtable& memtable = *state->full.back();
  Made made;
  if (!memtable.empty()) {
    const auto at = memtable.cursor();
    made = write_tables(*at, memtable.ranges(), *state->version, 0, {});
  }
  const auto& tables = made.below;
  install(
      [&](Version& version) { version.levels[0].insert(version.levels[0].begin(), tables.rbegin(), tables.rend()); },
      &memtable);
  counters_.flush_bytes += made.bytes();
  counters_.flushes += 1;
  return true;
}

// ---- writing tables ------------------------------------------------------------------------------------------------

// Leaves out what nobody can see any more. `erased` is all that is erased in the input. Tables of level 0 are not cut.
// What lies in a range that is kept back goes to tables of its own.
Engine::Made Engine::write_tables(Cursor& at, const RangeSet& erased, const Version& version, size_t level,
                                  const std::vector<KeyRange>& kept_back) {
  std::vector<uint64_t> held;
  {
    const std::lock_guard lock(snapshots_lock_);
    held.assign(snapshots_.begin(), snapshots_.end());
  }
  const Stripes stripes(std::move(held));
  const uint64_t expired = options_.ttl_seconds > 0 ? expired_sequence() : 0;
  const auto is_last = [&](Bytes from, const RangeEnd& end) {
    if (level == 0) return false;
    for (size_t below = level + 1; below < kLevels; ++below)
      if (version.overlaps(below, from, end)) return false;
    return true;
  };

  const bool last_level = is_last({}, RangeEnd{{}, true});
  const auto touches_kept_back = [&](Bytes from, const RangeEnd& end) {
    return std::any_of(kept_back.begin(), kept_back.end(),
                       [&](const KeyRange& range) { return range.to.after(from) && end.after(range.from); });
  };

  std::vector<ErasedRange> kept;
  for (const RangeSet::Fragment& fragment : erased.fragments()) {
    size_t stripe = SIZE_MAX;
    for (const uint64_t sequence : fragment.sequences) {
      if (stripes.of(sequence) == stripe || (expired > 0 && sequence <= expired)) continue;
      stripe = stripes.of(sequence);
      if (stripe == 0 && is_last(fragment.from, fragment.to) && !touches_kept_back(fragment.from, fragment.to))
        continue;
      kept.push_back({fragment.from, fragment.to, sequence});
    }
  }

  Made out;
  size_t next_back = 0;  // in kept_back: where the writing is, or what comes next
  bool back = false;     // it is in there
  std::unique_ptr<TableWriter> writer;
  std::string writing;
  std::string from;  // where the table begins that is being written
  bool from_start = true;
  const auto limit = [this](size_t bytes) {
    if (background_on_) rate_.take(bytes);  // somebody waits for the engine to open
  };
  const auto begin = [&] {
    const uint64_t number = next_file_.fetch_add(1);
    writing = table_path(options_.path, number);
    writer = std::make_unique<TableWriter>(must(files_.open(writing, OpenMode::exclusive)), writing, number,
                                           options_.table, compression_of(level), limit, new_file_seal());
  };
  const auto finish = [&](const std::string* end) {
    std::vector<ErasedRange> part;
    for (const ErasedRange& range : kept) {
      ErasedRange clipped = range;
      if (!from_start && clipped.from < from) clipped.from = from;
      if (end != nullptr && before(RangeEnd{*end, false}, clipped.to)) clipped.to = {*end, false};
      if (clipped.to.after(clipped.from)) part.push_back(std::move(clipped));
    }
    if (!writer && part.empty()) return;
    if (!writer) begin();
    writer->add_ranges(part);
    const TableInfo info = writer->finish();
    writer.reset();
    (back ? out.stayed : out.below).push_back(open_table(info));
    writing.clear();
  };
  const auto cut_at = [&](std::string key) {
    finish(&key);
    from = std::move(key);
    from_start = false;
  };
  // Goes on to the range that `key` is in; null: through all that are left.
  const auto pass_ranges = [&](const std::string* key) {
    while (next_back < kept_back.size()) {
      const KeyRange& range = kept_back[next_back];
      if (!back) {
        if (key != nullptr && *key < range.from) return;
        cut_at(range.from);
        back = true;
      } else {
        if (range.to.infinite || (key != nullptr && *key < range.to.key)) return;
        cut_at(range.to.key);
        back = false;
        ++next_back;
      }
    }
  };

  try {
    std::string key;
    bool any = false;
    size_t stripe = 0;
    for (at.seek({}, ~uint64_t{0}); at.valid(); at.next()) {
      uint64_t tag = at.tag();
      const uint64_t sequence = sequence_of(tag);
      const bool same = any && at.key() == key;
      const size_t mine = stripes.of(sequence);
      if (same && mine == stripe) continue;
      if (!same) {
        key.assign(at.key());
        any = true;
        pass_ranges(&key);
        if (writer && level > 0 && writer->bytes() >= options_.table_bytes && !back) cut_at(key);
      }
      stripe = mine;
      if (expired > 0 && sequence <= expired) continue;
      if (!erased.empty() && erased.cover(key, stripes.last(mine)) > sequence) continue;
      if (mine == 0 && level > 0 && options_.ttl_seconds == 0 && !back) {
        if (last_level || is_last(key, RangeEnd{key + '\0', false})) {
          if (kind_of(tag) == Kind::erase) continue;
          if (erased.empty() || erased.cover(key, sequence) == 0) tag = tag_of(0, Kind::put);
        }
      }
      if (!writer) begin();
      writer->add(key, tag, at.value());
    }
    pass_ranges(nullptr);
    finish(nullptr);
    must(files_.sync_directory(options_.path));
  } catch (...) {
    writer.reset();
    out.drop();
    if (!writing.empty()) (void)files_.remove(writing);
    throw;
  }
  return out;
}

}  // namespace orbit::lsm
