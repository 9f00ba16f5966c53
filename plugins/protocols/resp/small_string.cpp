// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "small_string.hpp"

#include <algorithm>

namespace orbit::resp {
namespace {

char* allocate(size_t bytes) {
  auto* data = static_cast<char*>(std::malloc(bytes));
  if (data == nullptr) throw std::bad_alloc();
  return data;
}

// Doubling up to this much extra, as Redis's strings grow.
constexpr size_t kGrowthBytesMax = 1 << 20;

}  // namespace

void SmallString::assign_slow(std::string_view bytes) {
  if (on_heap() && bytes.size() > kInlineBytesMax) {
    const size_t capacity = malloc_usable_size(heap_data());
    if (bytes.size() <= capacity && capacity / 4 <= bytes.size()) {
      std::memmove(heap_data(), bytes.data(), bytes.size());
      set_size(bytes.size());
      return;
    }
  }
  if (bytes.size() <= kInlineBytesMax) {
    char* old = heap_data();
    char copy[kInlineBytesMax];
    if (!bytes.empty()) std::memcpy(copy, bytes.data(), bytes.size());
    std::free(old);
    set_tag(static_cast<uint8_t>((tag() & ~(kHeap | kSizeMask)) | bytes.size()));
    std::memcpy(room_, copy, bytes.size());
    return;
  }
  char* fresh = allocate(bytes.size());
  std::memcpy(fresh, bytes.data(), bytes.size());
  release();
  set_heap(fresh, bytes.size());
}

void SmallString::grow(size_t size, size_t capacity) {
  if (on_heap()) {
    auto* data = static_cast<char*>(std::realloc(heap_data(), capacity));
    if (data == nullptr) throw std::bad_alloc();
    set_heap(data, size);
    return;
  }
  char* fresh = allocate(capacity);
  std::memcpy(fresh, room_, kInlineBytesMax);
  set_heap(fresh, size);
}

void SmallString::resize(size_t new_size) {
  const size_t old_size = size();
  const size_t capacity = on_heap() ? malloc_usable_size(heap_data()) : kInlineBytesMax;
  if (new_size > capacity) {
    grow(new_size, new_size + std::min(new_size, kGrowthBytesMax));
  } else {
    set_size(new_size);
  }
  if (new_size > old_size) std::memset(data() + old_size, 0, new_size - old_size);
}

void SmallString::append(std::string_view bytes) {
  if (bytes.empty()) return;
  const size_t old_size = size();
  const size_t new_size = old_size + bytes.size();
  const size_t capacity = on_heap() ? malloc_usable_size(heap_data()) : kInlineBytesMax;
  if (new_size > capacity) {
    grow(new_size, new_size + std::min(new_size, kGrowthBytesMax));
  } else {
    set_size(new_size);
  }
  std::memcpy(data() + old_size, bytes.data(), bytes.size());
}

void SmallString::shrink() {
  if (!on_heap()) return;
  if (size() <= kInlineBytesMax) {
    assign_slow(view());
  } else {
    grow(size(), size());
  }
}

}  // namespace orbit::resp
