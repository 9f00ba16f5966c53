// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "engine.hpp"

#include <rocksdb/db.h>
#include <rocksdb/transaction_log.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <thread>

#include "tuning.hpp"

namespace orbit::storage_rocksdb {
namespace {

constexpr size_t kMultiGetMax = 256;
constexpr auto kReopenPatience = std::chrono::seconds(1);

// A build of RocksDB with assertions, as Debian's, dies of a null pointer, also when there is nothing to point to.
rocksdb::Slice slice(Bytes bytes) noexcept { return {bytes.data() != nullptr ? bytes.data() : "", bytes.size()}; }
Bytes bytes(const rocksdb::Slice& s) noexcept { return {s.data(), s.size()}; }

// RocksDB says only in words that the lock file is taken: by another process, or by this one.
bool is_lock_conflict(const rocksdb::Status& status) {
  const std::string text = status.ToString();
  return status.IsIOError() && (text.find("While lock file") != std::string::npos ||
                                text.find("lock hold by current process") != std::string::npos);
}

Code code_of(const rocksdb::Status& status) {
  using rocksdb::Status;
  if (status.IsNoSpace() || status.IsMemoryLimit() || status.subcode() == Status::kSpaceLimit)
    return Code::resource_exhausted;
  switch (status.code()) {
    case Status::kNotFound: return Code::not_found;
    case Status::kCorruption: return Code::data_loss;
    case Status::kNotSupported: return Code::unimplemented;
    case Status::kInvalidArgument: return Code::invalid_argument;
    case Status::kTimedOut: return Code::deadline_exceeded;
    case Status::kAborted: return Code::aborted;
    case Status::kBusy:
    case Status::kTryAgain:
    case Status::kShutdownInProgress:
    case Status::kIncomplete: return Code::unavailable;
    default: return Code::internal;
  }
}

Error error_of(const char* what, const std::string& path, const rocksdb::Status& status) {
  std::string message = std::string(what) + " " + path + ": " + status.ToString();
  if (status.IsNoSpace()) message = "no space left on device: " + message;
  return {code_of(status), std::move(message)};
}

}  // namespace

class Engine::Snapshot final : public StorageSnapshot {
 public:
  explicit Snapshot(Engine& engine) : raw(engine.db_->GetSnapshot()), engine_(engine) { ++engine_.snapshots_; }
  ~Snapshot() override {
    engine_.db_->ReleaseSnapshot(raw);  // open: it is not replaced while there are snapshots
    --engine_.snapshots_;
  }
  static const rocksdb::Snapshot* of(const StorageSnapshot* snapshot) noexcept {
    return snapshot == nullptr ? nullptr : static_cast<const Snapshot*>(snapshot)->raw;
  }
  const rocksdb::Snapshot* const raw;

