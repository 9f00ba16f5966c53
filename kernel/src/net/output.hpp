// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Output that waits to be sent: a chain of buffers with contiguous room at its end. Standard-sized buffers come from the
// worker's pool and go back as soon as they are sent, so that an idle connection holds none.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

namespace orbit::kernel {

struct OutputBuffer {
  OutputBuffer* next;
  size_t capacity;
  size_t begin;  // sent so far
  size_t end;
  char* data() noexcept { return reinterpret_cast<char*>(this + 1); }
};

// Not thread-safe: one per worker.
class OutputPool {
 public:
  static constexpr size_t kBufferBytes = 16 * 1024;  // with its header
  static constexpr size_t kFreeMax = 64;  // a mebibyte per worker

  OutputPool() = default;
  ~OutputPool();
  OutputPool(const OutputPool&) = delete;
  OutputPool& operator=(const OutputPool&) = delete;

  // A buffer with at least that capacity. Throws std::bad_alloc.
  OutputBuffer* take(size_t capacity);
  void give(OutputBuffer* buffer) noexcept;

 private:
  OutputBuffer* free_ = nullptr;
  size_t free_count_ = 0;
};

class OutputChain {
 public:
  char* reserve(OutputPool& pool, size_t size) {
    if (last_ == nullptr || last_->capacity - last_->end < size) append(pool, size);
    return last_->data() + last_->end;
  }
  void commit(size_t size) noexcept {
    last_->end += size;
    bytes_ += size;
  }
  size_t bytes() const noexcept { return bytes_; }
  // Fills at most max entries with what is to be sent first; returns how many.
  int fill(iovec* parts, int max) const noexcept;
  void consume(OutputPool& pool, size_t size) noexcept;
  void clear(OutputPool& pool) noexcept;

 private:
  void append(OutputPool& pool, size_t size);

  OutputBuffer* first_ = nullptr;
  OutputBuffer* last_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace orbit::kernel
