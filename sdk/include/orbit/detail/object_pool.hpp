// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Memory of actor objects: per thread, objects of one size side by side in chunks, chunks in regions that a huge page can back, so
// that a message to a random actor costs no page walk, and a million actors no system call each. An object may be freed on another
// thread once its own has ended, or while that does nothing.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>
#include <vector>

#include "frame_pool.hpp"

namespace orbit::detail {

class ObjectPool {
 public:
  static constexpr size_t kStepBytes = 16;  // also the alignment
  static constexpr size_t kObjectBytesMax = 1024;
  static constexpr size_t kSpareChunksMax = 32;  // kept with their memory

  ObjectPool() = default;
  ObjectPool(const ObjectPool&) = delete;
  ObjectPool& operator=(const ObjectPool&) = delete;

  // size: 1 to kObjectBytesMax.
  [[gnu::noinline]] void* allocate(size_t size) {
    const size_t index = (size - 1) / kStepBytes;
    Chunk* chunk = with_room_[index];
    if (chunk == nullptr) [[unlikely]] chunk = open(index);
    void* object = chunk->free;
    if (object != nullptr)
      chunk->free = chunk->free->next;
    else
      object = reinterpret_cast<char*>(chunk) + sizeof(Chunk) + (index + 1) * kStepBytes * chunk->touched++;
    if (++chunk->used == capacity(index)) unlink(chunk);
    return object;
  }
  [[gnu::noinline]] static void release(void* object) noexcept {
    auto* const chunk = reinterpret_cast<Chunk*>(reinterpret_cast<uintptr_t>(object) & ~(kChunkBytes - 1));
    chunk->free = ::new (object) Free{chunk->free};
    if (chunk->used-- == capacity(chunk->index)) chunk->pool->link(chunk);
    // The last one with room stays: the next object may come at once.
    if (chunk->used == 0 && (chunk->next != nullptr || chunk->previous != nullptr)) chunk->pool->close(chunk);
  }
  size_t regions() const noexcept { return regions_.size(); }

  // The thread's own. They outlive their threads, for objects that do, and are taken over by later ones.
  static ObjectPool& here();

 private:
  static constexpr size_t kRegionBytes = size_t{2} << 20;
  static constexpr size_t kChunkBytes = size_t{64} << 10;
  static constexpr size_t kClasses = kObjectBytesMax / kStepBytes;
  struct Free {
    Free* next;
  };
  struct alignas(64) Chunk {
    ObjectPool* pool;
    Chunk* next;
    Chunk* previous;
    Free* free;
    uint32_t index;    // of its objects' size
    uint32_t touched;  // objects behind these were never handed out
    uint32_t used;
  };
  static constexpr size_t capacity(size_t index) noexcept { return (kChunkBytes - sizeof(Chunk)) / ((index + 1) * kStepBytes); }

  [[gnu::noinline]] Chunk* open(size_t index) {
    if (spare_.empty()) add_region();
    auto* chunk = ::new (spare_.back()) Chunk{this, nullptr, nullptr, nullptr, static_cast<uint32_t>(index), 0, 0};
    spare_.pop_back();
    link(chunk);
    return chunk;
  }
  void add_region() {
    regions_.reserve(regions_.size() + 1);
    spare_.reserve((regions_.size() + 1) * (kRegionBytes / kChunkBytes));  // so that close() never allocates
    void* const region = std::aligned_alloc(kRegionBytes, kRegionBytes);
    if (region == nullptr) throw std::bad_alloc();
    // The first one stays small pages: a small node touches little of it.
    if (!regions_.empty()) ::madvise(region, kRegionBytes, MADV_HUGEPAGE);
    regions_.push_back(region);
    for (size_t at = kRegionBytes; at != 0; at -= kChunkBytes) spare_.push_back(static_cast<char*>(region) + at - kChunkBytes);
  }
  void close(Chunk* chunk) noexcept {
    unlink(chunk);
    if (spare_.size() >= kSpareChunksMax) ::madvise(chunk, kChunkBytes, MADV_DONTNEED);
    spare_.push_back(chunk);
  }
  void link(Chunk* chunk) noexcept {
    Chunk*& head = with_room_[chunk->index];
    chunk->previous = nullptr;
    chunk->next = head;
    if (head != nullptr) head->previous = chunk;
    head = chunk;
  }
  void unlink(Chunk* chunk) noexcept {
    (chunk->previous != nullptr ? chunk->previous->next : with_room_[chunk->index]) = chunk->next;
    if (chunk->next != nullptr) chunk->next->previous = chunk->previous;
  }

  Chunk* with_room_[kClasses] = {};
  std::vector<void*> spare_;
  std::vector<void*> regions_;
  ObjectPool* next_idle_ = nullptr;

  friend struct ObjectPoolOwner;
};

// Hands the pool on when its thread ends.
struct ObjectPoolOwner {
  static inline std::mutex mutex;
  static inline constinit ObjectPool* idle = nullptr;
  ObjectPool* pool = nullptr;

  ObjectPoolOwner() {
    const std::lock_guard lock(mutex);
    if ((pool = idle) != nullptr) idle = pool->next_idle_;
  }
  ~ObjectPoolOwner() {
    if (pool == nullptr) return;
    const std::lock_guard lock(mutex);
    pool->next_idle_ = idle;
    idle = pool;
  }
};
inline thread_local ObjectPoolOwner object_pool_owner;

inline ObjectPool& ObjectPool::here() {
  ObjectPoolOwner& owner = object_pool_owner;
  if (owner.pool == nullptr) owner.pool = new ObjectPool;
  return *owner.pool;
}

// What the pool is for; larger objects, and all where a sanitizer looks for uses after free, are malloc's.
template <class T>
inline constexpr bool kPooled =
#ifdef ORBIT_FRAME_POOL_OFF
    false;
#else
    sizeof(T) <= ObjectPool::kObjectBytesMax && alignof(T) <= ObjectPool::kStepBytes;
#endif

template <class T>
T* make_pooled() {
  if constexpr (kPooled<T>) {
    void* const memory = ObjectPool::here().allocate(sizeof(T));
    try {
      return ::new (memory) T();
    } catch (...) {
      ObjectPool::release(memory);
      throw;
    }
  } else {
    return new T();
  }
}
template <class T>
void drop_pooled(T* object) noexcept {
  if constexpr (kPooled<T>) {
    object->~T();
    ObjectPool::release(object);
  } else {
    delete object;
  }
}

}  // namespace orbit::detail
