// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "net/output.hpp"

#include <algorithm>
#include <cstdlib>
#include <new>

namespace orbit::kernel {

namespace {
constexpr size_t kStandardCapacity = OutputPool::kBufferBytes - sizeof(OutputBuffer);
}

OutputPool::~OutputPool() {
  while (free_ != nullptr) {
    OutputBuffer* const next = free_->next;
    std::free(free_);
    free_ = next;
  }
}

OutputBuffer* OutputPool::take(size_t capacity) {
  OutputBuffer* buffer = nullptr;
  if (capacity <= kStandardCapacity && free_ != nullptr) {
    buffer = free_;
    free_ = buffer->next;
    --free_count_;
    capacity = kStandardCapacity;
  } else {
    capacity = std::max(capacity, kStandardCapacity);
    buffer = static_cast<OutputBuffer*>(std::malloc(sizeof(OutputBuffer) + capacity));
    if (buffer == nullptr) throw std::bad_alloc();
  }
  *buffer = {nullptr, capacity, 0, 0};
  return buffer;
}

void OutputPool::give(OutputBuffer* buffer) noexcept {
  if (buffer->capacity != kStandardCapacity || free_count_ == kFreeMax) {
    std::free(buffer);
    return;
  }
  buffer->next = free_;
  free_ = buffer;
  ++free_count_;
}

void OutputChain::append(OutputPool& pool, size_t size) {
  OutputBuffer* const buffer = pool.take(size);
  (last_ == nullptr ? first_ : last_->next) = buffer;
  last_ = buffer;
}

int OutputChain::fill(iovec* parts, int max) const noexcept {
  int count = 0;
  for (OutputBuffer* buffer = first_; buffer != nullptr && count < max; buffer = buffer->next)
    if (buffer->end != buffer->begin) parts[count++] = {buffer->data() + buffer->begin, buffer->end - buffer->begin};
  return count;
}

void OutputChain::consume(OutputPool& pool, size_t size) noexcept {
  bytes_ -= size;
  while (first_ != nullptr) {
    const size_t here = std::min(size, first_->end - first_->begin);
    first_->begin += here;
    size -= here;
    if (first_->begin != first_->end) return;
    OutputBuffer* const next = first_->next;
    pool.give(first_);
    first_ = next;
  }
  last_ = nullptr;
}

void OutputChain::clear(OutputPool& pool) noexcept { consume(pool, bytes_); }

}  // namespace orbit::kernel
