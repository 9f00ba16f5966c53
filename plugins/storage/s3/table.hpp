// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Tables: immutable objects with entries in order of keys, read by ranges through the cache. A table holds the newest
// that is known of its keys; its erased ranges count for older tables only.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "cache.hpp"
#include "cursor.hpp"
#include "memtable.hpp"
#include "object_store.hpp"
#include "ranges.hpp"

namespace orbit::s3 {

constexpr uint64_t kTableMagic = 0x314c425433534f00;  // "\0OS3TBL1"

struct TableInfo {
  uint64_t epoch = 0;
  uint64_t number = 0;
  uint64_t size = 0;
  uint64_t entries = 0;
  uint64_t meta_offset = 0;
  uint64_t meta_size = 0;
  bool has_ranges = false;
  std::string from;  // all keys and erased ranges lie in from <= key < to
  std::string to;    // empty: infinite
  std::string name() const { return "table/" + digits(epoch) + "-" + digits(number); }
};

struct TableOptions {
  uint64_t block_bytes = 32 << 10;
  bool compress = true;
  unsigned filter_bits_per_key = 10;
};

// Entries must come in order.
class TableBuilder {
 public:
  TableBuilder(uint64_t epoch, uint64_t number, const TableOptions& options);
  void add(Bytes key, Bytes value, bool erased);
  uint64_t bytes() const noexcept { return object_.size() + block_.size(); }
  bool empty() const noexcept { return info_.entries == 0; }
  // The whole object. `ranges` in order and without overlap.
  std::string finish(const std::vector<Range>& ranges, TableInfo& info);

 private:
  void end_block();
  const TableOptions options_;
  TableInfo info_;
  std::string name_;
  std::string object_;
  std::string block_;
  std::string block_first_key_;
  std::string last_key_;
  std::string index_;
  uint64_t blocks_ = 0;
  std::vector<uint64_t> hashes_;
};

// A block in memory.
class Block {
 public:
  Block(std::string raw, const std::string& what);
  struct Entry {
    Bytes key;
    Bytes value;
    bool erased;
  };
  size_t size() const noexcept { return offsets_.size(); }
  Entry operator[](size_t index) const noexcept;
  // The first entry that is not before the key.
  size_t lower_bound(Bytes key) const noexcept;
  uint64_t bytes() const noexcept { return raw_.size() + offsets_.size() * sizeof(uint32_t) + sizeof *this; }

 private:
  std::string raw_;
  std::vector<uint32_t> offsets_;
};

// Index, filter and erased ranges.
struct TableMeta {
  struct Place {
    std::string first_key;
    uint64_t offset;
    uint32_t stored_bytes;
    uint32_t bytes;
  };
  std::vector<Place> blocks;
  std::string last_key;
  std::vector<Range> ranges;
  std::string filter;

  static TableMeta decode(Bytes stored, const TableInfo& info, const std::string& what);
  // The block that would hold the key; blocks.size(): none.
  size_t block_of(Bytes key) const noexcept;
  uint64_t bytes() const noexcept;
};

enum class Lookup { none, put, erased, unknown };

class Table {
 public:
  Table(TableInfo info, ObjectStore& store, Cache& cache, std::function<void(const std::string& name)> gone);
  ~Table();
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  const TableInfo& info() const noexcept { return info_; }
  const std::string& name() const noexcept { return name_; }
  // The object is to be removed when nobody reads it any more.
  void mark_obsolete(bool obsolete = true) noexcept { obsolete_.store(obsolete, std::memory_order_relaxed); }
  // Asks this when an object is missing; throws if that is because another writer has taken over.
  std::function<void()> missing;

  // Erased, also by a range: then older tables have nothing to say. `cached`: never asks the store, and may answer
  // unknown.
  Lookup find(Bytes key, bool cached, std::shared_ptr<const Block>& holder, Bytes& value);
  std::shared_ptr<const TableMeta> meta();
  // Up to `count` blocks from `index` on, in one request; kept in the cache if asked.
  std::vector<std::shared_ptr<const Block>> fetch(const TableMeta& meta, size_t index, size_t count, bool keep);
  std::shared_ptr<const Block> cached_block(const TableMeta& meta, size_t index) {
    return cache_.find<Block>({cache_id_, meta.blocks[index].offset});
  }
  // Puts into the cache what was just written, which nobody need fetch then: the index, and the blocks too if asked.
  void prime(Bytes object, bool blocks);
  // Reads everything and checks it.
  void verify();

 private:
  std::shared_ptr<const TableMeta> read_meta();
  std::string must_read(uint64_t offset, uint64_t size);
  std::shared_ptr<const Block> decode(const TableMeta::Place& place, Bytes stored) const;

  const TableInfo info_;
  const std::string name_;
  ObjectStore& store_;
  Cache& cache_;
  const uint64_t cache_id_;
  const std::function<void(const std::string&)> gone_;
  std::atomic<bool> obsolete_ = false;
};

// How far a cursor reads ahead: from one block up to that many bytes, twice as many each time.
struct ReadAhead {
  uint64_t bytes_max;
  bool keep;  // in the cache
};

// Over tables in order of keys that do not overlap; a list of one table is one.
std::unique_ptr<Cursor> table_cursor(std::vector<std::shared_ptr<Table>> tables, Bytes from, Bytes to, bool reverse,
                                     ReadAhead ahead);

// The first table that ends after the key.
template <class Tables>
auto first_ending_after(Tables& tables, Bytes key) {
  return std::partition_point(tables.begin(), tables.end(),
                              [&](const auto& table) { return ends_before(table->info().to, key); });
}

}  // namespace orbit::s3
