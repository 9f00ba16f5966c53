// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "page.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>

namespace orbit::cow_btree {

namespace {

constexpr uint16_t kExternalKey = 0x8000;

size_t rest_bytes(size_t suffix) noexcept { return suffix > 4 ? suffix - 4 : 0; }
size_t cell_header(bool leaf) noexcept { return leaf ? 4 : 2; }

// Removes or opens gaps in the arrays before the heap when the number of entries changes.
struct Arrays {
  char* page;
  bool leaf;
  size_t count;
  char* heads() const { return page + sizeof(PageHeader); }
  char* children() const { return heads() + 4 * count; }
  char* sums() const { return heads() + 8 * count; }
  char* offsets() const { return heads() + (leaf ? 4 : 16) * count; }
  char* end() const { return offsets() + 2 * count; }
};

bool same_bytes(const char* a, const char* b, size_t size) noexcept {
  if (size > 16) return std::memcmp(a, b, size) == 0;
  if (size >= 8) return read_at<uint64_t>(a) == read_at<uint64_t>(b) && read_at<uint64_t>(a + size - 8) == read_at<uint64_t>(b + size - 8);
  if (size >= 4) return read_at<uint32_t>(a) == read_at<uint32_t>(b) && read_at<uint32_t>(a + size - 4) == read_at<uint32_t>(b + size - 4);
  for (size_t i = 0; i < size; ++i)
    if (a[i] != b[i]) return false;
  return true;
}

void move_bytes(char* to, const char* from, size_t size) { std::memmove(to, from, size); }

}  // namespace

uint64_t page_sum(const char* page) noexcept {
  const uint64_t sum = XXH3_64bits(page, kPageBytes);
  return sum == 0 ? 1 : sum;
}
uint64_t run_sum(Bytes bytes, PageId page, uint64_t version) noexcept {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), version * 0x9e3779b97f4a7c15ULL + page);
}
uint64_t bytes_sum(Bytes bytes, uint64_t seed) noexcept { return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed); }

// ---- reading -------------------------------------------------------------------------------------------------------

size_t PageView::key_after_prefix(uint32_t i, char* buffer) const noexcept {
  const size_t prefix = header().prefix_bytes;
  const char* at = cell(i);
  const size_t suffix = is_leaf() ? read_at<uint16_t>(at) : read_at<uint16_t>(at) & 0x7fff;
  write_at(buffer + prefix, __builtin_bswap32(head(i)));
  if (suffix > 4) std::memcpy(buffer + prefix + 4, at + cell_header(is_leaf()), suffix - 4);
  return prefix + suffix;
}

void PageView::key(uint32_t i, std::string& out) const {
  char buffer[kInlineKeyBytes + 8];
  const Bytes start = prefix();
  std::memcpy(buffer, start.data(), start.size());
  out.assign(buffer, key_after_prefix(i, buffer));
}

bool PageView::external(uint32_t i, ExternalRef& out) const noexcept {
  const char* at = cell(i);
  const auto suffix = read_at<uint16_t>(at);
  if (is_leaf()) {
    if (read_at<uint16_t>(at + 2) != kExternalValue) return false;
    out = read_at<ExternalRef>(at + 4 + rest_bytes(suffix));
    return true;
  }
  if ((suffix & kExternalKey) == 0) return false;
  out = read_at<ExternalRef>(at + 2 + rest_bytes(suffix & 0x7fff));
  return true;
}

Bytes PageView::value(uint32_t i) const noexcept {
  const char* at = cell(i);
  const auto bytes = read_at<uint16_t>(at + 2);
  if (bytes == kExternalValue) return {};
  return {at + 4 + rest_bytes(read_at<uint16_t>(at)), bytes};
}

size_t PageView::cell_bytes(uint32_t i) const noexcept {
  const char* at = cell(i);
  const auto suffix = read_at<uint16_t>(at);
  if (!is_leaf()) return 2 + rest_bytes(suffix & 0x7fff) + ((suffix & kExternalKey) != 0 ? sizeof(ExternalRef) : 0);
  const auto bytes = read_at<uint16_t>(at + 2);
  return 4 + rest_bytes(suffix) + (bytes == kExternalValue ? sizeof(ExternalRef) : bytes);
}