 private:
  Engine& engine_;
};

Result<std::unique_ptr<Engine>> Engine::open(const EngineOptions& options) {
  for (const std::string& directory : {options.path, options.wal_path}) {
    std::error_code code;
    if (!directory.empty()) std::filesystem::create_directories(directory, code);
    if (code)
      return fail(code == std::errc::no_space_on_device  ? Code::resource_exhausted
                  : code == std::errc::permission_denied ? Code::permission_denied
                                                         : Code::failed_precondition,
                  "cannot create the directory " + directory + ": " + code.message());
  }
  std::unique_ptr<Engine> engine(new Engine(options));
  return engine->open_database().map([&] { return std::move(engine); });
}

Engine::Engine(EngineOptions options) : options_(std::move(options)) {}

Engine::~Engine() { close_database(); }

// Close stops the background work; what is in the log only is replayed at the next open.
void Engine::close_database() noexcept {
  if (!db_) return;
  families_.close(*db_);
  db_->Close().PermitUncheckedError();
  db_.reset();
}

Result<> Engine::open_database() {
  const auto tuned_options = tuned(options_);
  if (!tuned_options) return tl::unexpected<Error>(tuned_options.error());
  statistics_ = tuned_options->statistics;
  Result<> refused;
  const rocksdb::Status status =
      Families::open(*tuned_options, options_.path, options_.column_families, db_, families_, refused);
  if (!status.ok() || !refused) close_database();
  if (!refused) return refused;
  if (!status.ok()) {
    if (is_lock_conflict(status))
      return fail(Code::failed_precondition,
                  "another process has the database open: " + options_.path + " (" + status.ToString() + ")");
    return failed("cannot open the database", status);
  }
  return {};
}

tl::unexpected<Error> Engine::failed(const char* what, const rocksdb::Status& status) const {
  return tl::unexpected<Error>(error_of(what, options_.path, status));
}

tl::unexpected<Error> Engine::closed() const {
  return fail(Code::unavailable, "the database " + options_.path + " could not be reopened after an error; it is tried again");
}

// ---- reading -------------------------------------------------------------------------------------------------------

Result<bool> Engine::get(const StorageSnapshot* snapshot, Bytes key, ValueSink value) {
  const std::shared_lock open(open_);
  if (!db_) return closed();
  std::optional<rocksdb::ReadOptions> as_of;  // making them takes longer than one would think
  if (snapshot != nullptr) as_of.emplace().snapshot = Snapshot::of(snapshot);
  rocksdb::PinnableSlice found;
  const auto status = db_->Get(as_of ? *as_of : newest_, families_.of(key), slice(key), &found);
  if (status.IsNotFound()) return false;
  if (!status.ok()) return failed("cannot read from", status);
  value.append(bytes(found));
  return true;
}

Result<CachedGet> Engine::get_cached(Bytes key, ValueSink value) {
  const std::shared_lock open(open_);
  if (!db_) return closed();
  rocksdb::PinnableSlice found;
  const auto status = db_->Get(cached_, families_.of(key), slice(key), &found);
  if (status.IsNotFound()) return CachedGet::absent;
  if (status.IsIncomplete()) return CachedGet::unknown;
  if (!status.ok()) return failed("cannot read from", status);
  value.append(bytes(found));
  return CachedGet::found;
}

Result<> Engine::multi_get(const StorageSnapshot* snapshot, KeyList keys, VisitValue visit) {
  const std::shared_lock open(open_);
  if (!db_) return closed();
  std::unique_ptr<Snapshot> own;  // several calls below are to see one state
  if (snapshot == nullptr && keys.size() > kMultiGetMax) snapshot = (own = std::make_unique<Snapshot>(*this)).get();
  rocksdb::ReadOptions options;
  options.snapshot = Snapshot::of(snapshot);

  std::array<rocksdb::Slice, kMultiGetMax> names;
  std::array<rocksdb::ColumnFamilyHandle*, kMultiGetMax> families;
  std::array<rocksdb::Status, kMultiGetMax> statuses;
  std::vector<rocksdb::PinnableSlice> found(std::min(keys.size(), kMultiGetMax));
  for (size_t from = 0; from < keys.size(); from += kMultiGetMax) {
    const size_t count = std::min(keys.size() - from, kMultiGetMax);
    for (size_t i = 0; i < count; ++i) {
      names[i] = slice(keys[from + i]);
      if (!families_.one()) families[i] = families_.of(keys[from + i]);
      found[i].Reset();
    }
    if (families_.one())
      db_->MultiGet(options, families_.of({}), count, names.data(), found.data(), statuses.data());
    else
      db_->MultiGet(options, count, families.data(), names.data(), found.data(), statuses.data());
    for (size_t i = 0; i < count; ++i) {
      if (!statuses[i].ok() && !statuses[i].IsNotFound()) return failed("cannot read from", statuses[i]);
      visit(from + i, statuses[i].ok(), statuses[i].ok() ? bytes(found[i]) : Bytes());
    }
  }
  return {};
}

Result<> Engine::scan(const StorageSnapshot* snapshot, Bytes from, Bytes to, bool reverse, VisitEntry visit) {
  if (!to.empty() && from >= to) return {};
  const std::shared_lock open(open_);
  if (!db_) return closed();
  const std::vector<Stretch>& all = families_.stretches();
  const auto meets = [&](const Stretch& stretch) {
    return (to.empty() || Bytes(stretch.from) < to) && (stretch.to.empty() || from < Bytes(stretch.to));
  };
  std::unique_ptr<Snapshot> own;  // several iterators are to see one state
  if (snapshot == nullptr && std::count_if(all.begin(), all.end(), meets) > 1)
    snapshot = (own = std::make_unique<Snapshot>(*this)).get();
  for (size_t i = 0; i < all.size(); ++i) {
    const Stretch& stretch = all[reverse ? all.size() - 1 - i : i];
    if (!meets(stretch)) continue;
    const rocksdb::Slice lower = slice(std::max(from, Bytes(stretch.from)));
    const Bytes end = to.empty() || (!stretch.to.empty() && Bytes(stretch.to) < to) ? Bytes(stretch.to) : to;
    const rocksdb::Slice upper = slice(end);
    rocksdb::ReadOptions options;
    options.snapshot = Snapshot::of(snapshot);
    options.iterate_lower_bound = &lower;
    if (!end.empty()) options.iterate_upper_bound = &upper;
    const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(options, stretch.family));
    for (reverse ? at->SeekToLast() : at->Seek(lower); at->Valid(); reverse ? at->Prev() : at->Next())
      if (!visit(bytes(at->key()), bytes(at->value()))) return {};
    if (!at->status().ok()) return failed("cannot scan", at->status());
  }
  return {};
}

