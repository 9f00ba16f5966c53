// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "cache.hpp"

namespace orbit::s3 {

namespace {
constexpr uint64_t kItemBytes = 128;  // list node, index slot and control block
}

std::shared_ptr<const void> Cache::touch(Key key) {
  const auto found = index_.find(key);
  if (found == index_.end()) return ++misses_, nullptr;
  ++hits_;
  items_.splice(items_.begin(), items_, found->second);
  return found->second->value;
}

void Cache::insert(Key key, std::shared_ptr<const void> value, uint64_t bytes) {
  std::list<Item> gone;  // destroyed without the lock
  std::lock_guard lock(mutex_);
  if (index_.contains(key)) return;
  items_.push_front({key, std::move(value), bytes + kItemBytes});
  index_[key] = items_.begin();
  bytes_ += bytes + kItemBytes;
  while (bytes_ > bytes_max_ && !items_.empty()) {
    bytes_ -= items_.back().bytes;
    index_.erase(items_.back().key);
    gone.splice(gone.begin(), items_, std::prev(items_.end()));
  }
}

Cache::Fetching::~Fetching() {
  std::lock_guard lock(cache.mutex_);
  cache.fetching_.erase(key);
  cache.fetched_.notify_all();
}

uint64_t Cache::bytes() const noexcept {
  std::lock_guard lock(mutex_);
  return bytes_;
}
uint64_t Cache::hits() const noexcept {
  std::lock_guard lock(mutex_);
  return hits_;
}
uint64_t Cache::misses() const noexcept {
  std::lock_guard lock(mutex_);
  return misses_;
}

}  // namespace orbit::s3
