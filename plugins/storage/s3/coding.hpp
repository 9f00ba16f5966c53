// SPDX-License-Identifier: MIT OR BSD-3-Clause
// How numbers and byte strings are written in the engine's objects, checksums, and the exception that carries an Error
// inside the engine. The formats are in docs/formats/storage-s3.md.
#pragma once

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <orbit/result.hpp>
#include <string>
#include <type_traits>

namespace orbit::s3 {

// Thrown inside the engine; becomes a Result at its edge.
struct Failure {
  Error error;
};
[[noreturn]] inline void raise(Code code, std::string message) { throw Failure{Error{code, std::move(message)}}; }
template <class F>
auto guarded(F&& function) -> Result<decltype(function())> {
  try {
    if constexpr (std::is_void_v<decltype(function())>) {
      function();
      return {};
    } else {
      return function();
    }
  } catch (Failure& failure) {
    return tl::unexpected<Error>(std::move(failure.error));
  }
}

inline uint64_t checksum(Bytes data, uint64_t seed) noexcept {
  return XXH3_64bits_withSeed(data.data(), data.size(), seed);
}
inline uint64_t hash_of(Bytes data) noexcept { return XXH3_64bits(data.data(), data.size()); }
// An object's name is part of its checksums, so that one under another name is not taken for what it is not.
inline uint64_t seed_of(Bytes name, uint64_t offset) noexcept { return hash_of(name) ^ (offset * 0x9e3779b97f4a7c15); }

static_assert(std::endian::native == std::endian::little, "objects are little-endian, and written as memory is");
template <class T>
T load(const char* at) noexcept {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}
template <class T>
void put_fixed(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}
inline void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}
inline void put_bytes(std::string& out, Bytes bytes) {
  put_varint(out, bytes.size());
  out.append(bytes);
}

// Takes bytes apart; what does not fit is DATA_LOSS, and says where.
class Parser {
 public:
  Parser(Bytes data, const std::string& what) noexcept
      : at_(data.data()), end_(data.data() + data.size()), what_(what) {}
  bool done() const noexcept { return at_ == end_; }
  uint64_t varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; at_ < end_ && shift <= 63; shift += 7) {
      const auto byte = static_cast<uint8_t>(*at_++);
      if (shift == 63 && byte > 1) damaged();
      value |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return value;
    }
    damaged();
  }
  // A count of things that take at least a byte each.
  size_t count() {
    const uint64_t value = varint();
    if (value > static_cast<size_t>(end_ - at_)) damaged();
    return value;
  }
  Bytes take(uint64_t size) {
    if (size > static_cast<size_t>(end_ - at_)) damaged();
    const Bytes out(at_, size);
    at_ += size;
    return out;
  }
  Bytes bytes() { return take(varint()); }
  template <class T>
  T fixed() {
    return load<T>(take(sizeof(T)).data());
  }
  [[noreturn]] void damaged() const { raise(Code::data_loss, what_ + " is damaged: its fields do not fit"); }

 private:
  const char* at_;
  const char* end_;
  const std::string& what_;
};

// What is between the magic number at the beginning and the checksum at the end, both checked.
inline Bytes opened(Bytes object, uint64_t magic, Bytes name, const std::string& what) {
  if (object.size() < 16 || load<uint64_t>(object.data()) != magic)
    raise(Code::data_loss, what + ": found " + std::to_string(object.size()) +
                               " bytes that do not begin as such an object does, or a version of it that is not known");
  const Bytes body = object.substr(0, object.size() - 8);
  if (load<uint64_t>(object.data() + body.size()) != checksum(body, seed_of(name, 0)))
    raise(Code::data_loss,
          what + " is damaged: its checksum does not fit its " + std::to_string(object.size()) + " bytes");
  return body.substr(8);
}
inline void close_object(std::string& object, Bytes name) { put_fixed(object, checksum(object, seed_of(name, 0))); }

// 16 digits, so that names are ordered as numbers are.
inline std::string digits(uint64_t number) {
  std::string out(16, '0');
  for (size_t i = 16; number != 0; number >>= 4) out[--i] = "0123456789abcdef"[number & 15];
  return out;
}

}  // namespace orbit::s3
