// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "state/record_format.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace orbit::kernel {

namespace {

constexpr uint8_t kFormat = 1;
constexpr uint8_t kFormatWithMore = 2;  // of records with flags that format 1 does not know
constexpr uint8_t kHasSubrecords = 1;
constexpr uint8_t kHasExpiry = 2;
constexpr uint8_t kHasSchemaVersion = 4;
constexpr uint8_t kHasLoadFrom = 8;

bool read_varint(std::string_view& in, uint64_t& value) noexcept {
  value = 0;
  for (unsigned shift = 0; shift < 64 && !in.empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(in.front());
    in.remove_prefix(1);
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return true;
  }
  return false;
}

}  // namespace

uint64_t key_hash(std::string_view key) noexcept { return XXH3_64bits(key.data(), key.size()); }

void append_type(std::string& out, std::string_view type) {
  out.push_back(static_cast<char>(type.size()));
  out.append(type);
}

void append_u64_be(std::string& out, uint64_t value) {
  const uint64_t big = __builtin_bswap64(value);
  char bytes[8];
  std::memcpy(bytes, &big, 8);
  out.append(bytes, 8);
}

void append_varint(std::string& out, uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

void append_actor(std::string& out, std::string_view type, uint64_t hash, std::string_view key) {
  append_type(out, type);
  append_u64_be(out, hash);
  append_varint(out, key.size());
  out.append(key);
}

std::string count_key(std::string_view type) {
  std::string key(1, kMetaSpace);
  key.append("count/").append(type);
  return key;
}

std::string index_prefix(std::string_view type) {
  std::string key(1, kIndexSpace);
  append_type(key, type);
  return key;
}

std::string index_prefix(std::string_view type, uint32_t number) {
  std::string key = index_prefix(type);
  append_u32_be(key, number);
  return key;
}

std::string index_note_prefix(std::string_view type) {
  std::string key(1, kMetaSpace);
  key.append("index/");
  append_type(key, type);
  return key;
}

void append_u32_be(std::string& out, uint32_t value) {
  const uint32_t big = __builtin_bswap32(value);
  char bytes[4];
  std::memcpy(bytes, &big, 4);
  out.append(bytes, 4);
}

Result<uint32_t> take_u32_be(std::string_view& in) {
  if (in.size() < 4) return fail(Code::data_loss, "a stored key is too short: expected 4 bytes, found " + std::to_string(in.size()));
  uint32_t big = 0;
  std::memcpy(&big, in.data(), 4);
  in.remove_prefix(4);
  return __builtin_bswap32(big);
}

Result<uint64_t> take_varint(std::string_view& in) {
  uint64_t value = 0;
  if (!read_varint(in, value)) return fail(Code::data_loss, "a stored number ends early or is too long");
  return value;
}

std::string prefix_end(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && static_cast<uint8_t>(end.back()) == 0xff) end.pop_back();
  if (!end.empty()) end.back() = static_cast<char>(static_cast<uint8_t>(end.back()) + 1);
  return end;
}

Result<uint64_t> take_u64_be(std::string_view& in) {
  if (in.size() < 8) return fail(Code::data_loss, "a stored key is too short: expected 8 bytes, found " + std::to_string(in.size()));
  uint64_t big = 0;
  std::memcpy(&big, in.data(), 8);
  in.remove_prefix(8);
  return __builtin_bswap64(big);
}

Result<ActorAddress> take_actor(std::string_view& in) {
  ActorAddress address;
  if (in.empty()) return fail(Code::data_loss, "a stored key ends before its actor type");
  const size_t type_size = static_cast<uint8_t>(in.front());
  in.remove_prefix(1);
  if (in.size() < type_size) return fail(Code::data_loss, "a stored key ends inside its actor type");
  address.type = in.substr(0, type_size);
  in.remove_prefix(type_size);
  auto hash = take_u64_be(in);
  if (!hash) return tl::unexpected<Error>(hash.error());
  address.hash = *hash;
  uint64_t key_size = 0;
  if (!read_varint(in, key_size) || key_size > in.size())
    return fail(Code::data_loss, "a stored key ends inside its actor key");
  address.key = in.substr(0, key_size);
  in.remove_prefix(key_size);
  return address;
}

void append_main_header(std::string& out, const MainHeader& header) {
  const bool more = header.schema_version != 0 || !header.load_from.empty();
  out.push_back(static_cast<char>(more ? kFormatWithMore : kFormat));
  out.push_back(static_cast<char>((header.has_subrecords ? kHasSubrecords : 0) |
                                  (header.expires_at_ms != 0 ? kHasExpiry : 0) |
                                  (header.schema_version != 0 ? kHasSchemaVersion : 0) |
                                  (!header.load_from.empty() ? kHasLoadFrom : 0)));
  append_varint(out, header.version);
  append_varint(out, header.epoch);
  if (header.expires_at_ms != 0) append_varint(out, header.expires_at_ms);
  if (header.schema_version != 0) append_varint(out, header.schema_version);
  if (!header.load_from.empty()) {
    append_varint(out, header.load_from.size());
    out.append(header.load_from);
  }
}

Result<MainHeader> take_main_header(std::string_view& in) {
  MainHeader header;
  const auto format = in.empty() ? uint8_t{0} : static_cast<uint8_t>(in[0]);
  if (in.size() < 2 || (format != kFormat && format != kFormatWithMore))
    return fail(Code::data_loss, "a state record has format " + (in.empty() ? std::string("(empty)") : std::to_string(format)) +
                                     ", this node reads formats " + std::to_string(kFormat) + " and " +
                                     std::to_string(kFormatWithMore));
  const auto flags = static_cast<uint8_t>(in[1]);
  in.remove_prefix(2);
  header.has_subrecords = (flags & kHasSubrecords) != 0;
  uint64_t load_from_size = 0;
  if (!read_varint(in, header.version) || !read_varint(in, header.epoch) ||
      ((flags & kHasExpiry) != 0 && !read_varint(in, header.expires_at_ms)) ||
      ((flags & kHasSchemaVersion) != 0 && !read_varint(in, header.schema_version)) ||
      ((flags & kHasLoadFrom) != 0 && (!read_varint(in, load_from_size) || load_from_size > in.size())))
    return fail(Code::data_loss, "a state record ends inside its header");
  header.load_from = in.substr(0, load_from_size);
  in.remove_prefix(load_from_size);
  return header;
}

}  // namespace orbit::kernel