size_t PageView::used_bytes() const noexcept {
  const PageHeader& h = header();
  return sizeof(PageHeader) + entry_bytes() * h.count + (kPageBytes - h.heap_begin) - h.dead_bytes;
}

// Less than 0: entry i is less than the key. `suffix` is the key's inline part after the prefix; heads are known to be equal.
int PageView::compare(uint32_t i, Bytes suffix, Bytes key, KeyTails& tails) const {
  const char* at = cell(i);
  const size_t mine = suffix_bytes(i);
  const size_t common = std::min(rest_bytes(mine), rest_bytes(suffix.size()));
  if (common != 0)
    if (const int order = std::memcmp(at + cell_header(is_leaf()), suffix.data() + 4, common); order != 0) return order;
  if (mine != suffix.size()) return mine < suffix.size() ? -1 : 1;
  ExternalRef ref;
  const bool tail = external(i, ref) && ref.key_bytes != 0;
  if (key.size() <= kInlineKeyBytes) return tail ? 1 : 0;
  if (!tail) return -1;
  return Bytes(tails.key_tail(ref)).compare(key.substr(kInlineKeyBytes));
}

// The first entry from `first` on whose head is not less than `wanted`.
uint32_t PageView::lower_head(uint32_t wanted, uint32_t first) const noexcept {
  constexpr uint32_t kAtOnce = 16;
  const uint32_t* at = heads() + first;
  uint32_t left = count() - first;
  // Without branches, which nothing could predict.
  while (left > kAtOnce) {
    const uint32_t half = left / 2;
    at += half & (at[half - 1] < wanted ? ~0u : 0u);
    left -= half;
  }
  // Always as many, so that the compiler makes vectors of them: what lies behind the heads is still in the page.
  static_assert(sizeof(PageHeader) + (kPageBytes - sizeof(PageHeader)) * 4 / 10 + kAtOnce * 4 <= kPageBytes);
  uint32_t less = 0;
  for (uint32_t i = 0; i < kAtOnce; ++i) less += static_cast<uint32_t>(at[i] < wanted) & static_cast<uint32_t>(i < left);
  return static_cast<uint32_t>(at - heads()) + less;
}

// The first entry from `first` on that is not less than `key`, which has the page's prefix.
Position PageView::search(Bytes key, uint32_t first, KeyTails& tails) const {
  const Bytes suffix = key.substr(0, kInlineKeyBytes).substr(header().prefix_bytes);
  const uint32_t wanted = head_of(suffix.data(), suffix.size());
  const uint32_t* all = heads();
  uint32_t low = lower_head(wanted, first);
  const uint32_t end = count();
  if (low == end || all[low] != wanted) return {low, false};
  uint32_t upper = low + 1;
  if (upper < end && all[upper] == wanted) upper = static_cast<uint32_t>(std::upper_bound(all + upper, all + end, wanted) - all);
  while (low < upper) {
    const uint32_t middle = low + (upper - low) / 2;
    const int order = compare(middle, suffix, key, tails);
    if (order == 0) return {middle, true};
    if (order < 0)
      low = middle + 1;
    else
      upper = middle;
  }
  return {low, false};
}

// Less than 0: `key` is less than all keys with the page's prefix; 0: it has the prefix.
int PageView::against_prefix(Bytes key) const noexcept {
  const Bytes start = prefix();
  if (key.size() >= start.size() && same_bytes(key.data(), start.data(), start.size())) return 0;
  const size_t common = std::min(start.size(), key.size());
  const int order = common == 0 ? 0 : std::memcmp(key.data(), start.data(), common);
  return order != 0 ? order : -1;
}

Position PageView::find(Bytes key, KeyTails& tails) const {
  const int order = against_prefix(key);
  if (order != 0) return {order < 0 ? 0 : count(), false};
  return search(key, 0, tails);
}

