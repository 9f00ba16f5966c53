// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What goes on behind the writers: memtables become tables, tables are merged downwards.
#include <algorithm>

#include "waiting.hpp"

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

void RateLimit::take(size_t bytes) {
  if (bytes_per_second_ == 0) return;
  std::chrono::steady_clock::time_point until;
  {
    const std::lock_guard lock(lock_);
    const auto now = std::chrono::steady_clock::now();
    until = std::max(free_at_, now);
    free_at_ = until + std::chrono::nanoseconds(static_cast<int64_t>(1e9 * static_cast<double>(bytes) /
                                                                     static_cast<double>(bytes_per_second_)));
  }
  std::this_thread::sleep_until(until);
}

struct Engine::Compaction {
  size_t level = 0;
  size_t output = 0;
  std::vector<TablePtr> upper;  // of `level`, the newest first in level 0
  std::vector<TablePtr> lower;  // of `output`
  bool expired = false;         // the tables only go
};

Compression Engine::compression_of(size_t level) const noexcept {
  return options_.compression.empty() ? Compression::none
                                      : options_.compression[std::min(level, options_.compression.size() - 1)];
}

uint64_t Engine::level_target(size_t level) const noexcept {
  uint64_t target = options_.level1_bytes;
  for (size_t i = 1; i < level; ++i) target *= options_.level_factor;
  return target;
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
  std::vector<TablePtr> made;
  if (!memtable.empty()) {
    const auto at = memtable.cursor();
    made = write_tables(*at, memtable.ranges(), *state->version, 0);
  }
  install([&](Version& version) { version.levels[0].insert(version.levels[0].begin(), made.rbegin(), made.rend()); },
          &memtable);
  for (const TablePtr& table : made) counters_.flush_bytes += table->info.bytes;
  counters_.flushes += 1;
  return true;
}

// ---- writing tables ------------------------------------------------------------------------------------------------

// Leaves out what nobody can see any more. `erased` is all that is erased in the input. Tables of level 0 are not cut.
std::vector<TablePtr> Engine::write_tables(Cursor& at, const RangeSet& erased, const Version& version, size_t level) {
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

  std::vector<ErasedRange> kept;
  for (const RangeSet::Fragment& fragment : erased.fragments()) {
    size_t stripe = SIZE_MAX;
    for (const uint64_t sequence : fragment.sequences) {
      if (stripes.of(sequence) == stripe || (expired > 0 && sequence <= expired)) continue;
      stripe = stripes.of(sequence);
      if (stripe == 0 && is_last(fragment.from, fragment.to)) continue;
      kept.push_back({fragment.from, fragment.to, sequence});
    }
  }

  std::vector<TablePtr> out;
  std::unique_ptr<TableWriter> writer;
  std::string writing;
  std::string from;  // where the table begins that is being written
  bool from_start = true;
  const auto begin = [&] {
    const uint64_t number = next_file_.fetch_add(1);
    writing = table_path(options_.path, number);
    writer =
        std::make_unique<TableWriter>(must(files_.open(writing, OpenMode::exclusive)), writing, number, options_.table,
                                      compression_of(level), [this](size_t bytes) { rate_.take(bytes); }, new_file_seal());
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
    out.push_back(open_table(info));
    writing.clear();
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
        if (writer && level > 0 && writer->bytes() >= options_.table_bytes) {
          finish(&key);
          from = key;
          from_start = false;
        }
      }
      stripe = mine;
      if (expired > 0 && sequence <= expired) continue;
      if (!erased.empty() && erased.cover(key, stripes.last(mine)) > sequence) continue;
      if (mine == 0 && level > 0 && options_.ttl_seconds == 0) {
        if (last_level || is_last(key, RangeEnd{key + '\0', false})) {
          if (kind_of(tag) == Kind::erase) continue;
          if (erased.empty() || erased.cover(key, sequence) == 0) tag = tag_of(0, Kind::put);
        }
      }
      if (!writer) begin();
      writer->add(key, tag, at.value());
    }
    finish(nullptr);
    must(files_.sync_directory(options_.path));
  } catch (...) {
    writer.reset();
    for (const TablePtr& table : out) table->make_obsolete();
    if (!writing.empty()) (void)files_.remove(writing);
    throw;
  }
  return out;
}

// ---- compaction ----------------------------------------------------------------------------------------------------

std::unique_ptr<Engine::Compaction> Engine::pick_expired(const Version& version) {
  if (options_.ttl_seconds == 0) return nullptr;
  const uint64_t expired = expired_sequence();
  auto out = std::make_unique<Compaction>();
  out->expired = true;
  for (size_t level = 0; level < kLevels; ++level) {
    for (const TablePtr& table : version.levels[level])
      if (table->info.sequence_max <= expired) out->upper.push_back(table);
    out->level = level;
    if (!out->upper.empty()) return out;
  }
  return nullptr;
}

