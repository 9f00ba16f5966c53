// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The storage contract on a log-structured merge tree (O'Neil et al., 1996) in one directory.
//
// Writes of many threads form groups: the first in the queue appends one record to the log, syncs once, and adds to the
// memtable. A full memtable becomes a table of level 0 in the background; tables are merged into levels of ever greater
// size.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <orbit/storage.hpp>
#include <set>
#include <span>
#include <thread>

#include "rate_limit.hpp"
#include "version.hpp"

namespace orbit::lsm {

enum class LogRecovery {
  strict,   // damage of what was synced is DATA_LOSS
  salvage,  // the log is read up to the first damage, and the rest is given up
};

struct EngineStats {
  uint64_t log_bytes, log_syncs, groups, batches;
  uint64_t flushes, flush_bytes, compactions, compaction_read_bytes, compaction_bytes, tables_moved, tables_expired;
  uint64_t slowed_microseconds, stopped_microseconds;
  uint64_t cache_bytes, memtable_bytes, tables, table_bytes, level0_tables, damaged_tables;
};

struct EngineOptions {
  std::string path;  // of the directory
  uint64_t write_buffer_bytes = uint64_t{64} << 20;
  size_t write_buffers_max = 3;
  uint64_t cache_bytes = uint64_t{256} << 20;
  TableOptions table;
  std::vector<Compression> compression = {Compression::lz4};  // by level; the last one counts for all below
  uint64_t table_bytes = uint64_t{64} << 20;
  uint64_t level1_bytes = uint64_t{256} << 20;
  uint64_t level_factor = 10;
  size_t level0_compact = 4;                 // tables in level 0 from which on they are merged,
  size_t level0_slow = 12;                   // writers are slowed down, the more the more there are,
  size_t level0_stop = 36;                   // and wait
  uint64_t background_bytes_per_second = 0;  // of flushes and compactions together; 0: no limit
  RateClock rate_clock;
  uint64_t ttl_seconds = 0;                  // entries go this long after they were written; 0: never
  LogRecovery recovery = LogRecovery::strict;
  // Null: not encrypted. A new database is encrypted with keys of its own, which the master key wraps.
  std::shared_ptr<const MasterKeys> keys;
  // Threads flush and compact; without, the writer that makes it necessary does.
  bool background = true;
  std::function<uint64_t()> clock_seconds;                   // required with ttl_seconds
  std::function<void(const EngineStats&)> after_background;  // called after each flush and compaction, on its thread
  std::function<void(const Error&)> on_damage;  // once for each table that a compaction cannot read, on its thread
};

class Engine final : public Storage {
 public:
  // Opens or creates the directory. FAILED_PRECONDITION: somebody has it open; DATA_LOSS: it is damaged, and the
  // message names the file.
  static Result<std::unique_ptr<Engine>> open(FileSystem& files, const EngineOptions& options);
  ~Engine() override;  // no snapshot and no call may be alive

  Result<bool> get(const StorageSnapshot* snapshot, Bytes key, ValueSink value) override;
  Result<> multi_get(const StorageSnapshot* snapshot, KeyList keys, VisitValue visit) override;
  Result<> scan(const StorageSnapshot* snapshot, Bytes from, Bytes to, bool reverse, VisitEntry visit) override;
  Result<> write(WriteOps ops, bool sync) override;  // [any thread], as the next
  Result<FencedOutcome> write_if(Conditions conditions, WriteOps ops, bool sync);
  Result<> sync() override;
  Result<> recover() override;
  uint64_t size_bytes() override;
  Result<std::unique_ptr<StorageSnapshot>> create_snapshot();
  Result<CachedGet> get_cached(Bytes key, ValueSink value);

  // Makes a table of what is in memory.
  Result<> flush();
  // Merges everything into the last level that is in use; DATA_LOSS when something is damaged, which stays as it is.
  Result<> compact();
  // Does now what the threads behind would come to do.
  Result<> merge_due();
  // Makes tables of the last level of all that `next` gives, in an engine that has no entry and no snapshot. All or
  // nothing, durable on return. Nobody else may use the engine meanwhile.
  Result<> bulk_load(NextEntry next);
  // An engine's directory with the newest state at `path`, which must not exist, on the same file system; durable on
  // return.
  Result<> checkpoint(const std::string& path);
  // Reads all tables. DATA_LOSS names the first that is damaged; compactions go round those that they cannot read.
  Result<> verify();
  EngineStats stats() const;

 private:
  class Snapshot;
  class Turn;
  struct Waiting;
  struct Compaction;
  struct Made;

  Engine(FileSystem& files, EngineOptions options);

  // ---- opening ----
  void open_directory();
  void replay(const Manifest& manifest, const std::vector<uint64_t>& logs);
  void apply(Memtable& memtable, uint64_t sequence, Parser& operations, uint64_t& next_sequence);
  void flush_replayed();
  TablePtr open_table(const TableInfo& info);
  std::optional<FileSeal> new_file_seal() const;

