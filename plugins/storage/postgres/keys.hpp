// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Keys and parameters as the table and the wire want them.
#pragma once

#include <openssl/sha.h>

#include <array>
#include <cstdint>
#include <orbit/result.hpp>
#include <string>

namespace orbit::storage_postgres {

// An index entry of PostgreSQL ends at 2704 bytes. A longer key is cut in two: the head keeps the order, the hash of the tail
// makes it one of a kind, and rows of one head are sorted by their tails. docs/formats/storage-postgres.md
inline constexpr size_t kHeadBytesMax = 2000;

class RowKey {
 public:
  explicit RowKey(Bytes key) : head_(key.substr(0, kHeadBytesMax)), tail_(key.substr(head_.size())) {
    if (!tail_.empty())
      SHA256(reinterpret_cast<const unsigned char*>(tail_.data()), tail_.size(), hash_.data());
  }
  bool cut() const noexcept { return !tail_.empty(); }
  Bytes head() const noexcept { return head_; }
  Bytes tail() const noexcept { return tail_; }
  // Lives as long as this object stays where it is.
  Bytes hash() const noexcept {
    return cut() ? Bytes(reinterpret_cast<const char*>(hash_.data()), hash_.size()) : Bytes();
  }

 private:
  Bytes head_;
  Bytes tail_;
  std::array<unsigned char, SHA256_DIGEST_LENGTH> hash_;
};

inline void append_u32_be(std::string& out, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
}
inline std::string i64_be(int64_t value) {
  std::string out;
  append_u32_be(out, static_cast<uint32_t>(static_cast<uint64_t>(value) >> 32));
  append_u32_be(out, static_cast<uint32_t>(value));
  return out;
}
// Of exactly eight bytes.
inline int64_t i64_of(Bytes bytes) noexcept {
  uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return static_cast<int64_t>(value);
}

// A bytea[] in the binary format.
class ByteaArray {
 public:
  ByteaArray() { clear(); }
  void clear() {
    count_ = 0;
    bytes_.clear();
    append_u32_be(bytes_, 1);          // dimensions
    append_u32_be(bytes_, 0);          // no nulls
    append_u32_be(bytes_, kByteaOid);  // of the elements
    append_u32_be(bytes_, 0);          // how many: see value()
    append_u32_be(bytes_, 1);          // index of the first
  }
  void add(Bytes element) {
    append_u32_be(bytes_, static_cast<uint32_t>(element.size()));
    bytes_.append(element);
    ++count_;
  }
  uint32_t count() const noexcept { return count_; }
  size_t bytes() const noexcept { return bytes_.size(); }
  // Only when it is not empty.
  Bytes value() {
    std::string count;
    append_u32_be(count, count_);
    bytes_.replace(kCountAt, count.size(), count);
    return bytes_;
  }

 private:
  static constexpr uint32_t kByteaOid = 17;
  static constexpr size_t kCountAt = 12;
  std::string bytes_;
  uint32_t count_ = 0;
};

}  // namespace orbit::storage_postgres