uint32_t PageView::likely(Bytes key) const noexcept {
  const size_t prefix = header().prefix_bytes;
  if (key.size() < prefix) return 0;
  const uint32_t at = lower_head(head_of(key.data() + prefix, key.size() - prefix), 0);
  return at == count() ? at - 1 : at;
}

uint32_t PageView::child_for(Bytes key, KeyTails& tails) const {
  const int order = against_prefix(key);
  if (order != 0) return order < 0 ? 0 : count() - 1;
  const Position at = search(key, 1, tails);
  return at.found ? at.index : at.index - 1;
}

// ---- making and changing -------------------------------------------------------------------------------------------

size_t entry_size(const Entry& entry, bool leaf, size_t prefix_bytes) noexcept {
  const size_t suffix = entry.key.size() >= prefix_bytes ? entry.key.size() - prefix_bytes : 0;
  if (!leaf) return 18 + 2 + rest_bytes(suffix) + (entry.is_external ? sizeof(ExternalRef) : 0);
  return 6 + 4 + rest_bytes(suffix) + (entry.is_external ? sizeof(ExternalRef) : entry.value.size());
}

namespace {

// Keys are sorted, so the first and the last say what all have in common. Entry 0 of a branch has no key.
size_t common_prefix(std::span<const Entry> entries, bool leaf) noexcept {
  const size_t first = leaf ? 0 : 1;
  if (entries.size() <= first) return 0;
  const Bytes a = entries[first].key;
  const Bytes b = entries.back().key;
  // One key alone would be all prefix, and the next one could not join it.
  const size_t most = entries.size() == first + 1 ? a.size() - std::min<size_t>(a.size(), 4) : std::min(a.size(), b.size());
  size_t common = 0;
  while (common < most && a[common] == b[common]) ++common;
  return common;
}

Entry without_key(const Entry& entry) noexcept {
  Entry out = entry;
  out.key = {};
  out.is_external = false;
  return out;
}

}  // namespace

size_t pack_size(std::span<const Entry> entries, bool leaf) noexcept {
  const size_t prefix = common_prefix(entries, leaf);
  size_t size = sizeof(PageHeader) + prefix;
  for (size_t i = 0; i < entries.size(); ++i)
    size += entry_size(!leaf && i == 0 ? without_key(entries[0]) : entries[i], leaf, prefix);
  return size;
}

namespace {

void write_cell(char* at, const Entry& entry, Bytes suffix, bool leaf) {
  const size_t rest = rest_bytes(suffix.size());
  const auto bytes = static_cast<uint16_t>(suffix.size());
  if (leaf) {
    write_at(at, bytes);
    write_at(at + 2, entry.is_external ? kExternalValue : static_cast<uint16_t>(entry.value.size()));
  } else {
    write_at(at, static_cast<uint16_t>(bytes | (entry.is_external ? kExternalKey : 0)));
  }
  at += cell_header(leaf);
  if (rest != 0) std::memcpy(at, suffix.data() + 4, rest);
  at += rest;
  if (entry.is_external)
    write_at(at, entry.external);
  else if (leaf && !entry.value.empty())
    std::memcpy(at, entry.value.data(), entry.value.size());
}

}  // namespace

