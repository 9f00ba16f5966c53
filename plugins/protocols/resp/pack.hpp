// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The bytes of records: varints, strings with their length before them, fixed numbers. Reading checks every bound.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace orbit::resp {

constexpr size_t varint_bytes(uint64_t value) noexcept {
  size_t size = 1;
  for (; value >= 0x80; value >>= 7) ++size;
  return size;
}
// Of a string with its length.
constexpr size_t packed_bytes(size_t string_bytes) noexcept { return varint_bytes(string_bytes) + string_bytes; }

inline void pack_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}
inline void pack_string(std::string& out, std::string_view bytes) {
  pack_varint(out, bytes.size());
  out.append(bytes);
}
// Little-endian.
inline void pack_double(std::string& out, double value) {
  uint64_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  for (int i = 0; i < 8; ++i) out.push_back(static_cast<char>(bits >> (8 * i)));
}

// Reads from the front. A false leaves the rest unspecified.
class Unpacker {
 public:
  explicit Unpacker(std::string_view bytes) noexcept : rest_(bytes) {}

  std::string_view rest() const noexcept { return rest_; }
  bool done() const noexcept { return rest_.empty(); }

  bool byte(uint8_t& value) noexcept {
    if (rest_.empty()) return false;
    value = static_cast<uint8_t>(rest_[0]);
    rest_.remove_prefix(1);
    return true;
  }
  // Only the shortest form is taken.
  bool varint(uint64_t& value) noexcept {
    value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      uint8_t next;
      if (!byte(next)) return false;
      if (shift == 63 && next > 1) return false;
      value |= uint64_t{next & 0x7fu} << shift;
      if ((next & 0x80) == 0) return next != 0 || shift == 0;
    }
    return false;
  }
  bool string(std::string_view& bytes) noexcept {
    uint64_t size;
    if (!varint(size) || size > rest_.size()) return false;
    bytes = rest_.substr(0, static_cast<size_t>(size));
    rest_.remove_prefix(static_cast<size_t>(size));
    return true;
  }
  bool real(double& value) noexcept {
    if (rest_.size() < 8) return false;
    uint64_t bits = 0;
    for (int i = 7; i >= 0; --i) bits = bits << 8 | static_cast<uint8_t>(rest_[static_cast<size_t>(i)]);
    std::memcpy(&value, &bits, sizeof value);
    rest_.remove_prefix(8);
    return true;
  }

 private:
  std::string_view rest_;
};

}  // namespace orbit::resp
