// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The elements of a Redis list, in chunks.
#pragma once

#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "chunk.hpp"
#include "record.hpp"

namespace orbit::resp {

class List {
 public:
  // A place of an element; changes make it invalid. Behind the last element: chunk == number of chunks.
  struct Place {
    size_t chunk;
    uint32_t offset;
    bool operator==(const Place&) const = default;
  };

  size_t size() const noexcept { return size_; }
  void push_front(std::string_view element);
  void push_back(std::string_view element);
  // size() > 0; the bytes are valid until the next change.
  std::string_view front() const noexcept { return chunks_.front().front(); }
  std::string_view back() const noexcept { return chunks_.back().back(); }
  void pop_front();
  void pop_back();

  // index < size().
  Place place(size_t index) const noexcept;
  std::string_view at(Place place) const noexcept { return chunks_[place.chunk].element_at(place.offset); }
  bool valid(Place place) const noexcept { return place.chunk < chunks_.size(); }
  Place begin() const noexcept { return {0, chunks_.empty() ? 0 : chunks_[0].begin_offset()}; }
  Place next(Place place) const noexcept;
  // Before the first: an invalid place.
  Place previous(Place place) const noexcept;

  // Inserts before the place, which may be the invalid one behind the end.
  void insert(Place before, std::string_view element);
  void replace(Place place, std::string_view element);
  // Removes up to `limit` elements equal to this one, from the front or the back; returns how many.
  size_t remove(std::string_view element, size_t limit, bool from_back);
  // Keeps [first, first + count).
  void trim(size_t first, size_t count);

  size_t heap_bytes() const noexcept;

  // ---- storage: as in hash.hpp, with one sub-record per chunk ----
  bool touched() const noexcept { return touched_; }
  size_t packed_size() const noexcept { return bytes_; }
  void pack(std::string& out) const;
  bool unpack(std::string_view bytes);
  void write_all(RecordWriter& writer);
  void write_changes(RecordWriter& writer);
  bool read(std::span<const Record> records);
  void forget_stored() noexcept;
  void stored_whole() noexcept;
  void copy_from(const List& other);

 private:
  using Chunks = std::deque<Chunk>;

  Chunk& first_with_room(size_t element_bytes);
  Chunk& last_with_room(size_t element_bytes);
  void note_changed(Chunk& chunk);
  void mark_changed(Chunk& chunk);
  void drop_chunk(size_t index);
  // Drops chunks without elements and joins small neighbours.
  void compact();
  // Makes a chunk behind chunk `index`, with a number between its neighbours'.
  Chunk& add_chunk_after(size_t index);
  void renumber();
  void stored_split() noexcept;
  size_t find_number(int64_t number) const noexcept;

  Chunks chunks_;
  size_t size_ = 0;
  size_t bytes_ = 0;       // of all chunks' elements
  size_t heap_bytes_ = 0;  // of all chunks' buffers
  std::vector<int64_t> changed_;
  std::vector<int64_t> removed_;
  bool tracking_ = false;
  bool touched_ = false;
};

}  // namespace orbit::resp
