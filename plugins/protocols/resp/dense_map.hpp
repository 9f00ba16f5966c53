// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Named elements in one piece of memory without holes, so that walking and random choice are cheap; an index joins when
// there are more than a few. What hashes and sets are made of.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "change_log.hpp"
#include "key_index.hpp"

namespace orbit::resp {

// Entry: a struct with `SmallString name`, a constructor from a name, and `heap_bytes()` of all that it owns.
template <class Entry>
class DenseMap {
 public:
  static constexpr uint32_t kNone = KeyIndex::kNone;

  size_t size() const noexcept { return entries_.size(); }
  bool empty() const noexcept { return entries_.empty(); }
  const Entry& at(size_t position) const noexcept { return entries_[position]; }
  const std::vector<Entry>& entries() const noexcept { return entries_; }
  size_t heap_bytes() const noexcept {
    return entries_.capacity() * sizeof(Entry) + index_.heap_bytes() + owned_bytes_ + log_.heap_bytes();
  }

  uint32_t find(std::string_view name) const noexcept {
    if (index_.empty()) {
      for (size_t i = 0; i < entries_.size(); ++i) {
        if (entries_[i].name.equals(name)) return static_cast<uint32_t>(i);
      }
      return kNone;
    }
    return index_.find(hash_name(name), [&](uint32_t i) { return entries_[i].name.equals(name); });
  }

  // Adds a name that is not there yet. `fill(entry)` sets the rest.
  template <class Fill>
  void add(std::string_view name, Fill&& fill) {
    const auto position = static_cast<uint32_t>(entries_.size());
    if (index_.empty() && position >= kUnindexedMax) build_index();
    Entry& entry = entries_.emplace_back(name);
    fill(entry);
    owned_bytes_ += entry.heap_bytes();
    if (!index_.empty()) index_.insert(hash_name(name), position);
    note_changed(position);
  }
  // `change(entry)` sets anything but the name.
  template <class Change>
  void change(uint32_t position, Change&& change) {
    Entry& entry = entries_[position];
    owned_bytes_ -= entry.heap_bytes();
    change(entry);
    owned_bytes_ += entry.heap_bytes();
    note_changed(position);
  }
  // The last element moves to the hole.
  void remove(uint32_t position) {
    Entry& entry = entries_[position];
    owned_bytes_ -= entry.heap_bytes();
    const auto last = static_cast<uint32_t>(entries_.size() - 1);
    if (!index_.empty()) index_.erase(hash_name(entry.name.view()), position);
    log_.note_removed(std::move(entry.name));
    if (position != last) {
      if (!index_.empty()) index_.move(hash_name(entries_[last].name.view()), last, position);
      log_.note_moved(entries_[last].name, position);
      entry = std::move(entries_[last]);
    }
    entries_.pop_back();
    if (entries_.capacity() > kShrinkFrom && entries_.size() < entries_.capacity() / 8) shrink();
  }

  // See KeyIndex::scan; a map without an index is visited at once.
  template <class Visit>
  uint64_t scan(uint64_t cursor, size_t count, Visit&& visit) const {
    if (!index_.empty()) return index_.scan(cursor, count, [&](uint32_t i) { visit(entries_[i]); });
    for (const Entry& entry : entries_) visit(entry);
    return 0;
  }

  ChangeLog& log() noexcept { return log_; }
  const ChangeLog& log() const noexcept { return log_; }
  // Visits the changed entries.
  template <class Visit>
  void visit_changed(Visit&& visit) {
    for (const uint32_t position : log_.changed()) {
      if (!is_changed(position)) continue;
      Entry& entry = entries_[position];
      entry.name.reset(kChanged);
      entry.name.set(kStored);
      visit(entry);
    }
  }
  // Says of all entries whether storage has a sub-record.
  void mark_all(bool stored) noexcept {
    for (Entry& entry : entries_) {
      entry.name.reset(kChanged);
      stored ? entry.name.set(kStored) : entry.name.reset(kStored);
    }
  }
  void reserve(size_t count) {
    entries_.reserve(count);
    if (count > kUnindexedMax) index_.reserve(count);
  }

 private:
  static constexpr size_t kUnindexedMax = 16;
  static constexpr size_t kShrinkFrom = 1024;

  bool is_changed(uint32_t position) const noexcept {
    return position < entries_.size() && entries_[position].name.has(kChanged);
  }
  void note_changed(uint32_t position) {
    log_.note_changed(entries_[position].name, position, entries_.size(), [&](uint32_t p) { return is_changed(p); });
  }
  void build_index() {
    index_.reserve(entries_.size() + 1);
    for (size_t i = 0; i < entries_.size(); ++i) {
      index_.insert(hash_name(entries_[i].name.view()), static_cast<uint32_t>(i));
    }
  }
  void shrink() {
    entries_.shrink_to_fit();
    if (!index_.empty()) index_.shrink(entries_.size());
  }

  std::vector<Entry> entries_;
  KeyIndex index_;
  size_t owned_bytes_ = 0;
  ChangeLog log_;
};

}  // namespace orbit::resp
