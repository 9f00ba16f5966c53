// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "peers.hpp"

#include <leveldb/cache.h>
#include <leveldb/db.h>
#include <leveldb/filter_policy.h>
#include <leveldb/write_batch.h>
#include <lmdb.h>
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>

#include <mutex>
#include <orbit/files_posix.hpp>
#include <stdexcept>

#include "plugins/storage/cow_btree/engine.hpp"
#include "plugins/storage/lsm/engine.hpp"

namespace orbit::bench {

namespace {

void check(bool ok, const std::string& what) {
  if (!ok) throw std::runtime_error(what);
}

// Our own engines are called alike.
template <class E>
class Ours : public Store {
 public:
  template <class Options>
  explicit Ours(const Options& options) {
    auto engine = E::open(files_, options);
    check(engine.has_value(), engine ? "" : engine.error().message);
    engine_ = std::move(*engine);
  }
  void put(const Pairs& batch, bool sync) override {
    thread_local std::vector<orbit_write_op> ops;
    ops.clear();
    for (const auto& [key, value] : batch) ops.push_back({ORBIT_WRITE_PUT, 0, to_c(key), to_c(value)});
    const Result<> written = engine_->write(WriteOps(ops.data(), ops.size()), sync);
    check(written.has_value(), written ? "" : written.error().message);
  }
  bool get(std::string_view key, std::string& value) override {
    value.clear();
    const auto found = engine_->get(nullptr, key, ValueSink({&value, [](void* into, orbit_bytes part) {
                                                               static_cast<std::string*>(into)->append(part.data, part.size);
                                                             }}));
    check(found.has_value(), "get failed");
    return *found;
  }
  size_t multi_get(const std::vector<std::string_view>& keys) override {
    std::vector<orbit_bytes> raw;
    raw.reserve(keys.size());
    for (const auto key : keys) raw.push_back(to_c(key));
    size_t found = 0;
    const Result<> done = engine_->multi_get(nullptr, KeyList(raw.data(), raw.size()), [&](size_t, bool there, Bytes value) {
      if (there && !value.empty()) ++found;
    });
    check(done.has_value(), "multi-get failed");
    return found;
  }
  size_t scan() override {
    size_t bytes = 0;
    const Result<> done = engine_->scan(nullptr, {}, {}, false, [&](Bytes key, Bytes value) {
      bytes += key.size() + value.size();
      return true;
    });
    check(done.has_value(), "scan failed");
    return bytes;
  }
  size_t scan_from(std::string_view key, size_t count) override {
    size_t found = 0;
    const Result<> done = engine_->scan(nullptr, key, {}, false, [&](Bytes, Bytes) { return ++found < count; });
    check(done.has_value(), "scan failed");
    return found;
  }

 protected:
  PosixFileSystem files_;
  std::unique_ptr<E> engine_;
};

std::shared_ptr<const MasterKeys> keys_if(bool encrypted) {
  return encrypted ? std::make_shared<const MasterKeys>(EncryptionKey::random()) : nullptr;
}

class Cow final : public Ours<cow_btree::Engine> {
 public:
  Cow(const std::string& directory, const StoreOptions& given, bool encrypted) : Ours(options(directory, given, encrypted)) {}
  void settle() override { check(engine_->checkpoint().has_value(), "checkpoint failed"); }

 private:
  static cow_btree::EngineOptions options(const std::string& directory, const StoreOptions& given, bool encrypted) {
    cow_btree::EngineOptions out;
    out.path = directory + "/data.cow";
    out.cache_bytes = given.cache_bytes;
    out.keys = keys_if(encrypted);
    return out;
  }
};

class Lsm final : public Ours<lsm::Engine> {
 public:
  Lsm(const std::string& directory, const StoreOptions& given, bool encrypted) : Ours(options(directory, given, encrypted)) {}
  void settle() override { check(engine_->compact().has_value(), "compaction failed"); }

