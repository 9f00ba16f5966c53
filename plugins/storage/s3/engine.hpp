// SPDX-License-Identifier: MIT OR BSD-3-Clause
// An ordered store on an object store: a log of small objects, tables in levels, and one manifest that is replaced by
// conditional writes. docs/adr/0007-s3-layout.md says why it is safe; docs/formats/storage-s3.md what the objects hold.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <orbit/storage.hpp>
#include <set>
#include <thread>

#include "manifest.hpp"
#include "memtable.hpp"
#include "object_store.hpp"
#include "table.hpp"
#include "wal.hpp"

namespace orbit::s3 {

struct EngineStats {
  uint64_t epoch, wal_objects, wal_bytes, flushes, compactions, compaction_bytes, cache_bytes, cache_hits, cache_misses,
      memtable_bytes, tables, table_bytes, level0_tables;
};

struct EngineOptions {
  std::string writer;  // who this is, for the other one's error message
  uint64_t cache_bytes = 256 << 20;
  uint64_t write_buffer_bytes = 64 << 20;
  uint64_t write_buffers_max = 3;
  uint64_t wal_objects_max = 512;  // that one write buffer may hold: what an opening has to read
  uint64_t batch_bytes_max = 64 << 20;
  uint64_t group_bytes_max = 8 << 20;
  uint64_t unsynced_delay_ms = 0;
  uint64_t room_wait_ms = 30'000;
  uint64_t table_bytes = 64 << 20;
  uint64_t level1_bytes = 256 << 20;
  uint64_t level_factor = 10;
  size_t level0_compact = 4;
  size_t level0_max = 16;
  size_t parallel_reads = 8;
  uint64_t read_ahead_bytes = 1 << 20;
  TableOptions table;
  // False: flushes and compactions run inside writes, so that tests can repeat them; and nothing is removed but by
  // them.
  bool background = true;
  std::function<void(const std::string& problem)> warn = [](const std::string&) {};
  std::function<void(const EngineStats&)> after_background = [](const EngineStats&) {};
};

class Engine final : public Storage {
 public:
  // Takes over: whoever had the store open before can write no more.
  static Result<std::unique_ptr<Engine>> open(std::shared_ptr<ObjectStore> store, EngineOptions options);
  ~Engine() override;  // no snapshot may be alive

  Result<bool> get(const StorageSnapshot* snapshot, Bytes key, ValueSink value) override;
  Result<> multi_get(const StorageSnapshot* snapshot, KeyList keys, VisitValue visit) override;
  Result<> scan(const StorageSnapshot* snapshot, Bytes from, Bytes to, bool reverse, VisitEntry visit) override;
  // From several threads at once too: they share one object.
  Result<> write(WriteOps ops, bool sync) override;
  // The conditions are looked at when all earlier writes are applied and no later one is.
  Result<FencedOutcome> write_if(Conditions conditions, WriteOps ops, bool sync);
  Result<> sync() override;
  Result<> recover() override;
  uint64_t size_bytes() override;
  Result<std::unique_ptr<StorageSnapshot>> create_snapshot();
  Result<CachedGet> get_cached(Bytes key, ValueSink value);

  // Makes tables of everything in memory; merges until no level is too large; reads and checks every table.
  Result<> flush();
  Result<> compact();
  Result<> verify();
  EngineStats stats();

 private:
  using Tables = std::vector<std::shared_ptr<Table>>;
  // What a reader sees; never changes.
  struct Version {
    std::shared_ptr<Memtable> active;
    std::vector<std::shared_ptr<Memtable>> frozen;  // the newest first
    std::array<Tables, kLevels> levels;
  };
  struct View {
    std::shared_ptr<const Version> version;
    uint64_t at;
  };
  class Snapshot;
  struct Request {
    WriteOps ops;
    bool sync;
    const Conditions* conditions = nullptr;
    FencedOutcome outcome = {};
    bool done = false;
    Result<> result = {};
  };
  struct Compaction {
    size_t level;
    Tables upper;  // of level, the newest first
    Tables lower;  // of level + 1, all that the upper ones could overlap
    bool bottom;   // nothing older lies below
  };

