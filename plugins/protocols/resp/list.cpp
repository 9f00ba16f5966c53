// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "list.hpp"

#include <algorithm>

namespace orbit::resp {
namespace {

constexpr char kChunkPrefix = 'c';
// Between new neighbours, so that chunks can be put between.
constexpr int64_t kNumberStep = int64_t{1} << 20;
constexpr int64_t kNumberMax = int64_t{1} << 62;
constexpr size_t kChangedSlack = 64;

// Big-endian with the sign flipped: bytes in the order of the numbers.
void put_subkey(std::string& out, int64_t number) {
  const uint64_t bits = static_cast<uint64_t>(number) ^ (uint64_t{1} << 63);
  out.assign(1, kChunkPrefix);
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(bits >> shift));
}

bool read_subkey(std::string_view subkey, int64_t& number) noexcept {
  if (subkey.size() != 9 || subkey[0] != kChunkPrefix) return false;
  uint64_t bits = 0;
  for (size_t i = 1; i < 9; ++i) bits = bits << 8 | static_cast<uint8_t>(subkey[i]);
  number = static_cast<int64_t>(bits ^ (uint64_t{1} << 63));
  return number >= -kNumberMax && number <= kNumberMax;
}

}  // namespace

size_t List::heap_bytes() const noexcept {
  return sizeof(List) + heap_bytes_ + chunks_.size() * sizeof(Chunk) +
         (changed_.capacity() + removed_.capacity()) * sizeof(int64_t);
}

size_t List::find_number(int64_t number) const noexcept {
  const auto at = std::lower_bound(chunks_.begin(), chunks_.end(), number,
                                   [](const Chunk& chunk, int64_t wanted) { return chunk.number < wanted; });
  return at != chunks_.end() && at->number == number ? static_cast<size_t>(at - chunks_.begin()) : chunks_.size();
}

void List::note_changed(Chunk& chunk) {
  touched_ = true;
  if (!tracking_ || chunk.changed) return;
  if (changed_.size() > 2 * chunks_.size() + kChangedSlack) {
    std::erase_if(changed_, [&](int64_t number) { return find_number(number) == chunks_.size(); });
  }
  mark_changed(chunk);
}

void List::mark_changed(Chunk& chunk) {
  if (!tracking_ || chunk.changed) return;
  chunk.changed = true;
  changed_.push_back(chunk.number);
}

void List::drop_chunk(size_t index) {
  Chunk& chunk = chunks_[index];
  touched_ = true;
  if (tracking_ && chunk.stored) removed_.push_back(chunk.number);
  heap_bytes_ -= chunk.heap_bytes();
  if (index == 0) {
    chunks_.pop_front();
  } else if (index + 1 == chunks_.size()) {
    chunks_.pop_back();
  } else {
    chunks_.erase(chunks_.begin() + static_cast<std::ptrdiff_t>(index));
  }
}

void List::renumber() {
  int64_t number = 0;
  if (tracking_) {
    for (const Chunk& chunk : chunks_) {
      if (chunk.stored) removed_.push_back(chunk.number);
    }
    changed_.clear();
  }
  for (Chunk& chunk : chunks_) {
    chunk.number = number;
    chunk.stored = false;
    chunk.changed = tracking_;
    if (tracking_) changed_.push_back(number);
    number += kNumberStep;
  }
  touched_ = true;
}

Chunk& List::first_with_room(size_t element_bytes) {
  if (!chunks_.empty() && chunks_.front().has_room(element_bytes)) return chunks_.front();
  if (!chunks_.empty() && chunks_.front().number <= -kNumberMax + kNumberStep) renumber();
  return chunks_.emplace_front(chunks_.empty() ? 0 : chunks_.front().number - kNumberStep);
}

Chunk& List::last_with_room(size_t element_bytes) {
  if (!chunks_.empty() && chunks_.back().has_room(element_bytes)) return chunks_.back();
  if (!chunks_.empty() && chunks_.back().number >= kNumberMax - kNumberStep) renumber();
  return chunks_.emplace_back(chunks_.empty() ? 0 : chunks_.back().number + kNumberStep);
}

Chunk& List::add_chunk_after(size_t index) {
  if (index + 1 == chunks_.size()) {
    if (chunks_.back().number >= kNumberMax - kNumberStep) renumber();
    return chunks_.emplace_back(chunks_.back().number + kNumberStep);
  }
  if (chunks_[index + 1].number - chunks_[index].number < 2) renumber();
  const int64_t number = chunks_[index].number + (chunks_[index + 1].number - chunks_[index].number) / 2;
  return *chunks_.emplace(chunks_.begin() + static_cast<std::ptrdiff_t>(index) + 1, number);
}

void List::push_front(std::string_view element) {
  Chunk& chunk = first_with_room(element.size());
  heap_bytes_ -= chunk.heap_bytes();
  chunk.push_front(element);
  heap_bytes_ += chunk.heap_bytes();
  bytes_ += chunk_bytes(element.size());
  ++size_;
  note_changed(chunk);
}