 private:
  static lsm::EngineOptions options(const std::string& directory, const StoreOptions& given, bool encrypted) {
    lsm::EngineOptions out;
    out.path = directory;
    out.cache_bytes = given.cache_bytes;
    out.write_buffer_bytes = given.write_buffer_bytes;
    out.keys = keys_if(encrypted);
    return out;
  }
};

// One database, no sync unless asked: what its documentation calls MDB_NOSYNC with explicit mdb_env_sync.
class Lmdb final : public Store {
 public:
  Lmdb(const std::string& directory, const StoreOptions&) {
    check(mdb_env_create(&env_) == 0, "mdb_env_create");
    mdb_env_set_mapsize(env_, size_t{4} << 30);
    mdb_env_set_maxreaders(env_, 256);
    check(mdb_env_open(env_, directory.c_str(), MDB_NOSYNC | MDB_NORDAHEAD, 0644) == 0, "mdb_env_open");
    MDB_txn* txn = nullptr;
    check(mdb_txn_begin(env_, nullptr, 0, &txn) == 0, "mdb_txn_begin");
    check(mdb_dbi_open(txn, nullptr, 0, &db_) == 0, "mdb_dbi_open");
    check(mdb_txn_commit(txn) == 0, "mdb_txn_commit");
  }
  Lmdb(const Lmdb&) = delete;
  Lmdb& operator=(const Lmdb&) = delete;
  ~Lmdb() override {
    if (reader_ != nullptr) mdb_txn_abort(reader_);
    mdb_env_sync(env_, 1);
    mdb_env_close(env_);
  }
  void put(const Pairs& batch, bool sync) override {
    // A sync per commit, as without MDB_NOSYNC: under its write lock, where LMDB has it.
    const std::lock_guard lock(sync_);
    MDB_txn* txn = nullptr;
    check(mdb_txn_begin(env_, nullptr, 0, &txn) == 0, "mdb_txn_begin");
    for (const auto& [key, value] : batch) {
      MDB_val k = val(key);
      MDB_val v = val(value);
      check(mdb_put(txn, db_, &k, &v, 0) == 0, "mdb_put");
    }
    if (sync) mdb_env_set_flags(env_, MDB_NOSYNC, 0);
    check(mdb_txn_commit(txn) == 0, "mdb_txn_commit");
    if (sync) mdb_env_set_flags(env_, MDB_NOSYNC, 1);
  }
  bool get(std::string_view key, std::string& value) override {
    MDB_val v;
    MDB_val k = val(key);
    if (mdb_get(reader(), db_, &k, &v) != 0) return false;
    value.assign(static_cast<const char*>(v.mv_data), v.mv_size);
    return true;
  }
  size_t multi_get(const std::vector<std::string_view>& keys) override {
    size_t found = 0;
    for (const auto key : keys) {
      MDB_val v;
      MDB_val k = val(key);
      if (mdb_get(reader(), db_, &k, &v) == 0 && v.mv_size != 0) ++found;
    }
    return found;
  }
  size_t scan() override {
    MDB_cursor* cursor = nullptr;
    check(mdb_cursor_open(reader(), db_, &cursor) == 0, "mdb_cursor_open");
    size_t bytes = 0;
    MDB_val k;
    MDB_val v;
    while (mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0) bytes += k.mv_size + v.mv_size;
    mdb_cursor_close(cursor);
    return bytes;
  }
  size_t scan_from(std::string_view key, size_t count) override {
    MDB_cursor* cursor = nullptr;
    check(mdb_cursor_open(reader(), db_, &cursor) == 0, "mdb_cursor_open");
    MDB_val k = val(key);
    MDB_val v;
    size_t found = 0;
    for (int at = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE); at == 0 && ++found < count; at = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) {
    }
    mdb_cursor_close(cursor);
    return found;
  }

 private:
  static MDB_val val(std::string_view text) { return {text.size(), const_cast<char*>(text.data())}; }
  // One for all reads; reads come after the writes, on one thread.
  MDB_txn* reader() {
    if (reader_ == nullptr) check(mdb_txn_begin(env_, nullptr, MDB_RDONLY, &reader_) == 0, "mdb_txn_begin");
    return reader_;
  }
  MDB_env* env_ = nullptr;
  MDB_dbi db_ = 0;
  MDB_txn* reader_ = nullptr;
  std::mutex sync_;
};

template <class Db, class Iterator, class Batch, class WriteOptions, class ReadOptions>
class LsmStore : public Store {
 public:
  void put(const Pairs& batch, bool sync) override {
    Batch out;
    for (const auto& [key, value] : batch) out.Put({key.data(), key.size()}, {value.data(), value.size()});
    WriteOptions options;
    options.sync = sync;
    check(db_->Write(options, &out).ok(), "Write");
  }
  bool get(std::string_view key, std::string& value) override { return db_->Get(ReadOptions(), {key.data(), key.size()}, &value).ok(); }
  size_t multi_get(const std::vector<std::string_view>& keys) override {
    size_t found = 0;
    std::string value;
    for (const auto key : keys) found += get(key, value) ? 1 : 0;
    return found;
  }
  size_t scan() override {
    const std::unique_ptr<Iterator> at(db_->NewIterator(ReadOptions()));
    size_t bytes = 0;
    for (at->SeekToFirst(); at->Valid(); at->Next()) bytes += at->key().size() + at->value().size();
    return bytes;
  }
  size_t scan_from(std::string_view key, size_t count) override {
    const std::unique_ptr<Iterator> at(db_->NewIterator(ReadOptions()));
    size_t found = 0;
    for (at->Seek({key.data(), key.size()}); at->Valid() && ++found < count; at->Next()) {
    }
    return found;
  }

