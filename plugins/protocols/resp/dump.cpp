// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "dump.hpp"

#include <array>

#include "hash.hpp"
#include "list.hpp"
#include "numbers.hpp"
#include "pack.hpp"
#include "set.hpp"
#include "sorted_set.hpp"
#include "value.hpp"

namespace orbit::resp {
namespace {

// Types of objects that are written here; dump_read.cpp reads more.
enum Written : char {
  kWrittenString = 0,
  kWrittenList = 1,
  kWrittenSet = 2,
  kWrittenHash = 4,
  kWrittenZset = 5,
};

constexpr std::array<uint64_t, 256> kChecksumTable = [] {
  constexpr uint64_t kReflected = 0x95ac9329ac4bc9b5ull;
  std::array<uint64_t, 256> table{};
  for (uint64_t i = 0; i < 256; ++i) {
    uint64_t rest = i;
    for (int bit = 0; bit < 8; ++bit) rest = (rest & 1) != 0 ? rest >> 1 ^ kReflected : rest >> 1;
    table[i] = rest;
  }
  return table;
}();

void write_little_endian(std::string& out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

void write_big_endian(std::string& out, uint64_t value, int bytes) {
  for (int i = bytes; i-- > 0;) out.push_back(static_cast<char>(value >> (8 * i)));
}

void write_length(std::string& out, uint64_t length) {
  if (length < 64) {
    out.push_back(static_cast<char>(length));
  } else if (length < 16384) {
    write_big_endian(out, 0x4000 | length, 2);
  } else if (length <= UINT32_MAX) {
    out.push_back(static_cast<char>(0x80));
    write_big_endian(out, length, 4);
  } else {
    out.push_back(static_cast<char>(0x81));
    write_big_endian(out, length, 8);
  }
}

void write_string(std::string& out, std::string_view bytes) {
  constexpr size_t kNumberCharsMax = 11;
  int64_t number;
  if (bytes.size() <= kNumberCharsMax && parse_integer(bytes, number) && number >= INT32_MIN && number <= INT32_MAX) {
    const int kind = number >= INT8_MIN && number <= INT8_MAX ? 0 : number >= INT16_MIN && number <= INT16_MAX ? 1 : 2;
    out.push_back(static_cast<char>(0xc0 | kind));
    write_little_endian(out, static_cast<uint64_t>(number), 1 << kind);
    return;
  }
  write_length(out, bytes.size());
  out.append(bytes);
}

void write_object(std::string& out, const Value& value) {
  switch (value.type()) {
    case ValueType::none:
      return;
    case ValueType::string:
      out.push_back(kWrittenString);
      write_string(out, value.string().view());
      return;
    case ValueType::list: {
      const List& list = *value.list();
      out.push_back(kWrittenList);
      write_length(out, list.size());
      for (List::Place at = list.begin(); list.valid(at); at = list.next(at)) write_string(out, list.at(at));
      return;
    }
    case ValueType::set:
      out.push_back(kWrittenSet);
      write_length(out, value.set()->size());
      for (const Set::Member& member : value.set()->members()) write_string(out, member.name.view());
      return;
    case ValueType::hash:
      out.push_back(kWrittenHash);
      write_length(out, value.hash()->size());
      for (const Hash::Field& field : value.hash()->fields()) {
        write_string(out, field.name.view());
        write_string(out, field.value.view());
      }
      return;
    case ValueType::zset: {
      const SortedSet& set = *value.zset();
      out.push_back(kWrittenZset);
      write_length(out, set.size());
      for (SortedSet::Place at = set.at(0); at.valid(); at.forward()) {
        write_string(out, set.name(at.item().id));
        pack_double(out, set.score(at.item().id));
      }
      return;
    }
  }
}

}  // namespace

uint64_t dump_checksum(std::string_view bytes) noexcept {
  uint64_t sum = 0;
  for (const char c : bytes) sum = kChecksumTable[static_cast<uint8_t>(sum ^ static_cast<uint8_t>(c))] ^ sum >> 8;
  return sum;
}

std::string dump_value(const Value& value) {
  std::string out;
  write_object(out, value);
  write_little_endian(out, kDumpVersion, 2);
  write_little_endian(out, dump_checksum(out), 8);
  return out;
}

bool dump_intact(std::string_view payload) noexcept {
  if (payload.size() < kDumpFooterBytes) return false;
  const auto number = [&](size_t from_end, int bytes) {
    uint64_t value = 0;
    for (int i = bytes; i-- > 0;) {
      value = value << 8 | static_cast<uint8_t>(payload[payload.size() - from_end + static_cast<size_t>(i)]);
    }
    return value;
  };
  return number(10, 2) <= kDumpVersion && number(8, 8) == dump_checksum(payload.substr(0, payload.size() - 8));
}

}  // namespace orbit::resp
