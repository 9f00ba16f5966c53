// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "version.hpp"

#include <algorithm>

namespace orbit::lsm {
namespace {

size_t first_ending_after(const std::vector<TablePtr>& tables, Bytes key) noexcept {
  return static_cast<size_t>(std::partition_point(tables.begin(), tables.end(),
                                                  [&](const TablePtr& table) { return !table->info.end.after(key); }) -
                             tables.begin());
}

}  // namespace

uint64_t Version::level_bytes(size_t level) const noexcept {
  uint64_t sum = 0;
  for (const TablePtr& table : levels[level]) sum += table->info.bytes;
  return sum;
}

const TableFile* Version::find(size_t level, Bytes key) const noexcept {
  const auto& tables = levels[level];
  const size_t i = first_ending_after(tables, key);
  return i < tables.size() && tables[i]->info.smallest <= key ? tables[i].get() : nullptr;
}

std::vector<TablePtr> Version::overlapping(size_t level, Bytes from, const RangeEnd& end) const {
  std::vector<TablePtr> out;
  for (const TablePtr& table : levels[level])
    if (table->info.end.after(from) && end.after(table->info.smallest)) out.push_back(table);
  return out;
}

bool Version::overlaps(size_t level, Bytes from, const RangeEnd& end) const noexcept {
  const auto& tables = levels[level];
  if (level == 0)
    return std::any_of(tables.begin(), tables.end(), [&](const TablePtr& table) {
      return table->info.end.after(from) && end.after(table->info.smallest);
    });
  const size_t i = first_ending_after(tables, from);
  return i < tables.size() && end.after(tables[i]->info.smallest);
}

bool Version::any_damaged() const noexcept {
  return std::any_of(levels.begin(), levels.end(), [](const auto& level) {
    return std::any_of(level.begin(), level.end(), [](const TablePtr& table) { return table->damaged(); });
  });
}

void LevelCursor::open(size_t index) {
  if (at_ && index == index_) return;
  index_ = index;
  at_ = index < tables_.size() ? tables_[index]->table->cursor(fill_cache_) : nullptr;
}

void LevelCursor::show() noexcept {
  valid_ = at_ && at_->valid();
  if (!valid_) return;
  key_ = at_->key();
  tag_ = at_->tag();
  value_ = at_->value();
}

void LevelCursor::forward() {
  while (at_ && !at_->valid()) {
    open(index_ + 1);
    if (at_) at_->seek({}, ~uint64_t{0});
  }
  show();
}

void LevelCursor::backward() {
  while (at_ && !at_->valid()) {
    if (index_ == 0) {
      at_ = nullptr;
      break;
    }
    open(index_ - 1);
    at_->seek_before(nullptr);
  }
  show();
}

void LevelCursor::seek(Bytes key, uint64_t tag) {
  open(first_ending_after(tables_, key));
  if (at_) at_->seek(key, tag);
  forward();
}

void LevelCursor::seek_before(const Bytes* key) {
  size_t i = key == nullptr ? tables_.size() : first_ending_after(tables_, *key);
  if (i == tables_.size()) {
    if (i == 0) return show();
    --i;
  }
  open(i);
  at_->seek_before(key);
  backward();
}

void LevelCursor::next() {
  at_->next();
  forward();
}

void LevelCursor::prev() {
  at_->prev();
  backward();
}

bool LevelCursor::leap(const RangeEnd& to, uint64_t sequence) {
  const TableInfo& info = tables_[index_]->info;
  if (info.sequence_max >= sequence) return false;
  if (before(to, info.end)) {
    at_->seek(to.key, ~uint64_t{0});
  } else {
    open(index_ + 1);
    if (at_) at_->seek({}, ~uint64_t{0});
  }
  forward();
  return true;
}

bool LevelCursor::leap_back(Bytes from, uint64_t sequence) {
  const TableInfo& info = tables_[index_]->info;
  if (info.sequence_max >= sequence) return false;
  if (info.smallest < from) {
    at_->seek_before(&from);
  } else if (index_ == 0) {
    at_ = nullptr;
  } else {
    open(index_ - 1);
    at_->seek_before(nullptr);
  }
  backward();
  return true;
}

}  // namespace orbit::lsm
