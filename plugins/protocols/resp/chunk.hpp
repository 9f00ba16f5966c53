// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A stretch of a list: elements one after another in one buffer, with their lengths on both sides, and free room before
// and behind, so that both ends grow and shrink cheaply.
#pragma once

#include <cstdint>
#include <string_view>

namespace orbit::resp {

class Chunk {
 public:
  static constexpr size_t kElementsMax = 128;
  // Elements with their lengths; a longer element has a chunk of its own.
  static constexpr size_t kBytesMax = 4096;

  explicit Chunk(int64_t chunk_number) noexcept : number(chunk_number) {}
  Chunk(Chunk&& other) noexcept;
  Chunk& operator=(Chunk&& other) noexcept;
  ~Chunk();

  size_t count() const noexcept { return count_; }
  size_t bytes() const noexcept { return end_ - begin_; }
  size_t heap_bytes() const noexcept { return capacity_; }
  // The elements as they lie in memory, which is also their form in storage.
  std::string_view raw() const noexcept { return {buffer_ + begin_, bytes()}; }
  bool has_room(size_t element_bytes) const noexcept;

  void push_back(std::string_view element);
  void push_front(std::string_view element);
  // count() > 0.
  std::string_view front() const noexcept { return element_at(begin_); }
  std::string_view back() const noexcept { return element_at(offset_before(end_)); }
  void pop_front() noexcept;
  void pop_back() noexcept;

  // Byte offsets of elements, for walking: from begin_offset(), by next_offset(), up to end_offset().
  uint32_t begin_offset() const noexcept { return begin_; }
  uint32_t end_offset() const noexcept { return end_; }
  uint32_t next_offset(uint32_t offset) const noexcept;
  uint32_t offset_before(uint32_t offset) const noexcept;
  std::string_view element_at(uint32_t offset) const noexcept;
  // index < count(); walks from the nearer end.
  uint32_t offset_of(size_t index) const noexcept;

  // offset may be the end for insert. The element must fit (has_room), or the chunk be empty.
  void insert(uint32_t offset, std::string_view element);
  void erase(uint32_t offset) noexcept;
  // Moves the elements from `offset` on to the other chunk, which is empty.
  void split(uint32_t offset, Chunk& other);
  // Appends all elements of the other chunk.
  void absorb(const Chunk& other);
  // Size of the first element in stored bytes; 0 when it is damaged.
  static size_t first_bytes(std::string_view raw) noexcept;
  // Takes over stored bytes into an empty chunk; false when they are damaged.
  bool assign_raw(std::string_view raw);

  int64_t number;        // orders the chunks in storage
  bool changed = false;  // noted by the list
  bool stored = false;   // storage has a record of this number

 private:
  void make_room_back(size_t bytes);
  void make_room_front(size_t bytes);
  void relocate(size_t capacity, size_t begin);

  char* buffer_ = nullptr;
  uint32_t capacity_ = 0;
  uint32_t begin_ = 0;
  uint32_t end_ = 0;
  uint32_t count_ = 0;
};

// What an element takes in a chunk.
constexpr size_t chunk_bytes(size_t element_bytes) noexcept { return element_bytes + (element_bytes < 0xfe ? 2 : 10); }

}  // namespace orbit::resp
