// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What a table's writer and reader agree on; docs/formats/storage-lsm.md.
#pragma once

#include "keyring.hpp"

namespace orbit::lsm {

constexpr uint64_t kTableMagic = 0x31454c4241544c4f;  // "OLTABLE1"
constexpr size_t kPartitionBlocks = 128;
// After each section: a byte with its compression, and the checksum of section and byte.
constexpr size_t kSectionTrailerBytes = 9;

// The last bytes of the file.
struct Footer {
  uint64_t magic;
  uint64_t number;
  uint64_t entries;
  uint64_t top_offset;
  uint64_t top_bytes;
  uint64_t ranges_offset;
  uint64_t ranges_bytes;  // 0: none
  uint64_t checksum;      // of what is before it
};
static_assert(sizeof(Footer) == 64);

// An encrypted table: sections end with a tag, before the trailer, and this is before the footer, whose magic is another.
constexpr uint64_t kSealedTableMagic = 0x31534c4241544c4f;  // "OLTABLS1"
struct SealedFooter {
  FileKey key;
  char tag[16];  // over key and footer
};
static_assert(sizeof(SealedFooter) == 40);
constexpr uint64_t kFooterPosition = ~uint64_t{0};  // as a nonce

// What a sealed section is bound to, beside its table's key.
struct SectionPlace {
  uint64_t table;
  uint64_t offset;
  uint64_t compression;
};

// A section is only right in its table at its place.
constexpr uint64_t section_seed(uint64_t number, uint64_t offset) noexcept {
  return (number * 0x9e3779b97f4a7c15u) ^ (offset + 0x632be59bd9b4e019u);
}

}  // namespace orbit::lsm
