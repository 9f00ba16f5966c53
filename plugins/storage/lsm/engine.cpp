// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "engine.hpp"

#include <algorithm>
#include <array>

#include "waiting.hpp"

namespace orbit::lsm {

Result<std::unique_ptr<Engine>> Engine::open(FileSystem& files, const EngineOptions& options) {
  std::unique_ptr<Engine> engine(new Engine(files, options));
  auto opened = guarded([&] { engine->open_directory(); });
  if (!opened) return tl::unexpected<Error>(std::move(opened.error()));
  return engine;
}

Engine::Engine(FileSystem& files, EngineOptions options)
    : files_(files),
      options_(std::move(options)),
      cache_(epochs_, options_.cache_bytes),
      rate_(options_.background_bytes_per_second, options_.rate_clock) {
  auto* const state = new State;
  state->memtable = std::make_shared<Memtable>(0);
  state->version = std::make_shared<Version>();
  state_ = state;
}

Engine::~Engine() {
  {
    const std::lock_guard lock(state_lock_);
    ending_ = true;
  }
  state_changed_.notify_all();
  rate_.lift();  // who closes does not wait for it
  if (flusher_.joinable()) flusher_.join();
  if (compactor_.joinable()) compactor_.join();
  // So that damage of the log's end is told from a crash at the next open. Without, nothing is lost either.
  if (background_on_ && !stopped_)
    (void)guarded([&] {
      sync_logs();
      install([](Version&) {}, nullptr);
      log_->close();
      for (const std::string& path : reusable_logs_) must(files_.remove(path));
    });
  state_.load()->release();
}

// ---- opening -------------------------------------------------------------------------------------------------------

TablePtr Engine::open_table(const TableInfo& info) {
  const std::string path = table_path(options_.path, info.number);
  return std::make_shared<TableFile>(files_, path, info,
                                     Table::open(files_, path, info.number, info.bytes, cache_, epochs_, keyring_.get()));
}

std::optional<FileSeal> Engine::new_file_seal() const {
  if (keyring_ == nullptr) return {};
  return keyring_->new_file();
}

void Engine::open_directory() {
  must(files_.make_directories(options_.path));
  lock_ = must(files_.lock(options_.path + "/LOCK"));
  const std::vector<std::string> names = must(files_.list(options_.path));
  auto found = read_manifest(files_, options_.path, options_.keys, keyring_);
  if (!found && options_.keys != nullptr) keyring_ = std::make_unique<Keyring>(options_.keys);
  std::vector<uint64_t> logs;
  uint64_t greatest = 0;
  for (const std::string& name : names) {
    const auto log = number_of(name, ".log");
    const auto table = number_of(name, ".table");
    if (!found && (log || table))
      raise(Code::data_loss, "the manifest " + manifest_path(options_.path) + " is missing, and there is " + name);
    if (log && *log >= found->first_log) logs.push_back(*log);
    greatest = std::max({greatest, log.value_or(0), table.value_or(0)});
  }
  std::sort(logs.begin(), logs.end());
  const Manifest manifest = found.value_or(Manifest{});
  next_file_ = std::max(manifest.next_file, greatest + 1);
  first_log_ = manifest.first_log;
  synced_ = manifest.synced;
  last_sequence_ = manifest.last_sequence;
  times_ = manifest.times;
  auto version = std::make_shared<Version>();
  for (size_t level = 0; level < kLevels; ++level)
    for (const TableInfo& info : manifest.levels[level]) version->levels[level].push_back(open_table(info));
  auto* const state = new State;
  state->memtable = std::make_shared<Memtable>(0);
  state->version = std::move(version);
  set_state(state);

  replay(manifest, logs);
  // What is in the logs is in tables now, or there is nothing: a new log, and a manifest that says so.
  const uint64_t first_log = next_file_.fetch_add(1);
  auto* const fresh = new State;
  fresh->memtable = std::make_shared<Memtable>(first_log);
  fresh->version = state_.load()->version;
  memtable_ = fresh->memtable;
  set_state(fresh);
  synced_ = {first_log, 0};
  install([](Version&) {}, nullptr);
  log_ = std::make_shared<LogWriter>(must(files_.open(log_path(options_.path, first_log), OpenMode::exclusive)),
                                     first_log, LogPosition{}, new_file_seal());
  must(files_.sync_directory(options_.path));
  for (const std::string& name : names) {
    const auto log = number_of(name, ".log");
    const auto table = number_of(name, ".table");
    const auto& levels = state_.load()->version->levels;
    const bool used =
        table && std::any_of(levels.begin(), levels.end(), [&](const auto& level) {
          return std::any_of(level.begin(), level.end(), [&](const TablePtr& t) { return t->info.number == *table; });
        });
    if (log || (table && !used)) must(files_.remove(options_.path + "/" + name));
  }
  if (options_.ttl_seconds > 0) sample_time();
  background_on_ = true;
  if (options_.background) {
    flusher_ = std::thread([this] { flush_loop(); });
    compactor_ = std::thread([this] { compact_loop(); });
  }
}

void Engine::apply(Memtable& memtable, uint64_t sequence, Parser& operations, uint64_t& next_sequence) {
  std::vector<ErasedRange> ranges;
  while (!operations.done()) {
    const LogOperation operation = get_operation(operations);
    if (operation.kind == Kind::erase_range) {
      ranges.push_back({std::string(operation.key), {std::string(operation.value), operation.value.empty()}, sequence});
    } else {
      memtable.add(operation.key, tag_of(sequence, operation.kind), operation.value);
    }
    ++sequence;
  }
  if (!ranges.empty()) memtable.add_ranges(ranges);
  next_sequence = sequence;
}

void Engine::replay(const Manifest& manifest, const std::vector<uint64_t>& logs) {
  const auto give_up = [&](LogPosition end, LogPosition synced) {
    if (options_.recovery == LogRecovery::salvage || synced <= end) return;
    raise(Code::data_loss, "the log " + log_path(options_.path, end.log) + " is damaged at byte " +
                               std::to_string(end.offset) + ": it was synced up to byte " +
                               std::to_string(synced.offset) + " of log " + std::to_string(synced.log));
  };
  if (manifest.synced.offset > 0 && manifest.synced.log >= manifest.first_log &&
      std::find(logs.begin(), logs.end(), manifest.synced.log) == logs.end() &&
      options_.recovery == LogRecovery::strict)
    raise(Code::data_loss, "the log " + log_path(options_.path, manifest.synced.log) + " is missing");

  LogPosition end;                       // of what was read
  LogPosition synced = manifest.synced;  // the furthest that anything says was synced
  bool whole = true;                     // nothing is missing so far
  for (const uint64_t number : logs) {
    const std::string path = log_path(options_.path, number);
    const std::string data = read_file(files_, path);
    LogReader reader(data, number);
    LogRecord record;
    std::unique_ptr<Sealer> sealer;
    for (;;) {
      const uint64_t at = reader.offset();
      if (!reader.next(record)) {
        const LogPosition here{number, reader.offset()};
        if (whole) end = here;
        bool later = false;
        while (reader.skip_damage() && (later = true))
          while (reader.next(record))
            if (record.sequence != 0) synced = std::max(synced, record.position);
        // Records after a place without one: there was something, and it is gone. The log after this one says the same
        // if only this one's end is gone.
        if (later) whole = false;
        break;
      }
      if (record.sequence == 0) {
        // `end` is the end of the log before; both must agree, unless that one is not needed any more.
        if (whole && end.log != 0 && record.position != end) whole = false;
        if (keyring_ == nullptr && !record.operations.empty()) raise(Code::data_loss, "the log " + path + " is encrypted, and its manifest is not");
        if (keyring_ != nullptr) sealer = open_log_key(*keyring_, record, number, path);
        continue;
      }
      synced = std::max(synced, record.position);
      if (!whole) continue;
      if (keyring_ != nullptr && sealer == nullptr) raise(Code::data_loss, "the log " + path + " is damaged: it does not begin with its key");
      const std::string plain = sealer != nullptr ? open_log_record(*sealer, record, {number, at}, path) : std::string();
      Parser operations(sealer != nullptr ? Bytes(plain) : record.operations, path);
      uint64_t next = record.sequence;
      apply(*state_.load()->memtable, record.sequence, operations, next);
      last_sequence_ = std::max(last_sequence_.load(), next - 1);
      if (state_.load()->memtable->bytes() >= options_.write_buffer_bytes) flush_replayed();
    }
  }
  if (!logs.empty()) give_up(end, synced);
  flush_replayed();
}

void Engine::flush_replayed() {
  const State* const state = state_.load();
  if (state->memtable->empty()) return;
  auto* const next = new State;
  next->memtable = std::make_shared<Memtable>(0);
  next->full = {state->memtable};
  next->version = state->version;
  set_state(next);
  flush_one();
}

// ---- states --------------------------------------------------------------------------------------------------------

void Engine::set_state(State* next) {
  full_memtables_ = next->full.size();
  level0_tables_ = mergeable_level0(*next->version);
  const State* const old = state_.exchange(next, std::memory_order_acq_rel);
  epochs_.retire(const_cast<State*>(old), [](void* object) { static_cast<const State*>(object)->release(); });
}

std::shared_ptr<const State> Engine::hold_state() {
  const Epochs::Guard guard(epochs_);
  const State* const state = state_.load(std::memory_order_acquire);
  state->hold();
  return {state, [](const State* held) { held->release(); }};
}

// ---- reading -------------------------------------------------------------------------------------------------------

// Erased ranges count only where they are newer than what they would hide. A newer place has only newer versions of a
// key, so the first place that has anything to say decides.
Found Engine::lookup(const State& state, Bytes key, uint64_t sequence, uint64_t expired, bool cached_only,
                     Bytes& value) const {
  const auto decide = [&](Found found, uint64_t tag, const RangeSet& erased) {
    const uint64_t range = erased.empty() ? 0 : erased.cover(key, sequence);
    if (found == Found::no) return range > 0 ? Found::erased : Found::no;
    return range > lsm::sequence_of(tag) || (expired > 0 && lsm::sequence_of(tag) <= expired) ? Found::erased : found;
  };
  const auto in_memory = [&](const Memtable& memtable) {
    if (memtable.empty()) return Found::no;
    uint64_t tag = 0;
    const bool any = memtable.find(key, sequence, tag, value);
    return decide(!any ? Found::no : kind_of(tag) == Kind::put ? Found::yes : Found::erased, tag, memtable.ranges());
  };
  Found found = in_memory(*state.memtable);
  if (found != Found::no) return found;
  for (const auto& memtable : state.full)
    if ((found = in_memory(*memtable)) != Found::no) return found;

  const uint64_t hash = hash_of_key(key);
  const auto in_table = [&](const TableFile& file) {
    uint64_t tag = 0;
    const Found any = file.table->get(key, hash, sequence, cached_only, tag, value);
    return any == Found::unknown ? any : decide(any, tag, file.table->ranges());
  };
  for (const TablePtr& table : state.version->levels[0])
    if (table->info.smallest <= key && table->info.end.after(key))
      if ((found = in_table(*table)) != Found::no) return found;
  for (size_t level = 1; level < kLevels; ++level) {
    if (state.version->levels[level].empty()) continue;
    if (const TableFile* const table = state.version->find(level, key))
      if ((found = in_table(*table)) != Found::no) return found;
  }
  return Found::no;
}

Result<bool> Engine::get(const StorageSnapshot* snapshot, Bytes key, ValueSink value) {
  return guarded([&] {
    const uint64_t expired = options_.ttl_seconds > 0 ? expired_sequence() : 0;
    const Epochs::Guard guard(epochs_);
    const State& state = *state_.load(std::memory_order_acquire);
    const uint64_t sequence = Snapshot::sequence_of(snapshot, last_sequence_);
    Bytes found;
    if (lookup(state, key, sequence, expired, false, found) != Found::yes) return false;
    value.append(found);
    return true;
  });
}

Result<CachedGet> Engine::get_cached(Bytes key, ValueSink value) {
  return guarded([&] {
    const uint64_t expired = options_.ttl_seconds > 0 ? expired_sequence() : 0;
    const Epochs::Guard guard(epochs_);
    const State& state = *state_.load(std::memory_order_acquire);
    Bytes found;
    switch (lookup(state, key, last_sequence_.load(std::memory_order_acquire), expired, true, found)) {
      case Found::yes:
        value.append(found);
        return CachedGet::found;
      case Found::unknown:
        return CachedGet::unknown;
      default:
        return CachedGet::absent;
    }
  });
}

Result<> Engine::multi_get(const StorageSnapshot* snapshot, KeyList keys, VisitValue visit) {
  return guarded([&] {
    const uint64_t expired = options_.ttl_seconds > 0 ? expired_sequence() : 0;
    const auto state = hold_state();
    const uint64_t sequence = Snapshot::sequence_of(snapshot, last_sequence_);
    for (size_t i = 0; i < keys.size(); ++i) {
      const Epochs::Guard guard(epochs_);
      Bytes found;
      const bool any = lookup(*state, keys[i], sequence, expired, false, found) == Found::yes;
      visit(i, any, any ? found : Bytes());
    }
  });
}

Result<> Engine::scan(const StorageSnapshot* snapshot, Bytes from, Bytes to, bool reverse, VisitEntry visit) {
  if (!to.empty() && from >= to) return {};
  return guarded([&] {
    const uint64_t expired = options_.ttl_seconds > 0 ? expired_sequence() : 0;
    const auto state = hold_state();
    const uint64_t sequence = Snapshot::sequence_of(snapshot, last_sequence_);
    std::vector<std::unique_ptr<Cursor>> runs;
    std::deque<std::vector<TablePtr>> alone;  // tables of level 0, each a run
    std::vector<const RangeSet*> erased;
    const RangeEnd end{std::string(to), to.empty()};
    const auto add_memtable = [&](const Memtable& memtable) {
      if (memtable.empty()) return;
      runs.push_back(memtable.cursor());
      if (const RangeSet& ranges = memtable.ranges(); !ranges.empty()) erased.push_back(&ranges);
    };
    add_memtable(*state->memtable);
    for (const auto& memtable : state->full) add_memtable(*memtable);
    const Version& version = *state->version;
    for (size_t level = 0; level < kLevels; ++level) {
      if (!version.overlaps(level, from, end)) continue;
      for (const TablePtr& table : version.levels[level]) {
        if (!table->info.end.after(from) || !end.after(table->info.smallest)) continue;
        if (level == 0) runs.push_back(std::make_unique<LevelCursor>(alone.emplace_back(1, table), true));
        if (const RangeSet& ranges = table->table->ranges(); !ranges.empty()) erased.push_back(&ranges);
      }
      if (level > 0) runs.push_back(std::make_unique<LevelCursor>(version.levels[level], true));
    }
    std::unique_ptr<Cursor> at;
    if (runs.size() == 1) {
      at = std::move(runs[0]);
    } else {
      at = std::make_unique<MergeCursor>(std::move(runs));
    }
    reverse ? scan_backward(*at, erased, sequence, expired, from, to, visit)
            : scan_forward(*at, erased, sequence, expired, from, to, visit);
  });
}

namespace {

constexpr size_t kStepsMax = 8;  // over versions of a key before it is sought anew

struct Cover {
  const RangeSet::Fragment* fragment = nullptr;  // null: the version is not erased by a range
  uint64_t sequence = 0;
};

Cover cover_of(const std::vector<const RangeSet*>& erased, Bytes key, uint64_t version, uint64_t sequence) noexcept {
  Cover out;
  for (const RangeSet* set : erased)
    if (const uint64_t found = set->cover(key, sequence); found > version && found > out.sequence)
      out = {set->at(key), found};
  return out;
}

}  // namespace

void Engine::scan_forward(Cursor& at, const std::vector<const RangeSet*>& erased, uint64_t sequence, uint64_t expired,
                          Bytes from, Bytes to, VisitEntry& visit) {
  std::string last;
  bool any = false;
  size_t steps = 0;  // since a version was looked at that may be seen
  at.seek(from, ~uint64_t{0});
  while (at.valid()) {
    const Bytes key = at.key();
    if (!to.empty() && key >= to) return;
    const uint64_t version = lsm::sequence_of(at.tag());
    const bool passed = any && key == last;
    if (version > sequence || passed) {
      if (++steps < kStepsMax) {
        at.next();
      } else {
        steps = 0;
        const std::string wanted = passed ? std::string(key) + '\0' : std::string(key);
        at.seek(wanted, passed ? ~uint64_t{0} : seek_tag(sequence));
      }
      continue;
    }
    steps = 0;
    last.assign(key);
    any = true;
    if (kind_of(at.tag()) != Kind::put) {
      at.note_erased();
    } else if (expired == 0 || version > expired) {
      const Cover cover = erased.empty() ? Cover{} : cover_of(erased, key, version, sequence);
      if (cover.fragment == nullptr) {
        if (!visit(key, at.value())) return;
      } else if (at.leap(cover.fragment->to, cover.sequence)) {
        continue;
      }
    }
    at.next();
  }
}

void Engine::scan_backward(Cursor& at, const std::vector<const RangeSet*>& erased, uint64_t sequence, uint64_t expired,
                           Bytes from, Bytes to, VisitEntry& visit) {
  std::string key;
  std::string value;
  at.seek_before(to.empty() ? nullptr : &to);
  while (at.valid()) {
    key.assign(at.key());
    if (key < from) return;
    // The versions of a key come oldest first: the last that may be seen is the newest.
    uint64_t tag = 0;
    bool any = false;
    for (; at.valid() && at.key() == key; at.prev()) {
      if (lsm::sequence_of(at.tag()) > sequence) continue;
      tag = at.tag();
      any = true;
      value.assign(at.value());
    }
    const uint64_t version = lsm::sequence_of(tag);
    if (!any || kind_of(tag) != Kind::put || (expired > 0 && version <= expired)) continue;
    const Cover cover = erased.empty() ? Cover{} : cover_of(erased, key, version, sequence);
    if (cover.fragment == nullptr) {
      if (!visit(key, value)) return;
    } else if (at.valid() && cover.fragment->from <= at.key()) {
      at.leap_back(cover.fragment->from, cover.sequence);
    }
  }
}

Result<std::unique_ptr<StorageSnapshot>> Engine::create_snapshot() {
  const std::lock_guard lock(snapshots_lock_);
  const uint64_t sequence = last_sequence_.load(std::memory_order_acquire);
  snapshots_.insert(sequence);
  return std::make_unique<Snapshot>(*this, sequence);
}

uint64_t Engine::size_bytes() {
  const auto state = hold_state();
  uint64_t sum = state->memtable->bytes();
  for (const auto& memtable : state->full) sum += memtable->bytes();
  for (size_t level = 0; level < kLevels; ++level) sum += state->version->level_bytes(level);
  return sum;
}

// ---- expiry --------------------------------------------------------------------------------------------------------

namespace {
constexpr size_t kTimesMax = 256;
}

// Notes how far the sequence is now, at most every hundredth of the time to live.
void Engine::sample_time() {
  const uint64_t now = options_.clock_seconds();
  const std::lock_guard lock(times_lock_);
  if (!times_.empty() && now < times_.back().seconds + std::max<uint64_t>(1, options_.ttl_seconds / 100)) return;
  times_.push_back({last_sequence_.load(), now});
  if (times_.size() > kTimesMax) times_.erase(times_.begin());
}

// What was written up to this sequence has expired.
uint64_t Engine::expired_sequence() {
  const uint64_t now = options_.clock_seconds();
  if (now >= look_again_seconds_.load(std::memory_order_acquire)) {
    sample_time();
    const std::lock_guard lock(times_lock_);
    uint64_t expired = expired_sequence_.load();
    uint64_t again = now + std::max<uint64_t>(1, options_.ttl_seconds / 100);
    for (const WrittenBy& time : times_) {
      if (time.seconds + options_.ttl_seconds > now) {
        again = std::min(again, time.seconds + options_.ttl_seconds);
        break;
      }
      expired = std::max(expired, time.sequence);
    }
    expired_sequence_.store(expired);
    look_again_seconds_.store(again, std::memory_order_release);
  }
  return expired_sequence_.load();
}

EngineStats Engine::stats() const {
  EngineStats out{};
  const Counters& c = counters_;
  out.log_bytes = c.log_bytes, out.log_syncs = c.log_syncs, out.groups = c.groups, out.batches = c.batches;
  out.flushes = c.flushes, out.flush_bytes = c.flush_bytes, out.compactions = c.compactions;
  out.compaction_read_bytes = c.compaction_read_bytes, out.compaction_bytes = c.compaction_bytes;
  out.tables_moved = c.tables_moved, out.tables_expired = c.tables_expired;
  out.slowed_microseconds = c.slowed_microseconds, out.stopped_microseconds = c.stopped_microseconds;
  out.cache_bytes = cache_.bytes();
  const auto state = const_cast<Engine*>(this)->hold_state();
  out.memtable_bytes = state->memtable->bytes();
  for (const auto& memtable : state->full) out.memtable_bytes += memtable->bytes();
  for (size_t level = 0; level < kLevels; ++level) {
    out.tables += state->version->levels[level].size();
    out.table_bytes += state->version->level_bytes(level);
  }
  out.level0_tables = state->version->levels[0].size();
  out.damaged_tables = damaged_tables_;
  return out;
}

}  // namespace orbit::lsm