// ---- writing -------------------------------------------------------------------------------------------------------

Result<> Engine::write(WriteOps ops, bool sync) {
  const std::shared_lock open(open_);
  if (!db_) return closed();
  if (stopped_) return stopped();
  size_t size = 64;
  for (size_t i = 0; i < ops.size(); ++i) size += ops[i].key.size() + ops[i].value.size() + 16;
  rocksdb::WriteBatch batch(size);
  Bytes greatest_put;
  for (size_t i = 0; i < ops.size(); ++i) {
    const WriteOp op = ops[i];
    rocksdb::Status status;
    switch (op.kind) {
      case WriteKind::put:
        status = batch.Put(families_.of(op.key), slice(op.key), slice(op.value));
        greatest_put = std::max(greatest_put, op.key);
        break;
      case WriteKind::erase:
        status = batch.Delete(families_.of(op.key), slice(op.key));
        break;
      case WriteKind::erase_range:
        if (auto erased = erase_range(batch, op.key, op.value, greatest_put); !erased) return erased;
        break;
    }
    if (!status.ok()) return failed("cannot build a batch for", status);
  }
  rocksdb::WriteOptions options;
  options.sync = sync;
  if (const auto status = db_->Write(options, &batch); !status.ok()) return stop("cannot write to", status);
  return {};
}

Result<> Engine::erase_range(rocksdb::WriteBatch& batch, Bytes from, Bytes to, Bytes greatest_put) {
  for (const Stretch& stretch : families_.stretches()) {
    const Bytes first = std::max(from, Bytes(stretch.from));
    Bytes end = to.empty() || (!stretch.to.empty() && Bytes(stretch.to) < to) ? Bytes(stretch.to) : to;
    std::string after;
    if (end.empty()) {
      auto found = end_after(greatest_put, stretch.family);
      if (!found) return tl::unexpected<Error>(found.error());
      end = after = std::move(*found);
    }
    if (first >= end) continue;
    if (const auto status = batch.DeleteRange(stretch.family, slice(first), slice(end)); !status.ok())
      return failed("cannot build a batch for", status);
  }
  return {};
}

// The first key after all of a family, and after those of the batch under way: RocksDB has no open-ended range.
Result<std::string> Engine::end_after(Bytes greatest_put, rocksdb::ColumnFamilyHandle* family) {
  std::string end(greatest_put);
  const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator({}, family));
  at->SeekToLast();
  if (!at->status().ok()) return failed("cannot scan", at->status());
  if (at->Valid() && bytes(at->key()) > end) end = at->key().ToString();
  end.push_back('\0');
  return end;
}

Result<> Engine::sync() {
  const std::shared_lock open(open_);
  if (!db_) return closed();
  if (stopped_) return stopped();
  if (const auto status = db_->FlushWAL(true); !status.ok()) return stop("cannot sync", status);
  return {};
}

