// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "cursor.hpp"

#include <algorithm>

namespace orbit::lsm {
namespace {

bool comes_first(const Cursor& a, const Cursor& b, bool backward) noexcept {
  const int order = compare(a.key(), a.tag(), b.key(), b.tag());
  return backward ? order > 0 : order < 0;
}

}  // namespace

bool Cursor::leap(const RangeEnd&, uint64_t) { return false; }
bool Cursor::leap_back(Bytes, uint64_t) { return false; }

MergeCursor::MergeCursor(std::vector<std::unique_ptr<Cursor>> runs) : runs_(std::move(runs)) {
  order_.reserve(runs_.size());
}

void MergeCursor::seek(Bytes key, uint64_t tag) {
  for (auto& run : runs_) run->seek(key, tag);
  sort(false);
}

void MergeCursor::seek_before(const Bytes* key) {
  for (auto& run : runs_) run->seek_before(key);
  sort(true);
}

void MergeCursor::sort(bool backward) {
  order_.clear();
  for (auto& run : runs_)
    if (run->valid()) order_.push_back(run.get());
  std::sort(order_.begin(), order_.end(),
            [&](const Cursor* a, const Cursor* b) { return comes_first(*a, *b, backward); });
  show();
}

void MergeCursor::show() noexcept {
  valid_ = !order_.empty();
  if (!valid_) return;
  key_ = order_[0]->key();
  tag_ = order_[0]->tag();
  value_ = order_[0]->value();
}

// The first run has moved: to its place among the others, which are in order. Runs are long, so it is mostly the first
// again.
void MergeCursor::settle(bool backward) {
  Cursor* const moved = order_[0];
  if (!moved->valid()) {
    order_.erase(order_.begin());
  } else {
    size_t at = 0;
    for (; at + 1 < order_.size() && comes_first(*order_[at + 1], *moved, backward); ++at) order_[at] = order_[at + 1];
    order_[at] = moved;
  }
  show();
}

void MergeCursor::next() {
  order_[0]->next();
  settle(false);
}

void MergeCursor::prev() {
  order_[0]->prev();
  settle(true);
}

bool MergeCursor::leap(const RangeEnd& to, uint64_t sequence) {
  if (!order_[0]->leap(to, sequence)) return false;
  settle(false);
  return true;
}

bool MergeCursor::leap_back(Bytes from, uint64_t sequence) {
  if (!order_[0]->leap_back(from, sequence)) return false;
  settle(true);
  return true;
}

}  // namespace orbit::lsm
