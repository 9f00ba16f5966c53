// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "memtable.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <new>

namespace orbit::lsm {
namespace {

// After so many entries, and again after so many times more, it is looked whether another prefix fits better.
constexpr size_t kReviewFirst = 256;
constexpr size_t kReviewFactor = 16;
constexpr size_t kReviewLast = 65536;

}  // namespace

class Memtable::Position final : public Cursor {
 public:
  explicit Position(const Memtable& table) noexcept : table_(table) {}
  void seek(Bytes key, uint64_t tag) override {
    list_ = &table_.list();
    show(list_->at_or_after(key, tag));
  }
  void seek_before(const Bytes* key) override {
    list_ = &table_.list();
    show(list_->last_before(key, ~uint64_t{0}));
  }
  void next() override { show(list_->next(place_)); }
  void prev() override { show(list_->previous(place_)); }

 private:
  void show(const LeafList::Place& place) noexcept {
    place_ = place;
    valid_ = place.entry != nullptr;
    if (!valid_) return;
    key_ = place.entry->key();
    tag_ = place.entry->tag;
    value_ = place.entry->value();
  }
  const Memtable& table_;
  const LeafList* list_ = nullptr;
  LeafList::Place place_;
};

Memtable::Memtable(uint64_t log, std::string prefix) : log_(log), next_review_(kReviewFirst) {
  lists_.push_back(std::make_unique<LeafList>(arena_, std::move(prefix)));
  list_ = lists_.back().get();
  range_sets_.push_back(std::make_unique<RangeSet>());
  ranges_ = range_sets_.back().get();
}

Memtable::~Memtable() = default;

void Memtable::add(std::span<const Addition> additions) {
  const size_t before = arena_.bytes();
  std::array<const MemtableEntry*, LeafList::kTogether> entries;
  while (!additions.empty()) {
    const size_t count = std::min(additions.size(), entries.size());
    for (size_t i = 0; i < count; ++i) {
      const auto& [key, tag, value] = additions[i];
      char* const place = arena_.allocate(sizeof(MemtableEntry) + key.size() + value.size());
      entries[i] =
          new (place) MemtableEntry{tag, static_cast<uint32_t>(key.size()), static_cast<uint32_t>(value.size())};
      char* const data = place + sizeof(MemtableEntry);
      if (!key.empty()) std::memcpy(data, key.data(), key.size());
      if (!value.empty()) std::memcpy(data + key.size(), value.data(), value.size());
    }
    lists_.back()->add({entries.data(), count});
    entries_ += count;
    if (next_review_ != 0 && entries_ >= next_review_) review_prefix();
    additions = additions.subspan(count);
  }
  bytes_.fetch_add(arena_.bytes() - before, std::memory_order_relaxed);
}

// The heads of keys with a prefix that fits badly are all alike. Few others do not make a prefix bad.
void Memtable::review_prefix() {
  next_review_ = next_review_ < kReviewLast ? next_review_ * kReviewFactor : 0;
  const LeafList& now = *lists_.back();
  std::string prefix = now.common_prefix();
  if (prefix.size() <= now.prefix().size() && now.strangers() <= entries_ / 2) return;
  auto fresh = std::make_unique<LeafList>(arena_, std::move(prefix));
  for (LeafList::Place at = now.at_or_after({}, ~uint64_t{0}); at.entry != nullptr; at = now.next(at))
    fresh->add({&at.entry, 1});
  lists_.push_back(std::move(fresh));
  list_.store(lists_.back().get(), std::memory_order_release);
}

void Memtable::add_ranges(const std::vector<ErasedRange>& ranges) {
  all_ranges_.insert(all_ranges_.end(), ranges.begin(), ranges.end());
  range_sets_.push_back(std::make_unique<RangeSet>(all_ranges_));
  ranges_.store(range_sets_.back().get(), std::memory_order_release);
  bytes_.fetch_add(range_sets_.back()->memory_bytes() + 64, std::memory_order_relaxed);
}

bool Memtable::find(Bytes key, uint64_t sequence, uint64_t& tag, Bytes& value) const noexcept {
  const MemtableEntry* const entry = list().at_or_after(key, seek_tag(sequence)).entry;
  if (entry == nullptr || entry->key() != key) return false;
  tag = entry->tag;
  value = entry->value();
  return true;
}

std::unique_ptr<Cursor> Memtable::cursor() const { return std::make_unique<Position>(*this); }

}  // namespace orbit::lsm
