// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Checksums and names of the engine's objects; the rest of how they are written is orbit/coding.hpp. The formats are in
// docs/formats/storage-s3.md.
#pragma once

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstdint>
#include <orbit/coding.hpp>
#include <string>

namespace orbit::s3 {

using namespace coding;

inline uint64_t checksum(Bytes data, uint64_t seed) noexcept {
  return XXH3_64bits_withSeed(data.data(), data.size(), seed);
}
inline uint64_t hash_of(Bytes data) noexcept { return XXH3_64bits(data.data(), data.size()); }
// An object's name is part of its checksums, so that one under another name is not taken for what it is not.
inline uint64_t seed_of(Bytes name, uint64_t offset) noexcept { return hash_of(name) ^ (offset * 0x9e3779b97f4a7c15); }

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
