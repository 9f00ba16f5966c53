// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The storage contract on one file: a copy-on-write tree, a log of what is not in it yet, two commit slots.
//
// Writes from many threads form groups: the first in the queue changes the tree, writes one record, syncs once, and
// only then others see it. The tree is written out in the background (a checkpoint) when the log, or what only a
// checkpoint makes usable again, has grown enough. Changed pages that memory has no room for go to the file before,
// without a sync.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <orbit/files.hpp>
#include <orbit/storage.hpp>
#include <thread>

#include "log.hpp"
#include "txn.hpp"

namespace orbit::cow_btree {

constexpr const char* kFileName = "data.cow";  // in a directory of its own

struct EngineStats {
  uint64_t file_pages;
  uint64_t used_pages;
  uint64_t waiting_pages;  // to be reused
  uint64_t dirty_pages;
  uint64_t checkpoints;
  uint64_t syncs;
  uint64_t groups;
  uint64_t batches;
  uint64_t page_loads;
  uint64_t log_bytes;            // not in the written tree yet
  uint64_t waited_microseconds;  // of writers, for the tree to be written out
};

struct EngineOptions {
  std::string path;  // of the file; its directory must exist
  uint64_t cache_bytes = uint64_t{256} << 20;
  uint64_t log_bytes = uint64_t{64} << 20;  // of log after which the tree is written out, at the latest
  uint64_t file_bytes_max = uint64_t{1} << 40;
  uint32_t log_segment_bytes = 256 << 10;  // of a new file
  // A thread writes the tree out while writers go on; without, the writer that makes it necessary does.
  bool background = true;
  bool compact_on_close = true;
  // Null: not encrypted. A new file is encrypted with a key of its own, which the master key wraps.
  std::shared_ptr<const MasterKeys> keys;
  // Called each time when the tree was written out, by the thread that writes then.
  std::function<void(const EngineStats&)> after_checkpoint;
};

class Builder;

class Engine final : public Storage {
 public:
  // Opens or creates the file. FAILED_PRECONDITION: somebody has it open; DATA_LOSS: it is damaged.
  static Result<std::unique_ptr<Engine>> open(FileSystem& files, const EngineOptions& options);
  ~Engine() override;  // no snapshot and no call may be alive; writes the tree out

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

  // Writes the tree out now.
  Result<> checkpoint();
  // A directory with a backup in it, as the plugin opens it; nothing may be there yet.
  Result<> checkpoint(const std::string& directory);
  // Moves pages to the front of the file and cuts off what is free then; writers and readers go on meanwhile.
  Result<> compact();
  // A complete file of the newest state at `path`, which must not exist; durable on return. Writers and readers go on.
  Result<> backup(const std::string& path);
  // Fills an empty engine: `next` gives the entries in ascending order until false. All or nothing, durable on return;
  // much faster than writes, and pages are full. Nobody else may write meanwhile.
  Result<> bulk_load(NextEntry next);
  // Reads everything that is in use and compares checksums.
  Result<> verify();
  EngineStats stats();

 private:
  class Snapshot;
  struct Waiting;
  class Turn;
  struct Checkpoint;

  Engine(FileSystem& files, EngineOptions options);
  void create_file();
  void open_file();
  void read_slots();
  void unlock(const Slot& best, const Slot& other);
  void change_master_key();
  void load_map();
  void apply(Txn& txn, Bytes operations);
  // True: the writer's place is ours. False: somebody else has done it.
  bool enqueue(Waiting& mine);
  // Takes the first of the queue out, which are done, and gives the place to the next.
  void leave(std::span<Waiting* const> done);
  Result<> try_group(std::span<Waiting* const> group);
  void run_group(std::span<Waiting* const> group);
  bool make_usable();
  void commit_group(std::span<Waiting* const> group);
  void commit_txn(Txn& txn);
  void sync_file();
  void make_room();
  void refuse_if_stopped();
  void stop(const Error& reason);
  void reclaim();

  std::unique_ptr<Checkpoint> capture(const LogStart& log);
  void write_out(Checkpoint& checkpoint);
  void write_slot(Slot& slot);
  void spill(PageId root);
  void spill_now();
  void write_again();
  void settle(Checkpoint& checkpoint);
  void carry_out(Checkpoint& checkpoint);
  void checkpoint_now(const LogStart& log);
  void restart_log();
  EngineStats stats_now();
  void wait_for_background();
  void settle_background();
  bool idle();
  void background();
  Result<> load(FunctionRef<void(Builder&)> feed);
  PageId compact_boundary() const noexcept;
  bool worth_compacting() const noexcept;
  Result<> compact_once(bool& again);
  void compact_step(PageId boundary, std::string& from);
  void close();

  FileSystem& files_;
  const EngineOptions options_;
  std::unique_ptr<FileLock> lock_;
  std::unique_ptr<File> file_;
  Readers readers_;
  std::unique_ptr<Seals> seals_;  // null: not encrypted
  std::unique_ptr<Cache> cache_;
  std::unique_ptr<Tree> tree_;

  // ---- the writer's: whoever is first in the queue ----
  std::unique_ptr<Space> space_;
  std::unique_ptr<Log> log_;
  Slot slot_{};  // the durable one
  uint64_t version_ = 0;
  uint64_t captured_version_ = 0;  // the newest one that a slot may hold
  struct MapChunk {
    PageId page = 0;
    uint64_t sum = 0;
    bool written = false;  // as `bytes` says
    std::string bytes;
  };
  std::vector<MapChunk> map_chunks_;
  std::vector<PageId> index_pages_;
  std::vector<ExternalRef> unsynced_runs_;
  Txn::Lists lists_;
  std::string operations_;
  std::vector<WriteOp> ops_;
  uint64_t left_waiting_ = 0;  // for readers, after the last reclaim
  uint64_t groups_ = 0;
  uint64_t batches_ = 0;
  uint64_t checkpoints_ = 0;
  uint64_t waited_microseconds_ = 0;
  std::atomic<uint64_t> syncs_{0};
  std::atomic<uint64_t> size_bytes_{0};
  bool opened_ = false;
  bool change_master_key_ = false;

  std::mutex queue_lock_;
  std::deque<Waiting*> queue_;

  std::atomic<bool> stopped_{false};
  std::mutex stop_lock_;
  Error stop_reason_;

  // Held while pages of the tree are written: their checksums, and nonces, are of what was written last.
  std::mutex tree_write_lock_;

  // ---- between the writer and the background thread ----
  std::mutex background_lock_;
  std::condition_variable background_changed_;
  std::unique_ptr<Checkpoint> to_write_;
  std::unique_ptr<Checkpoint> written_;
  struct Spill {
    PageId root;
    uint64_t began;  // of the snapshot that keeps its pages
  };
  std::optional<Spill> to_spill_;
  bool writing_ = false;
  bool ending_ = false;
  std::thread background_;
};

}  // namespace orbit::cow_btree
