// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What lies in the file; docs/formats/storage-cow_btree.md is its description. All numbers are little endian.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <orbit/coding.hpp>
#include <string>
#include <type_traits>

namespace orbit::cow_btree {

using coding::Failure;
using coding::guarded;
using coding::must;
using coding::raise;

static_assert(std::endian::native == std::endian::little, "the format is little endian and is read as it lies");

constexpr size_t kPageBytes = 4096;
constexpr uint32_t kFormatVersion = 1;
constexpr uint64_t kSlotMagic = 0x31574f4354425230;  // "0RBTCOW1"
constexpr uint32_t kRecordMagic = 0x474f4c42;        // "BLOG"
constexpr uint64_t kSegmentMagic = 0x31474553474f4c42;
constexpr size_t kInlineKeyBytes = 512;   // a longer key's tail lies outside the page
constexpr size_t kCellBytesMax = 1000;    // a larger cell's value lies outside the page
constexpr size_t kKeyBytesMax = 1 << 20;
constexpr int kLevelsMax = 20;

// A page's place in the file, in pages. 0 is a commit slot's, so it stands for "none".
using PageId = uint32_t;

enum class PageKind : uint8_t { leaf = 1, branch = 2, map = 3, map_index = 4 };

struct PageHeader {
  uint8_t kind;
  uint8_t level;  // 0: leaf
  uint16_t count;
  uint16_t heap_begin;  // cells lie from here to the prefix
  uint16_t dead_bytes;  // within the cells
  uint64_t version;     // of the commit that made the page
  uint16_t prefix_bytes;
  uint16_t flags;
  PageId id;
};
static_assert(sizeof(PageHeader) == 24 && std::is_trivially_copyable_v<PageHeader>);
constexpr uint16_t kExternalValue = 0xffff;  // in place of a value's length: a reference
constexpr uint16_t kHasExternal = 1;  // an ExternalRef may be in this page or below
constexpr uint16_t kLeavesRoom = 2;   // kSealBytes before the cells stay free, for the page's seal
// A nonce and a tag of AES-256-GCM: what a sealed page, run or record takes more (seals.hpp).
constexpr size_t kSealBytes = 28;
constexpr uint32_t kCipherAes256Gcm = 1;

// Bytes outside of pages: a run of whole pages. First the key's tail, then the value.
struct ExternalRef {
  uint64_t bytes;  // in the file, with the seal if there is one
  uint64_t sum;
  uint64_t version;
  PageId page;
  uint32_t key_bytes;

  uint32_t pages() const noexcept { return static_cast<uint32_t>((bytes + kPageBytes - 1) / kPageBytes); }
};
static_assert(sizeof(ExternalRef) == 32);

// A commit slot; pages 0 and 1. The newer valid one counts.
struct Slot {
  uint64_t magic;
  uint32_t format_version;
  uint32_t page_bytes;
  uint64_t version;  // of the tree; also says which slot is newer, with sequence
  uint64_t sequence;
  PageId root;  // 0: the tree is empty
  uint32_t levels;
  uint64_t root_sum;
  uint64_t pages;  // the file's length in pages that count
  PageId map_index;
  uint32_t log_segment_bytes;
  uint64_t map_index_sum;
  uint64_t log_lsn;       // records from here on are not in the tree
  uint64_t log_previous;  // the checksum that the record at log_lsn continues
  PageId log_page;        // of the segment that holds log_lsn; 0: there is no log
  uint32_t cipher;        // 0: none, and then the other fields of encryption are 0
  uint32_t seal_bytes;
  uint32_t reserved_1;
  uint64_t master_key_id;
  uint64_t reserved_2[3];
  uint64_t file_id;  // random, from the creation
  char wrapped_key[60];  // the data key under the master key
  char seal[28];         // nonce and tag over all of this with this field and the sum 0
  uint64_t reserved[34];
  uint64_t sum;  // over all of this with this field 0
};
static_assert(sizeof(Slot) == 512, "a slot must fit one sector, so that it is written whole or not at all");

// A map page: header, then one bit per page of the file, 1: used. An index page: header, then MapEntry; the first names the
// next index page.
// In an encrypted file the last kMapRoomBytes of both are left free, and heap_begin is where the page ends.
constexpr size_t kMapBytesMax = kPageBytes - sizeof(PageHeader);
constexpr size_t kMapRoomBytes = 32;
struct MapEntry {
  uint64_t sum;
  PageId page;
  uint32_t reserved;
};
constexpr size_t map_bytes(bool sealed) noexcept { return kMapBytesMax - (sealed ? kMapRoomBytes : 0); }
constexpr size_t map_bits(bool sealed) noexcept { return map_bytes(sealed) * 8; }
constexpr size_t map_entries(bool sealed) noexcept { return map_bytes(sealed) / sizeof(MapEntry) - 1; }

struct SegmentHeader {
  uint64_t magic;
  uint64_t index;  // the segment holds the log's bytes from index * capacity on
  uint64_t file_id;
  PageId next;  // the segment after this one
  uint32_t reserved;
  uint64_t unused[3];
  uint64_t sum;
};
static_assert(sizeof(SegmentHeader) == 64);

// A record of the log; the operations of one group of batches follow it. Records begin at multiples of 8.
struct RecordHeader {
  uint32_t magic;
  uint32_t bytes;     // of the operations
  uint64_t lsn;       // of this header
  uint64_t previous;  // the sum of the record before
  uint64_t synced;    // everything before this lsn had been synced
  uint64_t sum;       // over header (with this field 0) and operations
};
static_assert(sizeof(RecordHeader) == 40);

uint64_t page_sum(const char* page) noexcept;  // never 0
uint64_t run_sum(Bytes bytes, PageId page, uint64_t version) noexcept;
uint64_t bytes_sum(Bytes bytes, uint64_t seed) noexcept;

template <class T>
T read_at(const char* p) noexcept {
  static_assert(std::is_trivially_copyable_v<T>);
  T out;
  std::memcpy(&out, p, sizeof out);
  return out;
}
template <class T>
void write_at(char* p, const T& value) noexcept {
  static_assert(std::is_trivially_copyable_v<T>);
  std::memcpy(p, &value, sizeof value);
}

}  // namespace orbit::cow_btree
