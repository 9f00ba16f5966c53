// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A sorted table on disk: how one is written and read. The file never changes once it is finished.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <orbit/files.hpp>
#include <vector>

#include "block.hpp"
#include "cache.hpp"
#include "compression.hpp"
#include "key_index.hpp"
#include "keyring.hpp"
#include "range_set.hpp"

namespace orbit::lsm {

struct TableOptions {
  size_t block_bytes = 4096;
  unsigned filter_bits_per_key = 10;  // 0: no filters
};

// What the engine knows about a table without opening it.
struct TableInfo {
  uint64_t number = 0;
  uint64_t bytes = 0;
  uint64_t entries = 0;
  uint64_t sequence_min = 0;
  uint64_t sequence_max = 0;
  // All keys, and all erased ranges, are from `smallest` on and before `end`.
  std::string smallest;
  RangeEnd end;
};

class TableWriter {
 public:
  // Writes into `file`, which is empty. `limit` is called before bytes are written, to hold them up. `seal`: encrypts.
  TableWriter(std::unique_ptr<File> file, std::string path, uint64_t number, const TableOptions& options,
              Compression compression, std::function<void(size_t bytes)> limit, std::optional<FileSeal> seal);
  // In order.
  void add(Bytes key, uint64_t tag, Bytes value);
  // All erased ranges; before finish. `end` of the ranges counts for the table's end.
  void add_ranges(const std::vector<ErasedRange>& ranges);
  uint64_t bytes() const noexcept { return offset_ + block_.bytes(); }
  bool empty() const noexcept { return info_.entries == 0 && ranges_.empty(); }
  // Writes the rest and syncs.
  TableInfo finish();

 private:
  struct Section {
    uint64_t offset;
    uint64_t bytes;
  };
  Section write_section(Bytes data, bool compressible);
  void finish_block(Bytes next_key);
  void finish_partition();
  void flush();
  void note_sequence(uint64_t sequence) noexcept;

  const std::unique_ptr<File> file_;
  const std::string path_;
  const TableOptions options_;
  const std::function<void(size_t)> limit_;
  const std::optional<FileSeal> seal_;
  Compressor compressor_;
  TableInfo info_;
  BlockBuilder block_;
  std::string pending_;  // not handed to the file yet
  uint64_t offset_ = 0;  // pending_ included
  std::string compressed_;
  std::string plain_;
  std::string last_key_;
  std::vector<uint64_t> hashes_;
  std::string index_;
  std::string index_last_;
  uint64_t index_blocks_ = 0;
  uint64_t index_first_ = 0;
  std::string top_;
  uint64_t partitions_ = 0;
  std::vector<ErasedRange> ranges_;
};

enum class Found { no, yes, erased, unknown };

class Table {
 public:
  // Reads and checks everything that is not in blocks. `bytes` is what its size must be. With a `keyring` it must be encrypted,
  // without it must not. DATA_LOSS names the file.
  static std::shared_ptr<Table> open(FileSystem& files, const std::string& path, uint64_t number, uint64_t bytes,
                                     Cache& cache, Epochs& epochs, const Keyring* keyring);
  ~Table();
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  // The newest version of `key` up to `sequence`, erased ranges apart. The value is borrowed until the caller's guard
  // ends. unknown: only with `cached_only`, when a device would have to be asked.
  Found get(Bytes key, uint64_t hash, uint64_t sequence, bool cached_only, uint64_t& tag, Bytes& value) const;
  const RangeSet& ranges() const noexcept { return ranges_; }
  // Keeps what it reads in the cache or not. The table must outlive it.
  std::unique_ptr<Cursor> cursor(bool fill_cache) const;
  // Reads all of it. DATA_LOSS names the first damage.
  void verify() const;
  // 0: not encrypted.
  uint64_t data_key() const noexcept { return data_key_; }
  size_t memory_bytes() const noexcept { return top_.memory_bytes() + offsets_.capacity() * sizeof offsets_[0]; }

 private:
  class Block;
  class Partition;
  class Position;
  struct PartitionPlace {
    uint64_t offset;
    uint64_t filter_bytes;
    uint64_t index_bytes;
  };

  Table(std::unique_ptr<File> file, std::string path, uint64_t number, Cache& cache, Epochs& epochs)
      : file_(std::move(file)), path_(std::move(path)), number_(number), cache_(cache), epochs_(epochs) {}
  void load(uint64_t bytes, const Keyring* keyring);
  std::unique_ptr<char[]> read(uint64_t offset, uint64_t bytes) const;
  // Decrypts in place.
  Bytes check_section(char* data, uint64_t offset, uint64_t bytes) const;
  std::unique_ptr<Block> make_block(char* data, uint64_t offset, uint64_t bytes) const;
  std::unique_ptr<Partition> load_partition(size_t index) const;
  [[noreturn]] void damaged(const std::string& what, uint64_t offset) const;

  const std::unique_ptr<File> file_;
  const std::string path_;
  const uint64_t number_;
  std::unique_ptr<Sealer> sealer_;  // null: not encrypted
  uint64_t data_key_ = 0;
  Cache& cache_;
  Epochs& epochs_;
  KeyIndex top_;
  std::vector<PartitionPlace> offsets_;
  SlotArray* slots_ = nullptr;
  RangeSet ranges_;
};

}  // namespace orbit::lsm
