// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A byte string of 16 bytes that keeps up to 15 bytes in place, with two flags for its owner. At most 4 GiB - 1.
#pragma once

#include <malloc.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>

namespace orbit::resp {

class SmallString {
 public:
  static constexpr size_t kInlineBytesMax = 15;

  // For the owner's use; copied and moved with the string, untouched by changes of the bytes.
  enum Flag : uint8_t { kFlagA = 0x20, kFlagB = 0x40 };

  SmallString() noexcept { set_tag(0); }
  explicit SmallString(std::string_view bytes) : SmallString() { assign(bytes); }
  SmallString(SmallString&& other) noexcept {
    std::memcpy(room_, other.room_, sizeof room_);
    other.set_tag(0);
  }
  SmallString& operator=(SmallString&& other) noexcept {
    if (this != &other) {
      release();
      std::memcpy(room_, other.room_, sizeof room_);
      other.set_tag(0);
    }
    return *this;
  }
  ~SmallString() { release(); }

  size_t size() const noexcept { return on_heap() ? heap_size() : (tag() & kSizeMask); }
  bool empty() const noexcept { return size() == 0; }
  const char* data() const noexcept { return on_heap() ? heap_data() : room_; }
  char* data() noexcept { return on_heap() ? heap_data() : room_; }
  std::string_view view() const noexcept { return {data(), size()}; }
  bool equals(std::string_view other) const noexcept {
    return size() == other.size() && std::memcmp(data(), other.data(), other.size()) == 0;
  }

  // `bytes` may lie in this string.
  void assign(std::string_view bytes) {
    if (!on_heap() && bytes.size() <= kInlineBytesMax) {
      if (!bytes.empty()) std::memmove(room_, bytes.data(), bytes.size());
      set_size(bytes.size());
      return;
    }
    assign_slow(bytes);
  }
  // Sets the size; new bytes are zero. Growth is geometric.
  void resize(size_t size);
  void append(std::string_view bytes);
  // Frees memory that geometric growth took too much.
  void shrink();

  // Heap bytes with the allocator's overhead.
  size_t heap_bytes() const noexcept { return on_heap() ? malloc_usable_size(heap_data()) + sizeof(size_t) : 0; }

  bool has(Flag flag) const noexcept { return (tag() & flag) != 0; }
  void set(Flag flag) noexcept { set_tag(static_cast<uint8_t>(tag() | flag)); }
  void reset(Flag flag) noexcept { set_tag(static_cast<uint8_t>(tag() & ~flag)); }

 private:
  static constexpr uint8_t kHeap = 0x80;
  static constexpr uint8_t kSizeMask = 0x0f;

  uint8_t tag() const noexcept { return static_cast<uint8_t>(room_[15]); }
  void set_tag(uint8_t tag) noexcept { room_[15] = static_cast<char>(tag); }
  bool on_heap() const noexcept { return (tag() & kHeap) != 0; }
  char* heap_data() const noexcept {
    char* data;
    std::memcpy(&data, room_, sizeof data);
    return data;
  }
  uint32_t heap_size() const noexcept {
    uint32_t size;
    std::memcpy(&size, room_ + 8, sizeof size);
    return size;
  }
  void set_size(size_t size) noexcept {
    if (on_heap()) {
      const auto narrow = static_cast<uint32_t>(size);
      std::memcpy(room_ + 8, &narrow, sizeof narrow);
    } else {
      set_tag(static_cast<uint8_t>((tag() & ~kSizeMask) | size));
    }
  }
  void set_heap(char* data, size_t size) noexcept {
    std::memcpy(room_, &data, sizeof data);
    set_tag(static_cast<uint8_t>((tag() & ~kSizeMask) | kHeap));
    set_size(size);
  }
  void release() noexcept {
    if (on_heap()) std::free(heap_data());
  }
  void assign_slow(std::string_view bytes);
  void grow(size_t size, size_t capacity);

  alignas(8) char room_[16];
};

static_assert(sizeof(SmallString) == 16);

}  // namespace orbit::resp
