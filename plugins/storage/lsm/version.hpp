// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The tables of one moment, and what a reader needs of one moment altogether.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <vector>

#include "manifest.hpp"
#include "memtable.hpp"
#include "table.hpp"

namespace orbit::lsm {

// A table in use; the last user of one that is obsolete removes its file.
class TableFile {
 public:
  TableFile(FileSystem& files, std::string path, TableInfo about, std::shared_ptr<Table> opened)
      : info(std::move(about)), table(std::move(opened)), files_(files), path_(std::move(path)) {}
  TableFile(const TableFile&) = delete;
  TableFile& operator=(const TableFile&) = delete;
  ~TableFile() {
    // What cannot be removed now is removed when the engine is opened next.
    if (obsolete_.load()) (void)files_.remove(path_);
  }
  void make_obsolete() noexcept { obsolete_.store(true); }
  // Compactions leave it where it is.
  void set_damaged(bool damaged) noexcept { damaged_.store(damaged, std::memory_order_relaxed); }
  bool damaged() const noexcept { return damaged_.load(std::memory_order_relaxed); }
  // It was kept back above a damaged one.
  void set_kept_back(bool kept_back) noexcept { kept_back_.store(kept_back, std::memory_order_relaxed); }
  // A compaction can do nothing for it.
  bool stuck() const noexcept { return damaged() || kept_back_.load(std::memory_order_relaxed); }
  // Scans had to walk over so many erased entries of it.
  void note_erased() noexcept { erased_.fetch_add(1, std::memory_order_relaxed); }
  void forget_erased() noexcept { erased_.store(0, std::memory_order_relaxed); }
  uint64_t erased() const noexcept { return erased_.load(std::memory_order_relaxed); }
  const std::string& path() const noexcept { return path_; }

  const TableInfo info;
  const std::shared_ptr<Table> table;

 private:
  FileSystem& files_;
  const std::string path_;
  std::atomic<bool> obsolete_{false};
  std::atomic<bool> damaged_{false};
  std::atomic<bool> kept_back_{false};
  std::atomic<uint64_t> erased_{0};
};
using TablePtr = std::shared_ptr<TableFile>;

struct Version {
  std::array<std::vector<TablePtr>, kLevels> levels;  // as in Manifest

  uint64_t level_bytes(size_t level) const noexcept;
  // The table of a level from 1 on that may contain `key`, or null.
  const TableFile* find(size_t level, Bytes key) const noexcept;
  // The tables of a level that have something in common with [from, end).
  std::vector<TablePtr> overlapping(size_t level, Bytes from, const RangeEnd& end) const;
  bool overlaps(size_t level, Bytes from, const RangeEnd& end) const noexcept;
  bool any_damaged() const noexcept;
};

// Memtables and tables; immutable but for the newest memtable.
struct State {
  std::shared_ptr<Memtable> memtable;
  std::vector<std::shared_ptr<Memtable>> full;  // waiting to become tables; the newest first
  std::shared_ptr<const Version> version;

  void hold() const noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() const noexcept {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

 private:
  mutable std::atomic<uint32_t> references_{1};
};

// Tables of one level that do not overlap, as one run. Borrows the list.
class LevelCursor final : public Cursor {
 public:
  LevelCursor(const std::vector<TablePtr>& tables, bool fill_cache) : tables_(tables), fill_cache_(fill_cache) {}
  void seek(Bytes key, uint64_t tag) override;
  void seek_before(const Bytes* key) override;
  void next() override;
  void prev() override;
  bool leap(const RangeEnd& to, uint64_t sequence) override;
  bool leap_back(Bytes from, uint64_t sequence) override;
  void note_erased() noexcept override { tables_[index_]->note_erased(); }

 private:
  void open(size_t index);
  void forward();
  void backward();
  void show() noexcept;
  const std::vector<TablePtr>& tables_;
  const bool fill_cache_;
  size_t index_ = 0;
  std::unique_ptr<Cursor> at_;
};

}  // namespace orbit::lsm