void List::push_back(std::string_view element) {
  Chunk& chunk = last_with_room(element.size());
  heap_bytes_ -= chunk.heap_bytes();
  chunk.push_back(element);
  heap_bytes_ += chunk.heap_bytes();
  bytes_ += chunk_bytes(element.size());
  ++size_;
  note_changed(chunk);
}

void List::pop_front() {
  Chunk& chunk = chunks_.front();
  bytes_ -= chunk_bytes(chunk.front().size());
  chunk.pop_front();
  --size_;
  if (chunk.count() == 0) {
    drop_chunk(0);
  } else {
    note_changed(chunk);
  }
}

void List::pop_back() {
  Chunk& chunk = chunks_.back();
  bytes_ -= chunk_bytes(chunk.back().size());
  chunk.pop_back();
  --size_;
  if (chunk.count() == 0) {
    drop_chunk(chunks_.size() - 1);
  } else {
    note_changed(chunk);
  }
}

List::Place List::place(size_t index) const noexcept {
  if (index < size_ / 2) {
    size_t chunk = 0;
    for (; index >= chunks_[chunk].count(); ++chunk) index -= chunks_[chunk].count();
    return {chunk, chunks_[chunk].offset_of(index)};
  }
  size_t behind = size_ - index;  // elements from this one to the end
  size_t chunk = chunks_.size() - 1;
  for (; behind > chunks_[chunk].count(); --chunk) behind -= chunks_[chunk].count();
  return {chunk, chunks_[chunk].offset_of(chunks_[chunk].count() - behind)};
}

List::Place List::next(Place place) const noexcept {
  const Chunk& chunk = chunks_[place.chunk];
  const uint32_t offset = chunk.next_offset(place.offset);
  if (offset < chunk.end_offset()) return {place.chunk, offset};
  const size_t next_chunk = place.chunk + 1;
  return {next_chunk, next_chunk < chunks_.size() ? chunks_[next_chunk].begin_offset() : 0};
}

List::Place List::previous(Place place) const noexcept {
  const Chunk& chunk = chunks_[place.chunk];
  if (place.offset > chunk.begin_offset()) return {place.chunk, chunk.offset_before(place.offset)};
  if (place.chunk == 0) return {chunks_.size(), 0};
  const Chunk& before = chunks_[place.chunk - 1];
  return {place.chunk - 1, before.offset_before(before.end_offset())};
}

void List::insert(Place before, std::string_view element) {
  if (!valid(before)) {
    push_back(element);
    return;
  }
  if (before == begin()) {
    push_front(element);
    return;
  }
  Chunk* chunk = &chunks_[before.chunk];
  if (!chunk->has_room(element.size())) {
    const uint32_t from_begin = before.offset - chunk->begin_offset();
    if (from_begin != 0) {
      Chunk& tail = add_chunk_after(before.chunk);
      chunk = &chunks_[before.chunk];
      heap_bytes_ -= chunk->heap_bytes();
      chunk->split(chunk->begin_offset() + from_begin, tail);
      heap_bytes_ += chunk->heap_bytes() + tail.heap_bytes();
      note_changed(*chunk);
      note_changed(tail);
    } else {
      chunk = &chunks_[--before.chunk];
    }
    // Now the place is behind this chunk's last element.
    if (!chunk->has_room(element.size())) chunk = &add_chunk_after(before.chunk);
    before.offset = chunk->end_offset();
  }
  heap_bytes_ -= chunk->heap_bytes();
  chunk->insert(before.offset, element);
  heap_bytes_ += chunk->heap_bytes();
  bytes_ += chunk_bytes(element.size());
  ++size_;
  note_changed(*chunk);
}

void List::replace(Place place, std::string_view element) {
  Chunk& chunk = chunks_[place.chunk];
  const std::string_view old = chunk.element_at(place.offset);
  const size_t grown = chunk.bytes() - chunk_bytes(old.size()) + chunk_bytes(element.size());
  const uint32_t from_begin = place.offset - chunk.begin_offset();
  if (grown > Chunk::kBytesMax && chunk.count() > 1) {
    const size_t old_bytes = chunk_bytes(old.size());
    insert(next(place), element);
    Chunk& shorter = chunks_[place.chunk];
    shorter.erase(shorter.begin_offset() + from_begin);
    bytes_ -= old_bytes;
    --size_;
    note_changed(shorter);
    if (shorter.count() == 0) drop_chunk(place.chunk);
    return;
  }
  bytes_ -= chunk.bytes();
  heap_bytes_ -= chunk.heap_bytes();
  chunk.erase(place.offset);
  chunk.insert(chunk.begin_offset() + from_begin, element);
  heap_bytes_ += chunk.heap_bytes();
  bytes_ += chunk.bytes();
  note_changed(chunk);
}