  Engine(std::shared_ptr<ObjectStore> store, EngineOptions options);

  // Opening.
  void claim();
  void install_tables();
  void replay();
  void check_conditions();
  void find_garbage();
  std::vector<std::string> read_wals(uint64_t first, uint64_t last);
  void apply_wal(Bytes object, uint64_t number);

  // Being fenced.
  void check_fenced();
  [[noreturn]] void fenced_by(const Manifest& now);
  void look_for_fence();

  View view(const StorageSnapshot* snapshot);
  static Lookup look_up(const View& view, Bytes key, bool cached, std::shared_ptr<const Block>& holder, Bytes& value);

  // Writing; with commit_mutex_ held.
  void submit(Request& request);
  void commit_group();
  bool conditions_hold(Request& request);
  void check_writable();
  void stop_for_good(const std::string& why);
  void make_room();
  void freeze();
  void store_wal(Bytes batches);
  void store_pending();
  // Nothing: it is stored. Otherwise what is there instead.
  std::optional<std::string> put_wal(uint64_t number, Bytes object);
  void settle_doubt();
  void apply(const WriteOp& op);
  void publish();

  // Tables.
  std::shared_ptr<Table> make_table(TableInfo info);
  void edit_manifest(const std::function<void(Manifest&)>& change);
  void change_version(const std::function<void(Version&)>& change);
  std::shared_ptr<const Version> version();
  bool flush_one();
  bool compact_one();
  std::optional<Compaction> pick_compaction();
  void run_compaction(const Compaction& job);
  bool collect_garbage();  // true: there is more

  // Threads.
  void run_flushes();
  void run_compactions();
  void run_delay();
  template <class F>
  void run_background(F&& work_once);
  void note_background(std::optional<Error> error);

  const std::shared_ptr<ObjectStore> store_;
  const EngineOptions options_;
  Cache cache_;
  uint64_t epoch_ = 0;
  std::string writer_id_;

  std::mutex queue_mutex_;
  std::deque<Request*> queue_;

  std::mutex commit_mutex_;  // one object at a time; guards all down to the next mutex
  uint64_t wal_next_ = 1;
  uint64_t wal_since_freeze_ = 0;
  uint64_t sequence_ = 0;
  std::shared_ptr<Memtable> active_;  // that of the newest version
  std::string pending_;               // batches that readers see and no object holds yet
  std::optional<std::string> doubt_;  // the object numbered wal_next_, which may have been stored or not
  Error doubt_cause_;
  std::condition_variable pending_changed_;
  bool delay_stopping_ = false;

  std::mutex manifest_mutex_;  // one edit at a time
  Manifest manifest_;
  std::string manifest_etag_;

  std::mutex work_mutex_;  // one flush at a time
  std::mutex compact_mutex_;
  size_t compact_from_[kLevels] = {};

  std::mutex state_mutex_;
  std::condition_variable state_changed_;
  std::shared_ptr<const Version> version_;
  uint64_t changes_ = 0;  // of version_
  uint64_t visible_ = 0;
  bool stopping_ = false;
  std::optional<Error> background_error_;
  std::optional<Error> fenced_;
  std::atomic<bool> is_fenced_ = false;

  std::mutex trash_mutex_;
  std::deque<std::string> trash_;
  std::vector<uint64_t> wal_trash_;
  std::set<uint64_t> wal_kept_;
  uint64_t wal_removed_ = 0;
  uint64_t wal_removed_next_ = 0;

  std::atomic<uint64_t> next_table_ = 1;
  std::atomic<uint64_t> wal_objects_ = 0, wal_bytes_ = 0, flushes_ = 0, compactions_ = 0, compaction_bytes_ = 0;

  std::vector<std::thread> threads_;
};

}  // namespace orbit::s3