void pack(char* page, std::span<const Entry> entries, int level, PageId id, uint64_t version, uint16_t flags) {
  const bool leaf = level == 0;
  const size_t prefix = common_prefix(entries, leaf);
  std::memset(page, 0, kPageBytes);
  PageHeader& h = header_of(page);
  h.kind = static_cast<uint8_t>(leaf ? PageKind::leaf : PageKind::branch);
  h.level = static_cast<uint8_t>(level);
  h.count = static_cast<uint16_t>(entries.size());
  h.version = version;
  h.prefix_bytes = static_cast<uint16_t>(prefix);
  h.flags = flags;
  h.id = id;
  if (prefix != 0) std::memcpy(page + kPageBytes - prefix, entries.back().key.data(), prefix);
  const Arrays arrays{page, leaf, entries.size()};
  size_t heap = kPageBytes - prefix;
  // In the order of the keys, so that a scan reads upwards.
  for (size_t back = entries.size(); back > 0; --back) {
    const size_t i = back - 1;
    const Entry entry = !leaf && i == 0 ? without_key(entries[0]) : entries[i];
    const Bytes suffix = entry.key.size() >= prefix ? entry.key.substr(prefix) : Bytes();
    heap -= entry_size(entry, leaf, prefix) - (leaf ? 6 : 18);
    write_cell(page + heap, entry, suffix, leaf);
    write_at(arrays.heads() + 4 * i, head_of(suffix.data(), suffix.size()));
    write_at(arrays.offsets() + 2 * i, static_cast<uint16_t>(heap));
    if (!leaf) {
      write_at(arrays.children() + 4 * i, entry.child);
      write_at(arrays.sums() + 8 * i, entry.child_sum);
    }
    if (entry.is_external) h.flags |= kHasExternal;
  }
  h.heap_begin = static_cast<uint16_t>(heap);
}

namespace {

// Moves the cells together.
void compact(char* page) {
  PageHeader& h = header_of(page);
  const bool leaf = h.level == 0;
  const Arrays arrays{page, leaf, h.count};
  alignas(8) char copy[kPageBytes];
  std::memcpy(copy, page, kPageBytes);
  const PageView old(copy);
  size_t heap = kPageBytes - h.prefix_bytes;
  for (uint32_t back = h.count; back > 0; --back) {
    const uint32_t i = back - 1;
    const size_t bytes = old.cell_bytes(i);
    heap -= bytes;
    std::memcpy(page + heap, old.cell(i), bytes);
    write_at(arrays.offsets() + 2 * size_t{i}, static_cast<uint16_t>(heap));
  }
  h.heap_begin = static_cast<uint16_t>(heap);
  h.dead_bytes = 0;
}

}  // namespace

bool insert_at(char* page, uint32_t index, const Entry& entry) {
  PageHeader& h = header_of(page);
  const bool leaf = h.level == 0;
  const size_t fixed = leaf ? 6 : 18;
  const Bytes prefix = PageView(page).prefix();
  if (entry.key.substr(0, prefix.size()) != prefix) return false;
  const size_t cell = entry_size(entry, leaf, prefix.size()) - fixed;
  const size_t arrays_end = sizeof(PageHeader) + fixed * h.count + ((h.flags & kLeavesRoom) != 0 ? kSealBytes : 0);
  if (arrays_end + fixed + cell > h.heap_begin) {
    if (arrays_end + fixed + cell > size_t{h.heap_begin} + h.dead_bytes) return false;
    compact(page);
  }
  h.heap_begin = static_cast<uint16_t>(h.heap_begin - cell);
  const Bytes suffix = entry.key.substr(prefix.size());
  write_cell(page + h.heap_begin, entry, suffix, leaf);

  const Arrays from{page, leaf, h.count};
  const Arrays to{page, leaf, size_t{h.count} + 1};
  const size_t after = h.count - index;
  // From the end, since every array moves up.
  move_bytes(to.offsets() + 2 * (index + 1), from.offsets() + 2 * index, 2 * after);
  move_bytes(to.offsets(), from.offsets(), 2 * size_t{index});
  write_at(to.offsets() + 2 * size_t{index}, h.heap_begin);
  if (!leaf) {
    move_bytes(to.sums() + 8 * (index + 1), from.sums() + 8 * index, 8 * after);
    move_bytes(to.sums(), from.sums(), 8 * size_t{index});
    move_bytes(to.children() + 4 * (index + 1), from.children() + 4 * index, 4 * after);
    move_bytes(to.children(), from.children(), 4 * size_t{index});
    write_at(to.sums() + 8 * size_t{index}, entry.child_sum);
    write_at(to.children() + 4 * size_t{index}, entry.child);
  }
  move_bytes(to.heads() + 4 * (index + 1), from.heads() + 4 * index, 4 * after);
  write_at(to.heads() + 4 * size_t{index}, head_of(suffix.data(), suffix.size()));
  ++h.count;
  if (entry.is_external) h.flags |= kHasExternal;
  return true;
}