void List::compact() {
  size_t kept = 0;
  const auto forget = [&](const Chunk& chunk) {
    if (tracking_ && chunk.stored) removed_.push_back(chunk.number);
    heap_bytes_ -= chunk.heap_bytes();
  };
  for (size_t i = 0; i < chunks_.size(); ++i) {
    Chunk& chunk = chunks_[i];
    if (chunk.count() == 0) {
      forget(chunk);
      continue;
    }
    if (kept != 0 && chunks_[kept - 1].count() + chunk.count() <= Chunk::kElementsMax / 2 &&
        chunks_[kept - 1].bytes() + chunk.bytes() <= Chunk::kBytesMax / 2) {
      Chunk& before = chunks_[kept - 1];
      heap_bytes_ -= before.heap_bytes();
      before.absorb(chunk);
      heap_bytes_ += before.heap_bytes();
      mark_changed(before);
      forget(chunk);
      continue;
    }
    if (kept != i) chunks_[kept] = std::move(chunk);
    ++kept;
  }
  chunks_.erase(chunks_.begin() + static_cast<std::ptrdiff_t>(kept), chunks_.end());
}

size_t List::remove(std::string_view element, size_t limit, bool from_back) {
  size_t removed = 0;
  bool sparse = false;
  for (size_t step = 0; step < chunks_.size() && removed < limit; ++step) {
    Chunk& chunk = chunks_[from_back ? chunks_.size() - 1 - step : step];
    const size_t count_before = chunk.count();
    uint32_t offset = from_back ? chunk.end_offset() : chunk.begin_offset();
    while (removed < limit && offset != (from_back ? chunk.begin_offset() : chunk.end_offset())) {
      if (from_back) offset = chunk.offset_before(offset);
      if (chunk.element_at(offset) == element) {
        chunk.erase(offset);
        ++removed;
      } else if (!from_back) {
        offset = chunk.next_offset(offset);
      }
    }
    if (chunk.count() == count_before) continue;
    note_changed(chunk);
    sparse |= chunk.count() < Chunk::kElementsMax / 4;
  }
  bytes_ -= removed * chunk_bytes(element.size());
  size_ -= removed;
  if (sparse) compact();
  return removed;
}

void List::trim(size_t first, size_t count) {
  const auto cut = [&](size_t elements, bool front) {
    while (elements != 0) {
      const size_t index = front ? 0 : chunks_.size() - 1;
      const Chunk& chunk = chunks_[index];
      if (chunk.count() <= elements) {
        elements -= chunk.count();
        size_ -= chunk.count();
        bytes_ -= chunk.bytes();
        drop_chunk(index);
      } else {
        front ? pop_front() : pop_back();
        --elements;
      }
    }
  };
  const size_t behind = size_ - first - count;
  cut(first, true);
  cut(behind, false);
}

void List::pack(std::string& out) const {
  for (const Chunk& chunk : chunks_) out.append(chunk.raw());
}

bool List::unpack(std::string_view bytes) {
  // Whole lists are small, yet may have more elements than one chunk takes: read them as one and push them one by one.
  Chunk all(0);
  while (!bytes.empty()) {
    const size_t size = Chunk::first_bytes(bytes);
    if (size == 0 || !all.assign_raw(bytes.substr(0, size))) return false;
    push_back(all.front());
    all.pop_front();
    bytes.remove_prefix(size);
  }
  stored_whole();
  return true;
}

void List::write_all(RecordWriter& writer) {
  std::string subkey;
  for (const Chunk& chunk : chunks_) {
    put_subkey(subkey, chunk.number);
    writer.put(subkey, chunk.raw());
  }
  stored_split();
}

void List::write_changes(RecordWriter& writer) {
  std::string subkey;
  for (const int64_t number : removed_) {
    put_subkey(subkey, number);
    writer.remove(subkey);
  }
  for (const int64_t number : changed_) {
    const size_t index = find_number(number);
    if (index == chunks_.size() || !chunks_[index].changed) continue;
    Chunk& chunk = chunks_[index];
    put_subkey(subkey, number);
    writer.put(subkey, chunk.raw());
    chunk.changed = false;
    chunk.stored = true;
  }
  removed_.clear();
  changed_.clear();
  touched_ = false;
}

bool List::read(std::span<const Record> records) {
  for (const Record& record : records) {
    int64_t number;
    if (!read_subkey(record.subkey, number)) return false;
    if (!chunks_.empty() && number <= chunks_.back().number) return false;
    Chunk& chunk = chunks_.emplace_back(number);
    if (!chunk.assign_raw(record.value)) return false;
    size_ += chunk.count();
    bytes_ += chunk.bytes();
    heap_bytes_ += chunk.heap_bytes();
  }
  stored_split();
  return true;
}

void List::forget_stored() noexcept {
  stored_whole();
  touched_ = true;
}

void List::stored_whole() noexcept {
  for (Chunk& chunk : chunks_) chunk.stored = chunk.changed = false;
  changed_.clear();
  removed_.clear();
  tracking_ = touched_ = false;
}

void List::stored_split() noexcept {
  for (Chunk& chunk : chunks_) {
    chunk.stored = true;
    chunk.changed = false;
  }
  changed_.clear();
  removed_.clear();
  tracking_ = true;
  touched_ = false;
}

void List::copy_from(const List& other) {
  for (const Chunk& chunk : other.chunks_) {
    for (uint32_t at = chunk.begin_offset(); at < chunk.end_offset(); at = chunk.next_offset(at)) {
      push_back(chunk.element_at(at));
    }
  }
}

}  // namespace orbit::resp