 protected:
  std::unique_ptr<Db> db_;
};

class LevelDb final : public LsmStore<leveldb::DB, leveldb::Iterator, leveldb::WriteBatch, leveldb::WriteOptions, leveldb::ReadOptions> {
 public:
  LevelDb(const std::string& directory, const StoreOptions& given) : cache_(leveldb::NewLRUCache(given.cache_bytes)), filter_(leveldb::NewBloomFilterPolicy(10)) {
    leveldb::Options options;
    options.create_if_missing = true;
    options.block_cache = cache_.get();
    options.filter_policy = filter_.get();
    options.write_buffer_size = given.write_buffer_bytes;
    leveldb::DB* db = nullptr;
    check(leveldb::DB::Open(options, directory, &db).ok(), "leveldb::DB::Open");
    db_.reset(db);
  }
  LevelDb(const LevelDb&) = delete;
  LevelDb& operator=(const LevelDb&) = delete;
  ~LevelDb() override { db_.reset(); }
  void settle() override { db_->CompactRange(nullptr, nullptr); }

 private:
  std::unique_ptr<leveldb::Cache> cache_;
  std::unique_ptr<const leveldb::FilterPolicy> filter_;
};

class RocksDb final : public LsmStore<rocksdb::DB, rocksdb::Iterator, rocksdb::WriteBatch, rocksdb::WriteOptions, rocksdb::ReadOptions> {
 public:
  RocksDb(const std::string& directory, const StoreOptions& given) {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.write_buffer_size = given.write_buffer_bytes;
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = rocksdb::NewLRUCache(given.cache_bytes);
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10, false));
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    rocksdb::DB* db = nullptr;
    check(rocksdb::DB::Open(options, directory, &db).ok(), "rocksdb::DB::Open");
    db_.reset(db);
  }
  size_t multi_get(const std::vector<std::string_view>& keys) override {
    std::vector<rocksdb::Slice> slices;
    for (const auto key : keys) slices.emplace_back(key.data(), key.size());
    std::vector<rocksdb::PinnableSlice> values(keys.size());
    std::vector<rocksdb::Status> statuses(keys.size());
    db_->MultiGet(rocksdb::ReadOptions(), db_->DefaultColumnFamily(), keys.size(), slices.data(), values.data(), statuses.data());
    size_t found = 0;
    for (const auto& status : statuses) found += status.ok() ? 1 : 0;
    return found;
  }
  void settle() override { check(db_->CompactRange(rocksdb::CompactRangeOptions(), nullptr, nullptr).ok(), "CompactRange"); }
};

}  // namespace

namespace {

template <class S, bool kEncrypted>
std::unique_ptr<Store> open_ours(const std::string& directory, const StoreOptions& options) {
  return std::make_unique<S>(directory, options, kEncrypted);
}
template <class S>
std::unique_ptr<Store> open_peer(const std::string& directory, const StoreOptions& options) {
  return std::make_unique<S>(directory, options);
}

}  // namespace

const std::vector<Kind> kKinds{
    {"cow_btree", false, open_ours<Cow, false>}, {"cow_btree_encrypted", true, open_ours<Cow, true>},
    {"lsm", false, open_ours<Lsm, false>},       {"lsm_encrypted", true, open_ours<Lsm, true>},
    {"lmdb", false, open_peer<Lmdb>},            {"leveldb", false, open_peer<LevelDb>},
    {"rocksdb", false, open_peer<RocksDb>},
};

}  // namespace orbit::bench
