// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "space.hpp"

#include <algorithm>
#include <bit>

namespace orbit::cow_btree {

uint64_t Bitmap::first_free(uint64_t from) const noexcept {
  for (uint64_t word = from / 64; word < words_.size(); ++word) {
    uint64_t free = ~words_[word];
    if (word == from / 64) free &= ~uint64_t{0} << (from % 64);
    if (free != 0) return word * 64 + static_cast<uint64_t>(std::countr_zero(free));
  }
  return size();
}

uint64_t Bitmap::end_of_used() const noexcept {
  for (size_t word = words_.size(); word > 0; --word)
    if (words_[word - 1] != 0) return word * 64 - static_cast<uint64_t>(std::countl_zero(words_[word - 1]));
  return 0;
}

void Bitmap::copy_chunk(uint64_t chunk, char* out, size_t size) const {
  const uint64_t words = size / 8;
  std::memset(out, 0, size);
  if (chunk * words >= words_.size()) return;
  const uint64_t count = std::min<uint64_t>(words, words_.size() - chunk * words);
  std::memcpy(out, words_.data() + chunk * words, count * 8);
}

void Bitmap::load_chunk(uint64_t chunk, Bytes bytes) {
  const uint64_t words = bytes.size() / 8;
  if (chunk * words >= words_.size()) return;
  const uint64_t count = std::min<uint64_t>(words, words_.size() - chunk * words);
  std::memcpy(words_.data() + chunk * words, bytes.data(), count * 8);
}

void Space::load(Bitmap map, uint64_t pages) {
  map_ = std::move(map);
  set_pages(pages);
  used_ = 0;
  for (const uint64_t word : map_.words()) used_ += static_cast<uint64_t>(std::popcount(word));
  hint_ = 2;
}

void Space::mark_used(PageId page, uint32_t count) {
  if (map_.size() < uint64_t{page} + count) map_.resize(uint64_t{page} + count);
  for (uint32_t i = 0; i < count; ++i) {
    if (!map_.test(page + i)) ++used_;
    map_.set(page + i, true);
  }
  set_pages(std::max(pages_, uint64_t{page} + count));
}

void Space::grow(uint64_t pages) {
  if (pages > pages_max_)
    raise(Code::resource_exhausted, "file_bytes_max: the file would need more than " + std::to_string(pages_max_ * kPageBytes) + " bytes");
  // In steps, so that the file system is asked rarely; at most an eighth too much.
  const uint64_t step = std::clamp<uint64_t>(pages_ / 16, 16, 4096);
  uint64_t target = std::min(std::max(pages, pages_ + step), pages_max_);
  Result<> got = file_.allocate(pages_ * kPageBytes, (target - pages_) * kPageBytes);
  if (!got && target > pages) {
    target = pages;
    got = file_.allocate(pages_ * kPageBytes, (target - pages_) * kPageBytes);
  }
  must(std::move(got));
  set_pages(target);
  map_.resize(pages_);
}

void Space::set_pages(uint64_t pages) noexcept {
  pages_ = pages;
  const uint64_t chunks = pages / map_bits(sealed_) + 1;
  map_pages_ = chunks + chunks / map_entries(sealed_) + 1;
}

void Space::leave_reserve(uint32_t count) {
  if (use_ == Use::map) return;
  const uint64_t reserve = map_pages_ + (use_ == Use::writing ? erasing_pages_ : 0);
  const uint64_t free = pages_ - used_;
  if (free < count + reserve) grow(pages_ + count + reserve - free);
}

PageId Space::allocate(uint32_t count) {
  leave_reserve(count);
  uint64_t at = map_.first_free(hint_);
  if (count == 1) hint_ = at;
  for (;;) {
    if (at + count > map_.size() || at + count > pages_) {
      if (at >= pages_) at = pages_;
      // Free pages at the end are the beginning of the run.
      grow(at + count);
    }
    uint32_t run = 1;
    while (run < count && !map_.test(at + run)) ++run;
    if (run == count) break;
    at = map_.first_free(at + run);
  }
  for (uint32_t i = 0; i < count; ++i) map_.set(at + i, true);
  used_ += count;
  if (count == 1) hint_ = at + 1;
  return static_cast<PageId>(at);
}

void Space::give_back(PageId page, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) map_.set(page + i, false);
  used_ -= count;
  hint_ = std::min<uint64_t>(hint_, page);
}

void Space::free_later(PageId page, uint32_t count, uint64_t version, uint64_t time, bool in_a_commit_slot) {
  (in_a_commit_slot ? committed_ : unseen_).push_back({page, count, version, time});
  waiting_ += count;
  if (!in_a_commit_slot) waiting_for_readers_ += count;
}

void Space::reclaim(uint64_t oldest_reader, const std::function<void(std::span<const PageId>)>& forget) {
  reclaimed_.clear();
  const auto drain = [&](std::deque<Freed>& list, bool needs_durable) {
    while (!list.empty()) {
      const Freed at = list.front();
      if (at.time > oldest_reader || (needs_durable && at.version > durable_)) return;
      list.pop_front();
      for (uint32_t i = 0; i < at.count; ++i) reclaimed_.push_back(at.page + i);
      waiting_ -= at.count;
      if (!needs_durable) waiting_for_readers_ -= at.count;
      give_back(at.page, at.count);
    }
  };
  drain(unseen_, false);
  drain(committed_, true);
  if (!reclaimed_.empty()) forget(reclaimed_);
}

void Space::each_waiting(const std::function<void(PageId)>& page) const {
  for (const auto* list : {&unseen_, &committed_})
    for (const Freed& at : *list)
      for (uint32_t i = 0; i < at.count; ++i) page(at.page + i);
}

Bitmap Space::in_use() const {
  Bitmap out = map_;
  for (const auto* list : {&unseen_, &committed_})
    for (const Freed& at : *list)
      for (uint32_t i = 0; i < at.count; ++i) out.set(at.page + i, false);
  return out;
}

void Space::trim() {
  const uint64_t end = std::max<uint64_t>(2, map_.end_of_used());
  if (pages_ - end < 256 && (pages_ - end) * 16 < pages_) return;
  if (pages_ == end) return;
  // A file that stays too long is no error.
  if (!file_.truncate(end * kPageBytes)) return;
  Bitmap shorter;
  shorter.resize(end);
  for (uint64_t i = 0; i < end; ++i) shorter.set(i, map_.test(i));
  map_ = std::move(shorter);
  set_pages(end);
  hint_ = std::min(hint_, end);
}

}  // namespace orbit::cow_btree
