// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Replies on their way to a connection: a growing buffer whose tail can be taken back. One thread at a time.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <new>
#include <string_view>

#include "reply.hpp"

namespace orbit::resp {

class OutputBuffer final : public ReplyBuffer {
 public:
  OutputBuffer() noexcept : ReplyBuffer(&grow) {}
  ~OutputBuffer() { std::free(begin_); }

  std::string_view view() const noexcept { return {begin_, size()}; }
  size_t size() const noexcept { return static_cast<size_t>(cursor_ - begin_); }
  bool empty() const noexcept { return cursor_ == begin_; }
  // Takes back what was written after the first `size` bytes.
  void truncate(size_t size) noexcept { cursor_ = begin_ + size; }
  void clear() noexcept {
    cursor_ = begin_;
    if (static_cast<size_t>(end_ - begin_) > kKeepBytes) [[unlikely]] {
      std::free(begin_);
      begin_ = cursor_ = end_ = nullptr;
    }
  }

 private:
  static constexpr size_t kKeepBytes = 256 * 1024;
  static constexpr size_t kFirstBytes = 256;

  static void grow(ReplyBuffer& base, size_t more) {
    auto& self = static_cast<OutputBuffer&>(base);
    const size_t used = self.size();
    const auto capacity = static_cast<size_t>(self.end_ - self.begin_);
    const size_t wanted = std::max({capacity * 2, used + more, kFirstBytes});
    auto* bytes = static_cast<char*>(std::realloc(self.begin_, wanted));
    if (bytes == nullptr) throw std::bad_alloc();
    self.begin_ = bytes;
    self.cursor_ = bytes + used;
    self.end_ = bytes + wanted;
  }

  char* begin_ = nullptr;
};

}  // namespace orbit::resp