  // ---- reading ----
  uint64_t expired_sequence();
  Found lookup(const State& state, Bytes key, uint64_t sequence, uint64_t expired, bool cached_only,
               Bytes& value) const;
  void scan_forward(Cursor& at, const std::vector<const RangeSet*>& erased, uint64_t sequence, uint64_t expired,
                    Bytes from, Bytes to, VisitEntry& visit);
  void scan_backward(Cursor& at, const std::vector<const RangeSet*>& erased, uint64_t sequence, uint64_t expired,
                     Bytes from, Bytes to, VisitEntry& visit);

  // ---- the writer's: whoever is first in the queue ----
  static Result<> check_batch(WriteOps ops, size_t& bytes);
  Result<> queue(Waiting& mine);
  void gather(std::unique_lock<std::mutex>& lock, Waiting& mine);
  void commit(std::span<Waiting* const> group);
  void add_to_memtable(std::span<Waiting* const> group, uint64_t sequence);
  void sync_logs();
  void make_room(size_t bytes);
  void slow_down(size_t bytes, double pressure);
  std::shared_ptr<LogWriter> new_log();
  void rotate();
  void refuse_if_stopped();
  void stop(const Error& reason);
  void sample_time();

  // ---- in the background ----
  void flush_loop();
  void compact_loop();
  bool flush_one();
  bool compact_one();
  std::unique_ptr<Compaction> pick(const Version& version);
  std::unique_ptr<Compaction> pick_level0(const Version& version, bool may_move);
  std::unique_ptr<Compaction> pick_erased(const Version& version);
  std::unique_ptr<Compaction> merge_below(const Version& version, size_t level, std::vector<TablePtr> upper) const;
  std::unique_ptr<Compaction> pick_expired(const Version& version);
  Made write_tables(Cursor& at, const RangeSet& erased, const Version& version, size_t level,
                    const std::vector<KeyRange>& kept_back);
  Made merge(const Compaction& job, const Version& version);
  void run(Compaction& compaction);
  bool set_damaged_aside(const Compaction& job);
  void forget_damage();
  void count_damaged();
  static size_t mergeable_level0(const Version& version);
  void install(const std::function<void(Version&)>& change, const Memtable* flushed);
  void drop_logs_before(uint64_t log);
  void background_failed(const Error& error);
  void background_done();
  std::shared_ptr<const State> hold_state();
  void set_state(State* next);
  Compression compression_of(size_t level) const noexcept;
  uint64_t level_target(size_t level) const noexcept;

  FileSystem& files_;
  const EngineOptions options_;
  std::unique_ptr<FileLock> lock_;
  Epochs epochs_;
  std::unique_ptr<Keyring> keyring_;  // null: not encrypted
  Cache cache_;
  RateLimit rate_;

  std::atomic<const State*> state_{nullptr};
  std::atomic<size_t> full_memtables_{0};  // of state_
  std::atomic<size_t> level0_tables_{0};
  std::atomic<uint64_t> last_sequence_{0};
  std::atomic<uint64_t> next_file_{1};
  std::mutex state_lock_;  // to change state_
  std::condition_variable state_changed_;
  std::mutex install_lock_;  // one change of the tables at a time
  std::mutex flush_lock_;
  std::mutex compact_lock_;
  std::array<std::string, kLevels> compact_after_;
  std::atomic<uint64_t> damaged_tables_{0};

  std::mutex snapshots_lock_;
  std::multiset<uint64_t> snapshots_;

  std::mutex queue_lock_;
  std::deque<Waiting*> queue_;
  bool gathering_ = false;  // the first in the queue waits for others
  size_t expected_ = 0;     // writers, as many as the last group left or found waiting
  std::chrono::nanoseconds gather_at_most_{};
  std::shared_ptr<Memtable> memtable_;  // the one of state_
  std::string operations_;
  std::vector<ErasedRange> ranges_;
  std::chrono::steady_clock::time_point slow_until_{};
  std::mutex logs_lock_;
  std::shared_ptr<LogWriter> log_;
  std::deque<std::shared_ptr<LogWriter>> old_logs_;  // before log_, needed still; the oldest first
  std::vector<std::string> reusable_logs_;           // paths
  LogPosition synced_;
  uint64_t first_log_ = 0;

  std::mutex times_lock_;
  std::vector<WrittenBy> times_;
  std::atomic<uint64_t> expired_sequence_{0};
  std::atomic<uint64_t> look_again_seconds_{0};

  std::atomic<bool> stopped_{false};
  std::mutex stop_lock_;
  Error stop_reason_;
  std::atomic<bool> ending_{false};
  std::atomic<bool> background_on_{false};
  std::thread flusher_;
  std::thread compactor_;

  struct Counters {
    std::atomic<uint64_t> log_bytes, log_syncs, groups, batches, flushes, flush_bytes, compactions,
        compaction_read_bytes, compaction_bytes, tables_moved, tables_expired, slowed_microseconds,
        stopped_microseconds;
  };
  Counters counters_{};
};

}  // namespace orbit::lsm
