// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Write buffers become tables, tables are merged, and objects that nobody needs are removed.
#include <chrono>

#include "engine.hpp"

namespace orbit::s3 {

namespace {
constexpr std::chrono::milliseconds kPauseFirst{100};
constexpr std::chrono::milliseconds kPauseMax{10'000};
constexpr size_t kRemovedAtOnce = 256;
}  // namespace

std::shared_ptr<Table> Engine::make_table(TableInfo info) {
  auto out = std::make_shared<Table>(std::move(info), *store_, cache_, [this](const std::string& name) {
    std::lock_guard lock(trash_mutex_);
    trash_.push_back(name);
  });
  out->missing = [this] { look_for_fence(); };
  return out;
}

void Engine::change_version(const std::function<void(Version&)>& change) {
  std::shared_ptr<const Version> before;  // its tables go without the lock
  std::lock_guard lock(state_mutex_);
  auto next = std::make_shared<Version>(*version_);
  change(*next);
  before = std::move(version_);
  version_ = std::move(next);
  ++changes_;
  state_changed_.notify_all();
}

// If it is not known whether an earlier edit arrived, this one replaces it either way: nothing was done on the strength
// of it.
void Engine::edit_manifest(const std::function<void(Manifest&)>& change) {
  std::lock_guard lock(manifest_mutex_);
  check_fenced();
  Manifest next = manifest_;
  change(next);
  ++next.edit;
  {
    std::lock_guard trash(trash_mutex_);
    next.wal_removed = wal_removed_;
  }
  const std::string bytes = next.encode();
  auto etag = store_->put(kManifestName, bytes, PutCondition::match(manifest_etag_));
  while (!etag) {
    auto now = store_->get(kManifestName);
    if (!now) raise(Code::data_loss, store_->describe(kManifestName) + " is missing");
    if (now->bytes == bytes) {
      etag = std::move(now->etag);
      break;
    }
    const Manifest found = Manifest::decode(now->bytes, store_->describe(kManifestName));
    if (found.epoch != epoch_ || found.writer_id != writer_id_) fenced_by(found);
    manifest_etag_ = std::move(now->etag);
    etag = store_->put(kManifestName, bytes, PutCondition::match(manifest_etag_));
  }
  manifest_ = std::move(next);
  manifest_etag_ = std::move(*etag);
}

// The oldest write buffer that waits becomes a table. False: none waits.
bool Engine::flush_one() {
  std::lock_guard work(work_mutex_);
  const auto seen = version();
  if (seen->frozen.empty()) return false;
  const std::shared_ptr<Memtable> memtable = seen->frozen.back();
  bool older = false;
  for (const Tables& level : seen->levels) older = older || !level.empty();
  TableBuilder builder(epoch_, next_table_.fetch_add(1), options_.table);
  const auto all = memtable->cursor(~uint64_t{0}, {}, {}, false);
  for (all->seek({}); all->valid(); all->next())
    if (older || !all->erased()) builder.add(all->key(), all->value(), all->erased());
  const std::vector<Range> ranges = older ? memtable->erased_ranges() : std::vector<Range>();
  std::shared_ptr<Table> table;
  std::string object;
  if (!builder.empty() || !ranges.empty()) {
    TableInfo info;
    object = builder.finish(ranges, info);
    table = make_table(std::move(info));
    store_->upload(table->name(), object);
  }
  edit_manifest([&](Manifest& next) {
    if (table) next.levels[0].insert(next.levels[0].begin(), table->info());
    next.wal_flushed = memtable->last_wal;
  });
  if (table) table->prime(object, true);
  change_version([&](Version& next) {
    if (table) next.levels[0].insert(next.levels[0].begin(), table);
    next.frozen.pop_back();
  });
  flushes_.fetch_add(1, std::memory_order_relaxed);
  {
    std::lock_guard lock(trash_mutex_);
    for (uint64_t number = wal_removed_next_ + 1; number <= memtable->last_wal; ++number)
      if (!wal_kept_.contains(number)) wal_trash_.push_back(number);
    wal_removed_next_ = memtable->last_wal;
    wal_kept_.erase(wal_kept_.begin(), wal_kept_.upper_bound(wal_removed_next_));
  }
  while (!options_.background && collect_garbage()) continue;
  return true;
}

std::optional<Engine::Compaction> Engine::pick_compaction() {
  const auto seen = version();
  const auto& levels = seen->levels;
  Compaction out{};
  const auto size_of = [](const Tables& tables) {
    uint64_t bytes = 0;
    for (const auto& table : tables) bytes += table->info().size;
    return bytes;
  };
  if (levels[0].size() >= options_.level0_compact) {
    out.level = 0;
    out.upper = levels[0];
  } else {
    uint64_t most = options_.level1_bytes;
    for (size_t level = 1; level + 1 < kLevels && out.upper.empty(); ++level, most *= options_.level_factor) {
      if (levels[level].empty() || size_of(levels[level]) <= most) continue;
      size_t& from = compact_from_[level];
      if (from >= levels[level].size()) from = 0;
      out.level = level;
      out.upper = {levels[level][from++]};
    }
    if (out.upper.empty()) return std::nullopt;
  }
  // What is made may hold keys anywhere between the first and the last.
  Bytes from = out.upper.front()->info().from;
  Bytes to = out.upper.front()->info().to;
  for (const auto& table : out.upper) {
    from = std::min(from, Bytes(table->info().from));
    if (!to.empty() && (table->info().to.empty() || table->info().to > to)) to = table->info().to;
  }
  for (const auto& below : levels[out.level + 1])
    if (!ends_before(below->info().to, from) && !ends_before(to, below->info().from)) out.lower.push_back(below);
  out.bottom = true;
  for (size_t level = out.level + 2; level < kLevels; ++level) out.bottom = out.bottom && levels[level].empty();
  return out;
}

bool Engine::compact_one() {
  std::lock_guard one(compact_mutex_);
  {
    const auto job = pick_compaction();
    if (!job) return false;
    run_compaction(*job);
  }  // lets go of the tables that were merged
  while (collect_garbage() && !options_.background) continue;
  return true;
}

void Engine::run_compaction(const Compaction& job) {
  Tables made;
  // Nothing overlaps: the table moves as it is.
  const bool moves = job.upper.size() == 1 && job.lower.empty() && !(job.bottom && job.upper[0]->info().has_ranges);
  if (moves) {
    made = job.upper;
  } else {
    const ReadAhead ahead{4 << 20, false};
    std::vector<std::unique_ptr<Cursor>> sources;
    RangeMap erased;
    const auto add_ranges = [&](const Tables& tables) {
      for (const auto& table : tables)
        if (table->info().has_ranges)
          for (const Range& range : table->meta()->ranges) erased.erase(range.from, range.to, 1);
    };
    for (const auto& table : job.upper) sources.push_back(table_cursor({table}, {}, {}, false, ahead));
    sources.push_back(table_cursor(job.lower, {}, {}, false, ahead));
    if (!job.bottom) {
      add_ranges(job.upper);
      add_ranges(job.lower);
    }
    const std::vector<Range> ranges = erased.covered();
    Merge merged(std::move(sources), {}, {}, false, !job.bottom);
    std::string begin;
    do {
      check_fenced();
      {
        std::lock_guard lock(state_mutex_);
        if (stopping_) raise(Code::cancelled, "the engine is being closed");
      }
      TableBuilder builder(epoch_, next_table_.fetch_add(1), options_.table);
      for (; merged.valid() && builder.bytes() < options_.table_bytes; merged.next())
        builder.add(merged.key(), merged.value(), merged.erased());
      // This table answers for begin <= key < end, also with its part of the erased ranges.
      const std::string end = merged.valid() ? std::string(merged.key()) : std::string();
      std::vector<Range> part;
      for (const Range& range : ranges) {
        if (ends_before(range.to, begin) || ends_before(end, range.from)) continue;
        part.push_back(
            {std::max(range.from, begin), end.empty() || (!range.to.empty() && range.to < end) ? range.to : end});
      }
      if (!builder.empty() || !part.empty()) {
        TableInfo info;
        const std::string object = builder.finish(part, info);
        made.push_back(make_table(std::move(info)));
        made.back()->mark_obsolete();  // until the manifest names it
        store_->upload(made.back()->name(), object);
        made.back()->prime(object, false);
        compaction_bytes_.fetch_add(object.size(), std::memory_order_relaxed);
      }
      begin = end;
    } while (!begin.empty());
  }
  const auto replace = [&](auto& levels, const auto& same, const auto& made_of) {
    auto& from = levels[job.level];
    auto& to = levels[job.level + 1];
    for (const auto& table : job.upper) std::erase_if(from, [&](const auto& other) { return same(other, table); });
    for (const auto& table : job.lower) std::erase_if(to, [&](const auto& other) { return same(other, table); });
    for (const auto& table : made) to.push_back(made_of(table));
  };
  for (const auto& table : made) table->mark_obsolete(false);  // should the edit fail, it may have arrived all the same
  edit_manifest([&](Manifest& next) {
    replace(
        next.levels,
        [](const TableInfo& a, const auto& b) { return a.number == b->info().number && a.epoch == b->info().epoch; },
        [](const auto& table) { return table->info(); });
    std::sort(next.levels[job.level + 1].begin(), next.levels[job.level + 1].end(),
              [](const TableInfo& a, const TableInfo& b) { return a.from < b.from; });
  });
  change_version([&](Version& next) {
    replace(next.levels, [](const auto& a, const auto& b) { return a == b; }, [](const auto& table) { return table; });
    std::sort(next.levels[job.level + 1].begin(), next.levels[job.level + 1].end(),
              [](const auto& a, const auto& b) { return a->info().from < b->info().from; });
  });
  if (!moves) {
    for (const auto& table : job.upper) table->mark_obsolete();
    for (const auto& table : job.lower) table->mark_obsolete();
  }
  compactions_.fetch_add(1, std::memory_order_relaxed);
}

// Removing is never urgent: what fails is tried again with the next.
bool Engine::collect_garbage() {
  for (size_t removed = 0; removed < kRemovedAtOnce; ++removed) {
    std::string name;
    uint64_t number = 0;
    {
      std::lock_guard lock(trash_mutex_);
      if (!trash_.empty()) {
        name = trash_.front();
      } else if (!wal_trash_.empty()) {
        number = wal_trash_.back();
        name = wal_name(number);
      } else {
        wal_removed_ = wal_removed_next_;
        return false;
      }
    }
    store_->remove(name);
    std::lock_guard lock(trash_mutex_);
    if (number == 0)
      std::erase(trash_, name);
    else
      std::erase(wal_trash_, number);
  }
  return true;
}

Result<> Engine::flush() {
  return guarded([&] {
    {
      std::lock_guard lock(commit_mutex_);
      check_writable();
      store_pending();
      if (!active_->empty()) freeze();
    }
    while (flush_one()) continue;
  });
}

Result<> Engine::compact() {
  if (Result<> flushed = flush(); !flushed) return flushed;
  return guarded([&] {
    while (compact_one()) continue;
  });
}

// ---- threads ------------------------------------------------------------------------------------------------------

void Engine::note_background(std::optional<Error> error) {
  std::lock_guard lock(state_mutex_);
  if (error && (!background_error_ || background_error_->message != error->message) && !stopping_ && !fenced_)
    options_.warn(error->message);
  background_error_ = std::move(error);
  state_changed_.notify_all();
}

// Works while there is something to do; after an error, waits longer each time.
template <class F>
void Engine::run_background(F&& work_once) {
  auto pause = kPauseFirst;
  while (true) {
    uint64_t seen = 0;
    {
      std::lock_guard lock(state_mutex_);
      if (stopping_ || fenced_) return;
      seen = changes_;
    }
    const Result<bool> worked = guarded([&] { return work_once(); });
    if (worked) {
      pause = kPauseFirst;
      options_.after_background(stats());
      if (*worked) continue;
    }
    std::unique_lock lock(state_mutex_);
    if (stopping_ || fenced_) return;
    if (!worked) {
      state_changed_.wait_for(lock, pause, [&] { return stopping_ || fenced_.has_value(); });
      pause = std::min(pause * 2, kPauseMax);
    } else {
      state_changed_.wait(lock, [&] { return stopping_ || fenced_ || changes_ != seen; });
    }
  }
}

void Engine::run_flushes() {
  run_background([this] {
    {
      // Merges have to keep up with flushes.
      std::unique_lock lock(state_mutex_);
      state_changed_.wait(lock,
                          [&] { return stopping_ || fenced_ || version_->levels[0].size() < options_.level0_max; });
    }
    const Result<bool> flushed = guarded([&] { return flush_one(); });
    note_background(flushed ? std::nullopt : std::optional(flushed.error()));
    if (!flushed) throw Failure{flushed.error()};
    return collect_garbage() || *flushed;
  });
}

void Engine::run_compactions() {
  run_background([this] {
    const Result<bool> compacted = guarded([&] { return compact_one(); });
    if (!compacted) {
      if (compacted.error().code != Code::cancelled) options_.warn(compacted.error().message);
      throw Failure{compacted.error()};
    }
    return *compacted;
  });
}

// Stores what was written without sync, a while after it was.
void Engine::run_delay() {
  std::unique_lock lock(commit_mutex_);
  while (!delay_stopping_) {
    if (pending_.empty() || doubt_ || is_fenced_.load()) {
      pending_changed_.wait(lock);
      continue;
    }
    pending_changed_.wait_for(lock, std::chrono::milliseconds(options_.unsynced_delay_ms),
                              [&] { return delay_stopping_; });
    if (delay_stopping_ || doubt_) continue;
    const Result<> stored = guarded([&] { store_pending(); });
    if (!stored) options_.warn("what was written without sync is not stored yet: " + stored.error().message);
  }
}

}  // namespace orbit::s3