// ---- after a failed write ------------------------------------------------------------------------------------------

tl::unexpected<Error> Engine::stop(const char* what, const rocksdb::Status& status) {
  auto error = failed(what, status);
  std::unique_ptr<rocksdb::LogFile> log;
  const std::lock_guard lock(stop_);
  failed_log_ = db_->GetCurrentWalFile(&log).ok() ? log->LogNumber() : 0;
  stop_reason_ = error.value();
  stopped_ = true;
  return error;
}

tl::unexpected<Error> Engine::stopped() {
  const std::lock_guard lock(stop_);
  return tl::unexpected<Error>(stop_reason_);
}

Result<> Engine::recover() {
  bool same_log = false;
  {
    const std::shared_lock open(open_);
    if (db_) {
      const auto status = db_->Resume();
      // RocksDB looks for room by itself every few seconds, and does not want to be helped meanwhile.
      if (status.IsBusy() && stopped_) return stopped();
      if (!status.ok()) return failed("cannot resume writing to", status);
      std::unique_ptr<rocksdb::LogFile> log;
      const std::lock_guard lock(stop_);
      same_log = stopped_ && (!db_->GetCurrentWalFile(&log).ok() || log->LogNumber() == failed_log_);
    }
  }
  // RocksDB 7.8 leaves the log in which a write failed for another one only if there was something to flush, and aborts the
  // process when the failed log is written to again.
  if (same_log || !db_)
    if (auto reopened = reopen(); !reopened) return reopened;
  stopped_ = false;
  return {};
}

Result<> Engine::reopen() {
  std::unique_lock alone(open_, std::defer_lock);
  const auto deadline = std::chrono::steady_clock::now() + kReopenPatience;
  while (!alone.try_lock()) {
    if (std::chrono::steady_clock::now() > deadline) return fail(Code::unavailable, "the database is being read: " + options_.path);
    std::this_thread::yield();
  }
  if (snapshots_ > 0) return fail(Code::unavailable, "snapshots of the database are in use: " + options_.path);
  close_database();
  return open_database();
}

uint64_t Engine::size_bytes() {
  const std::shared_lock open(open_);
  uint64_t tables = 0;
  uint64_t buffers = 0;
  if (db_) {
    db_->GetAggregatedIntProperty(rocksdb::DB::Properties::kTotalSstFilesSize, &tables);
    db_->GetAggregatedIntProperty(rocksdb::DB::Properties::kCurSizeAllMemTables, &buffers);
  }
  return tables + buffers;
}

EngineStats Engine::stats() {
  const std::shared_lock open(open_);
  return db_ ? stats_of(*db_, statistics_.get()) : EngineStats();
}

Result<> Engine::checkpoint(const std::string& directory) {
  const std::shared_lock open(open_);
  if (!db_) return closed();
  rocksdb::Checkpoint* raw = nullptr;
  auto status = rocksdb::Checkpoint::Create(db_.get(), &raw);
  const std::unique_ptr<rocksdb::Checkpoint> maker(raw);
  if (status.ok()) status = maker->CreateCheckpoint(directory);
  if (!status.ok()) return failed(("cannot make the checkpoint " + directory + " of").c_str(), status);
  return {};
}

Result<> Engine::verify() {
  const std::shared_lock open(open_);
  if (!db_) return closed();
  if (const auto status = db_->VerifyChecksum(); !status.ok()) return failed("found damage in", status);
  return {};
}

Result<> Engine::compact() {
  const std::shared_lock open(open_);
  if (!db_) return closed();
  rocksdb::CompactRangeOptions options;
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
  options.exclusive_manual_compaction = false;
  for (rocksdb::ColumnFamilyHandle* family : families_.all())
    if (const auto status = db_->CompactRange(options, family, nullptr, nullptr); !status.ok())
      return failed("cannot compact", status);
  return {};
}

Result<std::unique_ptr<StorageSnapshot>> Engine::create_snapshot() {
  const std::shared_lock open(open_);
  if (!db_) return closed();
  return std::make_unique<Snapshot>(*this);
}

}  // namespace orbit::storage_rocksdb
