// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Replies on their way to a connection: a growing buffer with a bound, whose tail can be taken back. One thread at a time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <string_view>

#include "reply.hpp"

namespace orbit::resp {

// Thrown by a buffer at its bound. A kind of bad_alloc: whoever cleans up after one cleans up after this.
class OutputFull final : public std::bad_alloc {
 public:
  explicit OutputFull(size_t bytes_max) noexcept {
    std::snprintf(text_, sizeof text_, "ERR the answer does not fit into output_bytes_max = %zu bytes", bytes_max);
  }
  // An error reply.
  const char* what() const noexcept override { return text_; }

 private:
  char text_[88];
};

class OutputBuffer final : public ReplyBuffer {
 public:
  OutputBuffer() noexcept : ReplyBuffer(&grow) {}
  ~OutputBuffer() { std::free(begin_); }

  std::string_view view() const noexcept { return {begin_, size()}; }
  size_t size() const noexcept { return static_cast<size_t>(cursor_ - begin_); }
  bool empty() const noexcept { return cursor_ == begin_; }
  // Takes back what was written after the first `size` bytes.
  void truncate(size_t size) noexcept {
    if (size == 0) return clear();
    cursor_ = begin_ + size;
  }
  void clear() noexcept {
    cursor_ = begin_;
    if (capacity_ > kKeepBytes) [[unlikely]] {
      std::free(begin_);
      begin_ = cursor_ = end_ = nullptr;
      capacity_ = 0;
    }
  }

 private:
  static constexpr size_t kKeepBytes = 256 * 1024;
  static constexpr size_t kFirstBytes = 256;
  friend class OutputBound;

  void set_end() noexcept {
    if (begin_ != nullptr) end_ = begin_ + std::min(capacity_, bytes_max_);
  }

  static void grow(ReplyBuffer& base, size_t more) {
    auto& self = static_cast<OutputBuffer&>(base);
    const size_t used = self.size();
    if (used > self.bytes_max_ || more > self.bytes_max_ - used) [[unlikely]] throw OutputFull(self.bound_);
    const size_t wanted = std::max(std::min(self.capacity_ * 2, self.bytes_max_), std::max(used + more, kFirstBytes));
    auto* bytes = static_cast<char*>(std::realloc(self.begin_, wanted));
    if (bytes == nullptr) throw std::bad_alloc();
    self.begin_ = bytes;
    self.cursor_ = bytes + used;
    self.capacity_ = wanted;
    self.set_end();
  }

  char* begin_ = nullptr;
  size_t capacity_ = 0;
  size_t bound_ = SIZE_MAX;
  size_t bytes_max_ = SIZE_MAX;
};

// While it lives, what is written behind what is there has at most `left` bytes, else OutputFull tells the bound.
class OutputBound {
 public:
  OutputBound(OutputBuffer& out, size_t left, size_t bound) noexcept : out_(out) {
    out.bound_ = bound;
    out.bytes_max_ = left < SIZE_MAX - out.size() ? out.size() + left : SIZE_MAX;
    out.set_end();
  }
  OutputBound(const OutputBound&) = delete;
  OutputBound& operator=(const OutputBound&) = delete;
  ~OutputBound() {
    out_.bytes_max_ = SIZE_MAX;
    out_.set_end();
  }

 private:
  OutputBuffer& out_;
};

// Writes why a command, which writes or does not, could not be answered: its answer's bound, or no memory.
inline void write_lack(Reply& reply, const std::exception_ptr& why, bool writes) {
  const std::string_view more = writes ? "; what the command changed stays" : "";
  try {
    std::rethrow_exception(why);
  } catch (const OutputFull& full) {
    reply.error(full.what(), more);
  } catch (const std::exception&) {
    reply.error("ERR out of memory", more);
  }
}

}  // namespace orbit::resp
