// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "cache.hpp"

namespace orbit::lsm {

Cache::Cache(Epochs& epochs, size_t bytes_max) : epochs_(epochs), shard_bytes_max_(bytes_max / kShards) {}

Cache::~Cache() {
  for (Shard& shard : shards_)
    for (CacheEntry* entry : shard.ring) entry->release();
}

CacheEntry* Cache::insert(SlotArray& home, size_t index, std::unique_ptr<CacheEntry> entry, size_t bytes, bool used) {
  std::vector<CacheEntry*> evicted;
  CacheEntry* mine = entry.get();
  CacheEntry* there = nullptr;
  {
    // Round robin, so that shards fill evenly whatever is read.
    Shard& shard = shards_[next_shard_.fetch_add(1, std::memory_order_relaxed) % kShards];
    const std::lock_guard lock(shard.lock);
    shard.ring.reserve(shard.ring.size() + 1);
    mine->used_.store(used, std::memory_order_relaxed);
    mine->bytes_ = bytes;
    mine->index_ = index;
    mine->home_ = &home;
    home.references_.fetch_add(1, std::memory_order_relaxed);
    (void)entry.release();
    if (!home.slots_[index].compare_exchange_strong(there, mine, std::memory_order_acq_rel)) {
      mine->release();
      return there;
    }
    shard.bytes += bytes;
    make_room(shard, evicted);
    shard.ring.push_back(mine);
  }
  for (CacheEntry* one : evicted)
    epochs_.retire(one, [](void* object) { static_cast<CacheEntry*>(object)->release(); });
  return mine;
}

void Cache::make_room(Shard& shard, std::vector<CacheEntry*>& out) {
  while (shard.bytes > shard_bytes_max_ && !shard.ring.empty()) {
    if (shard.hand >= shard.ring.size()) shard.hand = 0;
    CacheEntry* const entry = shard.ring[shard.hand];
    if (entry->used_.load(std::memory_order_relaxed) && !entry->home_->dead_.load(std::memory_order_relaxed)) {
      entry->used_.store(false, std::memory_order_relaxed);
      ++shard.hand;
      continue;
    }
    entry->home_->slots_[entry->index_].store(nullptr, std::memory_order_release);
    shard.bytes -= entry->bytes_;
    shard.ring[shard.hand] = shard.ring.back();
    shard.ring.pop_back();
    out.push_back(entry);
  }
}

size_t Cache::bytes() const noexcept {
  size_t sum = 0;
  for (const Shard& shard : shards_) {
    const std::lock_guard lock(shard.lock);
    sum += shard.bytes;
  }
  return sum;
}

}  // namespace orbit::lsm