void erase_at(char* page, uint32_t index) {
  PageHeader& h = header_of(page);
  const bool leaf = h.level == 0;
  h.dead_bytes = static_cast<uint16_t>(h.dead_bytes + PageView(page).cell_bytes(index));
  const Arrays from{page, leaf, h.count};
  const Arrays to{page, leaf, size_t{h.count} - 1};
  const size_t after = size_t{h.count} - 1 - index;
  // From the beginning, since every array moves down.
  move_bytes(to.heads() + 4 * size_t{index}, from.heads() + 4 * (size_t{index} + 1), 4 * after);
  if (!leaf) {
    move_bytes(to.children(), from.children(), 4 * size_t{index});
    move_bytes(to.children() + 4 * size_t{index}, from.children() + 4 * (size_t{index} + 1), 4 * after);
    move_bytes(to.sums(), from.sums(), 8 * size_t{index});
    move_bytes(to.sums() + 8 * size_t{index}, from.sums() + 8 * (size_t{index} + 1), 8 * after);
  }
  move_bytes(to.offsets(), from.offsets(), 2 * size_t{index});
  move_bytes(to.offsets() + 2 * size_t{index}, from.offsets() + 2 * (size_t{index} + 1), 2 * after);
  --h.count;
}

void set_child(char* page, uint32_t index, PageId child, uint64_t sum) noexcept {
  const Arrays arrays{page, false, header_of(page).count};
  write_at(arrays.children() + 4 * size_t{index}, child);
  write_at(arrays.sums() + 8 * size_t{index}, sum);
}

const char* check_page(const char* page, PageId id, uint64_t pages_max) noexcept {
  const PageHeader& h = header_of(page);
  if (h.id != id) return "it says to be another page";
  if (h.kind != static_cast<uint8_t>(PageKind::leaf) && h.kind != static_cast<uint8_t>(PageKind::branch))
    return "it is neither leaf nor branch";
  const bool leaf = h.kind == static_cast<uint8_t>(PageKind::leaf);
  if (leaf != (h.level == 0) || h.level > kLevelsMax) return "its level does not fit its kind";
  if (h.count == 0) return "it has no entries";
  const PageView view(page);
  const size_t arrays_end = sizeof(PageHeader) + view.entry_bytes() * h.count;
  if (h.prefix_bytes > kInlineKeyBytes || h.heap_begin > kPageBytes - h.prefix_bytes || arrays_end > h.heap_begin)
    return "its parts overlap";
  if (h.dead_bytes > kPageBytes - h.heap_begin) return "it has more dead bytes than cells";
  for (uint32_t i = 0; i < h.count; ++i) {
    const char* cell = view.cell(i);
    if (cell < page + h.heap_begin || cell + cell_header(leaf) > page + kPageBytes - h.prefix_bytes)
      return "a cell lies outside of the cells";
    if (view.suffix_bytes(i) + h.prefix_bytes > kInlineKeyBytes) return "a key is too long";
    if (cell + view.cell_bytes(i) > page + kPageBytes - h.prefix_bytes) return "a cell is too long";
    if (!leaf && (view.child(i) < 2 || view.child(i) >= pages_max)) return "a child lies outside of the file";
    ExternalRef ref;
    if (view.external(i, ref) && (ref.page >= pages_max || ref.page < 2 || ref.bytes == 0 || ref.bytes > (uint64_t{1} << 40) || ref.key_bytes > ref.bytes))
      return "a reference to bytes outside of the page is wrong";
  }
  return nullptr;
}

Bytes separator(Bytes left, Bytes right) noexcept {
  size_t common = 0;
  while (common < left.size() && common < right.size() && left[common] == right[common]) ++common;
  return right.substr(0, std::min(common + 1, right.size()));
}

}  // namespace orbit::cow_btree
