// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Leaf and branch pages: how entries lie in 4096 bytes, how one is found, and how they are changed in place. Knows nothing of
// files, caches or other pages.
//
//   header | heads: the first 4 bytes after the prefix, as numbers | [branch: children, their checksums] | offsets of cells |
//   free | cells | prefix that all keys of the page begin with
//
// Heads let a search look at one or two cache lines instead of a cell per step.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "format.hpp"

namespace orbit::cow_btree {

// The tail of a key that is longer than kInlineKeyBytes, fetched when a comparison cannot do without.
class KeyTails {
 public:
  virtual std::string key_tail(const ExternalRef& ref) = 0;  // raises Failure

 protected:
  ~KeyTails() = default;
};

struct Position {
  uint32_t index;
  bool found;
};

inline uint32_t head_of(const char* suffix, size_t size) noexcept {
  if (size >= 4) return __builtin_bswap32(read_at<uint32_t>(suffix));
  uint32_t head = 0;
  for (size_t i = 0; i < size; ++i) head |= static_cast<uint32_t>(static_cast<unsigned char>(suffix[i])) << (24 - 8 * i);
  return head;
}

inline PageHeader& header_of(char* page) noexcept { return *reinterpret_cast<PageHeader*>(page); }
inline const PageHeader& header_of(const char* page) noexcept { return *reinterpret_cast<const PageHeader*>(page); }

// Reading; `page` is a valid page (check_page) that nobody changes meanwhile.
class PageView {
 public:
  explicit PageView(const char* page) noexcept : page_(page) {}
  const PageHeader& header() const noexcept { return header_of(page_); }
  uint32_t count() const noexcept { return header().count; }
  bool is_leaf() const noexcept { return header().level == 0; }
  Bytes prefix() const noexcept {
    return {page_ + kPageBytes - header().prefix_bytes, header().prefix_bytes};
  }
  const uint32_t* heads() const noexcept { return reinterpret_cast<const uint32_t*>(page_ + sizeof(PageHeader)); }
  uint32_t head(uint32_t i) const noexcept { return heads()[i]; }
  PageId child(uint32_t i) const noexcept { return heads()[count() + i]; }
  uint64_t child_sum(uint32_t i) const noexcept {
    return read_at<uint64_t>(page_ + sizeof(PageHeader) + 8 * size_t{count()} + 8 * size_t{i});
  }
  size_t entry_bytes() const noexcept { return is_leaf() ? 6 : 18; }  // fixed part, outside the heap
  const char* cell(uint32_t i) const noexcept {
    const size_t offsets = sizeof(PageHeader) + (entry_bytes() - 2) * count();
    return page_ + read_at<uint16_t>(page_ + offsets + 2 * size_t{i});
  }
  // Bytes of the inline key after the prefix.
  size_t suffix_bytes(uint32_t i) const noexcept {
    const auto raw = read_at<uint16_t>(cell(i));
    return is_leaf() ? raw : raw & 0x7fff;
  }
  // The inline part of the key, put together.
  void key(uint32_t i, std::string& out) const;
  // The same into a buffer that holds the prefix already and has room for kInlineKeyBytes + 4; returns the length.
  size_t key_after_prefix(uint32_t i, char* buffer) const noexcept;
  bool external(uint32_t i, ExternalRef& out) const noexcept;
  Bytes value(uint32_t i) const noexcept;  // leaf; empty when external

  // Leaf: the first entry that is not less than `key`.
  Position find(Bytes key, KeyTails& tails) const;
  // Leaf: the entry that `find` will most likely look at, by the heads alone: to fetch its cell before.
  uint32_t likely(Bytes key) const noexcept;
  // Branch: the child whose range holds `key`.
  uint32_t child_for(Bytes key, KeyTails& tails) const;

  void prefetch_cell(uint32_t i) const noexcept {
    const char* at = cell(i);
    __builtin_prefetch(at);
    __builtin_prefetch(at + 64);
  }
  size_t cell_bytes(uint32_t i) const noexcept;
  // Bytes in use without dead ones, prefix included.
  size_t used_bytes() const noexcept;
  const char* raw() const noexcept { return page_; }

 private:
  int against_prefix(Bytes key) const noexcept;
  uint32_t lower_head(uint32_t wanted, uint32_t first) const noexcept;
  Position search(Bytes key, uint32_t first, KeyTails& tails) const;
  int compare(uint32_t i, Bytes suffix, Bytes key, KeyTails& tails) const;

  const char* page_;
};

// A leaf's entries for a scan, which looks at all of them.
class LeafCells {
 public:
  // What `read` may write behind a key.
  static constexpr size_t kRoom = 32;

  explicit LeafCells(const PageView& leaf) noexcept
      : page_(leaf.raw()), heads_(leaf.heads()), offsets_(page_ + sizeof(PageHeader) + 4 * size_t{leaf.count()}), prefix_(leaf.prefix().size()) {}
  bool external(uint32_t i) const noexcept { return read_at<uint16_t>(cell(i) + 2) == kExternalValue; }
  // Entry i, which is not external; `key` holds the prefix already, and has room for kInlineKeyBytes + kRoom. Returns the
  // key's length.
  size_t read(uint32_t i, char* key, Bytes& value) const noexcept {
    const char* at = cell(i);
    const size_t suffix = read_at<uint16_t>(at);
    const size_t bytes = read_at<uint16_t>(at + 2);
    const size_t rest = suffix > 4 ? suffix - 4 : 0;
    at += 4;
    char* const to = key + prefix_;
    write_at(to, __builtin_bswap32(heads_[i]));
    // A copy of fixed length is a pair of moves; a page's last cells may have too little behind them.
    if (rest <= 16 && at + 16 <= page_ + kPageBytes)
      std::memcpy(to + 4, at, 16);
    else
      std::memcpy(to + 4, at, rest);
    value = {at + rest, bytes};
    return prefix_ + suffix;
  }

 private:
  const char* cell(uint32_t i) const noexcept { return page_ + read_at<uint16_t>(offsets_ + 2 * size_t{i}); }
  const char* const page_;
  const uint32_t* const heads_;
  const char* const offsets_;
  const size_t prefix_;
};

// An entry outside of a page. `key` is the inline part; `value` is unused when external.
struct Entry {
  Bytes key;
  Bytes value;
  bool is_external = false;
  ExternalRef external{};
  PageId child = 0;
  uint64_t child_sum = 0;
};

// Bytes that the entry takes in a page with such a prefix, its fixed part included.
size_t entry_size(const Entry& entry, bool leaf, size_t prefix_bytes) noexcept;

// Fills an empty page. `entries` must fit (pack_size). Entry 0 of a branch is stored without its key.
size_t pack_size(std::span<const Entry> entries, bool leaf) noexcept;
// `flags`: kLeavesRoom or 0; then `entries` fit with kSealBytes to spare.
void pack(char* page, std::span<const Entry> entries, int level, PageId id, uint64_t version, uint16_t flags);

// Puts the entry at `index`; false when it has no room or its key lacks the page's prefix, and then nothing changed.
bool insert_at(char* page, uint32_t index, const Entry& entry);
void erase_at(char* page, uint32_t index);
void set_child(char* page, uint32_t index, PageId child, uint64_t sum) noexcept;

// Whether every offset and length lies within the page, and every child within the file's bound, so that the functions above stay inside. Says what is wrong.
const char* check_page(const char* page, PageId id, uint64_t pages_max) noexcept;

// The shortest key that is greater than `left` and not greater than `right`.
Bytes separator(Bytes left, Bytes right) noexcept;

}  // namespace orbit::cow_btree