std::unique_ptr<Engine::Compaction> Engine::pick_level0(const Version& version) {
  auto out = std::make_unique<Compaction>();
  out->output = 1;
  const auto& tables = version.levels[0];
  // Keys that were written in order make tables that have nothing in common: these need no merging.
  const TablePtr& oldest = tables.back();
  const auto& info = oldest->info;
  if (version.overlapping(0, info.smallest, info.end).size() == 1 && !version.overlaps(1, info.smallest, info.end)) {
    out->upper = {oldest};
    return out;
  }
  out->upper = tables;
  std::string from = info.smallest;
  RangeEnd end = info.end;
  for (const TablePtr& table : tables) {
    from = std::min(from, table->info.smallest);
    if (before(end, table->info.end)) end = table->info.end;
  }
  out->lower = version.overlapping(1, from, end);
  return out;
}

std::unique_ptr<Engine::Compaction> Engine::pick(const Version& version) {
  if (auto expired = pick_expired(version)) return expired;
  double most = 0;
  size_t level = 0;
  for (size_t i = 0; i + 1 < kLevels; ++i) {
    const double score =
        i == 0 ? static_cast<double>(version.levels[0].size()) / static_cast<double>(options_.level0_compact)
               : static_cast<double>(version.level_bytes(i)) / static_cast<double>(level_target(i));
    if (score > most) {
      most = score;
      level = i;
    }
  }
  if (most < 1) return nullptr;
  if (level == 0) return pick_level0(version);
  const auto& tables = version.levels[level];
  auto next = std::find_if(tables.begin(), tables.end(),
                           [&](const TablePtr& table) { return table->info.smallest > compact_after_[level]; });
  if (next == tables.end()) next = tables.begin();
  auto out = std::make_unique<Compaction>();
  out->level = level;
  out->output = level + 1;
  out->upper = {*next};
  out->lower = version.overlapping(level + 1, (*next)->info.smallest, (*next)->info.end);
  compact_after_[level] = (*next)->info.smallest;
  return out;
}

bool Engine::compact_one() {
  const std::lock_guard compacting(compact_lock_);
  const auto state = hold_state();
  const auto picked = pick(*state->version);
  if (!picked) return false;
  run(*picked);
  return true;
}

void Engine::run(Compaction& job) {
  const auto state = hold_state();
  const bool moves = !job.expired && job.upper.size() == 1 && job.lower.empty();
  std::vector<TablePtr> made;
  if (moves) {
    made = job.upper;
  } else if (!job.expired) {
    std::vector<std::unique_ptr<Cursor>> runs;
    std::vector<ErasedRange> ranges;
    if (job.level == 0) {
      for (const TablePtr& table : job.upper) runs.push_back(table->table->cursor(false));
    } else {
      runs.push_back(std::make_unique<LevelCursor>(job.upper, false));
    }
    if (!job.lower.empty()) runs.push_back(std::make_unique<LevelCursor>(job.lower, false));
    for (const auto* tables : {&job.upper, &job.lower}) {
      for (const TablePtr& table : *tables) {
        const auto more = table->table->ranges().ranges();
        ranges.insert(ranges.end(), more.begin(), more.end());
        counters_.compaction_read_bytes += table->info.bytes;
      }
    }
    MergeCursor at(std::move(runs));
    made = write_tables(at, RangeSet(ranges), *state->version, job.output);
  }
  install(
      [&](Version& version) {
        const auto gone = [&](const TablePtr& table) {
          return std::find(job.upper.begin(), job.upper.end(), table) != job.upper.end() ||
                 std::find(job.lower.begin(), job.lower.end(), table) != job.lower.end();
        };
        std::erase_if(version.levels[job.level], gone);
        if (job.expired) return;
        auto& output = version.levels[job.output];
        std::erase_if(output, gone);
        output.insert(output.end(), made.begin(), made.end());
        std::sort(output.begin(), output.end(),
                  [](const TablePtr& a, const TablePtr& b) { return a->info.smallest < b->info.smallest; });
      },
      nullptr);
  if (moves) {
    counters_.tables_moved += 1;
    return;
  }
  for (const auto* tables : {&job.upper, &job.lower})
    for (const TablePtr& table : *tables) table->make_obsolete();
  if (job.expired) {
    counters_.tables_expired += job.upper.size();
    return;
  }
  for (const TablePtr& table : made) counters_.compaction_bytes += table->info.bytes;
  counters_.compactions += 1;
}

Result<> Engine::compact() {
  if (auto flushed = flush(); !flushed) return flushed;
  return guarded([&] {
    const std::lock_guard compacting(compact_lock_);
    for (size_t level = 0; level + 1 < kLevels; ++level) {
      const auto state = hold_state();
      const Version& version = *state->version;
      bool deeper = false;
      for (size_t below = level + 1; below < kLevels; ++below) deeper = deeper || !version.levels[below].empty();
      if (version.levels[level].empty() || (level > 0 && !deeper)) continue;
      Compaction job;
      job.level = level;
      job.output = level + 1;
      job.upper = version.levels[level];
      job.lower = version.levels[level + 1];
      run(job);
    }
  });
}

}  // namespace orbit::lsm
