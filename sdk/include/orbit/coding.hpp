// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What storage engines of ours write their files with: numbers and byte strings, a reader of them that checks, and the
// exception that carries an Error inside an engine.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>

#include "result.hpp"

namespace orbit::coding {

// Thrown inside the engine; becomes a Result at its edge.
struct Failure {
  Error error;
};
[[noreturn]] inline void raise(Code code, std::string message) { throw Failure{Error{code, std::move(message)}}; }
template <class T>
T must(Result<T>&& result) {
  if (!result) throw Failure{std::move(result.error())};
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}
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

static_assert(std::endian::native == std::endian::little, "files are little-endian, and written as memory is");
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

// Null when the number does not end before `end` or has more than 64 bits.
inline const char* get_varint(const char* at, const char* end, uint64_t& value) noexcept {
  if (at < end && static_cast<uint8_t>(*at) < 0x80) {
    value = static_cast<uint8_t>(*at);
    return at + 1;
  }
  value = 0;
  for (unsigned shift = 0; at < end && shift <= 63; shift += 7) {
    const auto byte = static_cast<uint8_t>(*at++);
    if (shift == 63 && byte > 1) return nullptr;
    value |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return at;
  }
  return nullptr;
}

// Takes bytes apart, whose checksum was right or is not known yet; what does not fit is DATA_LOSS, and says where.
// `what` must live as long.
class Parser {
 public:
  Parser(Bytes data, const std::string& what) noexcept
      : at_(data.data()), end_(data.data() + data.size()), what_(what) {}
  bool done() const noexcept { return at_ == end_; }
  uint64_t varint() {
    uint64_t value = 0;
    const char* next = get_varint(at_, end_, value);
    if (next == nullptr) damaged();
    at_ = next;
    return value;
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

}  // namespace orbit::coding
