// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "chunk.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

namespace orbit::resp {
namespace {

// Lengths below this take one byte, others this byte and four more.
constexpr uint8_t kLong = 0xfe;
constexpr size_t kLongBytes = 5;
constexpr size_t kCapacityMin = 64;
// Well beyond the longest string that the protocol lets in.
constexpr size_t kRawBytesMax = size_t{1} << 30;

// Doubling while small, then at once a full chunk; an element beyond that has no neighbours to come.
size_t capacity_for(size_t need) noexcept {
  if (need * 2 < Chunk::kBytesMax) return std::max(kCapacityMin, need * 2);
  return std::max(Chunk::kBytesMax, need);
}

size_t length_bytes(size_t size) noexcept { return size < kLong ? 1 : kLongBytes; }

uint32_t read_u32(const char* at) noexcept {
  uint32_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

void write_element(char* out, std::string_view element) noexcept {
  const auto size = static_cast<uint32_t>(element.size());
  if (size < kLong) {
    *out++ = static_cast<char>(size);
    if (size != 0) std::memcpy(out, element.data(), size);
    out[size] = static_cast<char>(size);
    return;
  }
  *out++ = static_cast<char>(kLong);
  std::memcpy(out, &size, sizeof size);
  out += sizeof size;
  std::memcpy(out, element.data(), size);
  out += size;
  std::memcpy(out, &size, sizeof size);
  out[sizeof size] = static_cast<char>(kLong);
}

}  // namespace

Chunk::Chunk(Chunk&& other) noexcept
    : number(other.number),
      changed(other.changed),
      stored(other.stored),
      buffer_(std::exchange(other.buffer_, nullptr)),
      capacity_(std::exchange(other.capacity_, 0)),
      begin_(std::exchange(other.begin_, 0)),
      end_(std::exchange(other.end_, 0)),
      count_(std::exchange(other.count_, 0)) {}

Chunk& Chunk::operator=(Chunk&& other) noexcept {
  std::swap(number, other.number);
  std::swap(changed, other.changed);
  std::swap(stored, other.stored);
  std::swap(buffer_, other.buffer_);
  std::swap(capacity_, other.capacity_);
  std::swap(begin_, other.begin_);
  std::swap(end_, other.end_);
  std::swap(count_, other.count_);
  return *this;
}

Chunk::~Chunk() { std::free(buffer_); }

bool Chunk::has_room(size_t element_bytes) const noexcept {
  return count_ < kElementsMax && bytes() + chunk_bytes(element_bytes) <= kBytesMax;
}

void Chunk::relocate(size_t capacity, size_t begin) {
  const size_t size = bytes();
  if (capacity == capacity_) {
    std::memmove(buffer_ + begin, buffer_ + begin_, size);
  } else {
    auto* fresh = static_cast<char*>(std::malloc(capacity));
    if (fresh == nullptr) throw std::bad_alloc();
    if (size != 0) std::memcpy(fresh + begin, buffer_ + begin_, size);
    std::free(buffer_);
    buffer_ = fresh;
    capacity_ = static_cast<uint32_t>(capacity);
  }
  begin_ = static_cast<uint32_t>(begin);
  end_ = static_cast<uint32_t>(begin + size);
}

// A quarter of the free room stays on the other side, for lists that grow at both ends.
void Chunk::make_room_back(size_t wanted) {
  if (capacity_ - end_ >= wanted) return;
  const size_t need = bytes() + wanted;
  const size_t capacity = need + need / 4 <= capacity_ ? capacity_ : capacity_for(need);
  relocate(capacity, begin_ == 0 ? 0 : (capacity - need) / 4);
}

void Chunk::make_room_front(size_t wanted) {
  if (begin_ >= wanted) return;
  const size_t need = bytes() + wanted;
  const size_t capacity = need + need / 4 <= capacity_ ? capacity_ : capacity_for(need);
  const size_t slack = capacity - need;
  relocate(capacity, wanted + (end_ == capacity_ ? slack : slack - slack / 4));
}

void Chunk::push_back(std::string_view element) {
  const size_t size = chunk_bytes(element.size());
  make_room_back(size);
  write_element(buffer_ + end_, element);
  end_ += static_cast<uint32_t>(size);
  ++count_;
}

void Chunk::push_front(std::string_view element) {
  const size_t size = chunk_bytes(element.size());
  make_room_front(size);
  begin_ -= static_cast<uint32_t>(size);
  write_element(buffer_ + begin_, element);
  ++count_;
}

void Chunk::pop_front() noexcept {
  begin_ = next_offset(begin_);
  --count_;
}

void Chunk::pop_back() noexcept {
  end_ = offset_before(end_);
  --count_;
}

std::string_view Chunk::element_at(uint32_t offset) const noexcept {
  const char* at = buffer_ + offset;
  const auto size = static_cast<uint8_t>(*at);
  if (size < kLong) return {at + 1, size};
  return {at + kLongBytes, read_u32(at + 1)};
}

uint32_t Chunk::next_offset(uint32_t offset) const noexcept {
  return offset + static_cast<uint32_t>(chunk_bytes(element_at(offset).size()));
}

uint32_t Chunk::offset_before(uint32_t offset) const noexcept {
  const auto size = static_cast<uint8_t>(buffer_[offset - 1]);
  if (size < kLong) return offset - size - 2;
  return offset - static_cast<uint32_t>(chunk_bytes(read_u32(buffer_ + offset - kLongBytes)));
}

uint32_t Chunk::offset_of(size_t index) const noexcept {
  uint32_t offset;
  if (index <= count_ / 2) {
    offset = begin_;
    for (; index != 0; --index) offset = next_offset(offset);
  } else {
    offset = end_;
    for (; index != count_; ++index) offset = offset_before(offset);
  }
  return offset;
}

void Chunk::insert(uint32_t offset, std::string_view element) {
  const size_t size = chunk_bytes(element.size());
  const uint32_t from_begin = offset - begin_;
  make_room_back(size);
  char* at = buffer_ + begin_ + from_begin;
  std::memmove(at + size, at, bytes() - from_begin);
  write_element(at, element);
  end_ += static_cast<uint32_t>(size);
  ++count_;
}

void Chunk::erase(uint32_t offset) noexcept {
  const uint32_t next = next_offset(offset);
  std::memmove(buffer_ + offset, buffer_ + next, end_ - next);
  end_ -= next - offset;
  --count_;
}

void Chunk::split(uint32_t offset, Chunk& other) {
  const size_t size = end_ - offset;
  uint32_t moved = 0;
  for (uint32_t at = offset; at < end_; at = next_offset(at)) ++moved;
  other.make_room_back(size);
  std::memcpy(other.buffer_ + other.end_, buffer_ + offset, size);
  other.end_ += static_cast<uint32_t>(size);
  other.count_ = moved;
  end_ = offset;
  count_ -= moved;
}

void Chunk::absorb(const Chunk& other) {
  make_room_back(other.bytes());
  std::memcpy(buffer_ + end_, other.buffer_ + other.begin_, other.bytes());
  end_ += static_cast<uint32_t>(other.bytes());
  count_ += other.count_;
}

size_t Chunk::first_bytes(std::string_view raw) noexcept {
  if (raw.empty()) return 0;
  size_t size = static_cast<uint8_t>(raw[0]);
  if (size > kLong) return 0;
  if (size == kLong) {
    if (raw.size() < kLongBytes) return 0;
    size = read_u32(raw.data() + 1);
    if (size < kLong) return 0;
  }
  if (raw.size() < chunk_bytes(size)) return 0;
  const size_t lead = length_bytes(size);
  const char* trail = raw.data() + lead + size;
  if (trail[lead - 1] != raw[0]) return 0;
  if (size >= kLong && read_u32(trail) != size) return 0;
  return chunk_bytes(size);
}

bool Chunk::assign_raw(std::string_view raw) {
  if (raw.size() > kRawBytesMax) return false;
  uint32_t count = 0;
  for (size_t at = 0; at < raw.size(); ++count) {
    const size_t size = first_bytes(raw.substr(at));
    if (size == 0) return false;
    at += size;
  }
  if (count == 0 || count > kElementsMax || (raw.size() > kBytesMax && count != 1)) return false;
  make_room_back(raw.size());
  std::memcpy(buffer_ + end_, raw.data(), raw.size());
  end_ += static_cast<uint32_t>(raw.size());
  count_ = count;
  return true;
}

}  // namespace orbit::resp
