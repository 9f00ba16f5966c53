// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "tree.hpp"

#include <algorithm>
#include <array>

namespace orbit::cow_btree {

// Levels count down from the root, so that a file made to deceive cannot lead in a circle.
const char* Tree::checked(const char* page, PageId id, uint32_t level) const {
  if (header_of(page).level != level) [[unlikely]]
    raise(Code::data_loss, "page " + std::to_string(id) + " of " + cache_.path() + " is of level " +
                               std::to_string(header_of(page).level) + ", expected " + std::to_string(level));
  return page;
}

std::string Tree::full_key(const PageView& page, uint32_t index) {
  std::string out;
  page.key(index, out);
  ExternalRef ref;
  if (page.external(index, ref) && ref.key_bytes != 0) out += cache_.key_tail(ref);
  return out;
}

const char* Tree::descend_to_leaf(Root root, Reader& reader, Bytes key) {
  const char* page = checked(cache_.page(root.page, 0, reader), root.page, root.levels - 1);
  for (uint32_t level = root.levels - 1; level > 0; --level) {
    const PageView view(page);
    const uint32_t child = view.child_for(key, cache_);
    const PageId id = view.child(child);
    page = cache_.resident(id);
    if (page == nullptr) [[unlikely]]
      page = cache_.page(id, view.child_sum(child), reader);
    else
      cache_.prefetch(page);
    page = checked(page, id, level - 1);
  }
  return page;
}

bool Tree::get(Root root, Reader& reader, Bytes key, ValueSink value) {
  if (root.page == 0) return false;
  const PageView leaf(descend_to_leaf(root, reader, key));
  leaf.prefetch_cell(leaf.likely(key));
  const Position at = leaf.find(key, cache_);
  if (!at.found) return false;
  ExternalRef ref;
  if (leaf.external(at.index, ref)) {
    std::string bytes;
    cache_.read_external(ref, bytes);
    value.append(Bytes(bytes).substr(ref.key_bytes));
  } else {
    value.append(leaf.value(at.index));
  }
  return true;
}

CachedGet Tree::get_cached(Root root, Bytes key, ValueSink value) {
  struct Unknown {};
  // A comparison that needs the device is an answer too.
  class NoTails final : public KeyTails {
   public:
    std::string key_tail(const ExternalRef&) override { throw Unknown(); }
  } tails;
  if (root.page == 0) return CachedGet::absent;
  try {
    PageId id = root.page;
    for (uint32_t level = root.levels - 1;; --level) {
      const char* page = cache_.resident(id);
      if (page == nullptr) return CachedGet::unknown;
      const PageView view(checked(page, id, level));
      if (level != 0) {
        id = view.child(view.child_for(key, tails));
        continue;
      }
      const Position at = view.find(key, tails);
      if (!at.found) return CachedGet::absent;
      ExternalRef ref;
      if (view.external(at.index, ref)) return CachedGet::unknown;
      value.append(view.value(at.index));
      return CachedGet::found;
    }
  } catch (const Unknown&) {
    return CachedGet::unknown;
  }
}

void Tree::visit_found(const PageView& leaf, Bytes key, size_t index, VisitValue visit) {
  const Position at = leaf.find(key, cache_);
  if (!at.found) return visit(index, false, {});
  ExternalRef ref;
  if (!leaf.external(at.index, ref)) return visit(index, true, leaf.value(at.index));
  std::string bytes;
  cache_.read_external(ref, bytes);
  visit(index, true, Bytes(bytes).substr(ref.key_bytes));
}

void Tree::multi_get(Root root, Reader& reader, KeyList keys, VisitValue visit) {
  constexpr size_t kTogether = 32;
  std::array<PageId, kTogether> ids;
  std::array<const char*, kTogether> pages;
  for (size_t first = 0; first < keys.size(); first += kTogether) {
    const size_t count = std::min(kTogether, keys.size() - first);
    if (root.page == 0) {
      for (size_t i = 0; i < count; ++i) visit(first + i, false, {});
      continue;
    }
    for (size_t i = 0; i < count; ++i) __builtin_prefetch(keys[first + i].data());
    // Each step only touches what the one before has asked the memory for.
    pages.fill(checked(cache_.page(root.page, 0, reader), root.page, root.levels - 1));
    bool all = true;
    for (uint32_t level = root.levels - 1; level > 0 && all; --level) {
      for (size_t i = 0; i < count; ++i) {
        const PageView view(pages[i]);
        ids[i] = view.child(view.child_for(keys[first + i], cache_));
        pages[i] = cache_.resident(ids[i]);
        if (pages[i] == nullptr)
          all = false;
        else
          cache_.prefetch(pages[i]);
        if (!all) break;
      }
      for (size_t i = 0; i < count && all; ++i) checked(pages[i], ids[i], level - 1);
    }
    if (!all) {
      // To read a page is to let go of the others: one by one.
      for (size_t i = 0; i < count; ++i) visit_found(PageView(descend_to_leaf(root, reader, keys[first + i])), keys[first + i], first + i, visit);
      continue;
    }
    for (size_t i = 0; i < count; ++i) {
      const PageView leaf(pages[i]);
      leaf.prefetch_cell(leaf.likely(keys[first + i]));
    }
    for (size_t i = 0; i < count; ++i) visit_found(PageView(pages[i]), keys[first + i], first + i, visit);
  }
}

void Tree::scan(Root root, Reader& reader, Bytes from, Bytes to, bool reverse, VisitEntry visit) {
  reader.relax();
  if (root.page == 0 || (!to.empty() && from >= to)) return;
  struct Level {
    Pinned page;
    uint32_t index;
  };
  std::array<Level, kLevelsMax + 1> path;  // [0]: the leaf
  const uint32_t top = root.levels - 1;
  // Pins the pages from `level` down to the leaf, by key, or by the first or last child.
  const auto open = [&](uint32_t level, PageId id, uint64_t sum, const Bytes* key) {
    for (;; --level) {
      path[level].page = cache_.pin(id, sum);
      const PageView view(checked(path[level].page.page(), id, level));
      if (level == 0) return;
      uint32_t child = reverse ? view.count() - 1 : 0;
      if (key != nullptr) child = view.child_for(*key, cache_);
      path[level].index = child;
      id = view.child(child);
      sum = view.child_sum(child);
    }
  };
  const Bytes begin = reverse ? to : from;
  const bool by_key = !(reverse && to.empty());
  open(top, root.page, 0, by_key ? &begin : nullptr);
  bool at_begin = by_key;
  char key[kInlineKeyBytes + LeafCells::kRoom];
  for (;;) {
    const PageView leaf(path[0].page.page());
    // The entries of this leaf: [low, high).
    uint32_t low = 0;
    uint32_t high = leaf.count();
    if (at_begin) (reverse ? high : low) = leaf.find(begin, cache_).index;
    at_begin = false;
    bool last = false;
    const Bytes stop = reverse ? from : to;
    if (!stop.empty()) {
      const uint32_t at = leaf.find(stop, cache_).index;
      if (reverse && at > 0) {
        low = at;
        last = true;
      } else if (!reverse && at < leaf.count()) {
        high = at;
        last = true;
      }
    }
    // The next leaf arrives bit by bit while this one is visited.
    const char* next_leaf = nullptr;
    if (top > 0 && !last) {
      const PageView parent(path[1].page.page());
      const uint32_t next = reverse ? path[1].index - 1 : path[1].index + 1;
      if (next < parent.count()) next_leaf = cache_.peek(parent.child(next));
    }
    const size_t step = next_leaf == nullptr || high <= low ? 0 : kPageBytes / (high - low) + 64;
    size_t fetched = 0;
    LeafCells cells(leaf);
    const Bytes prefix = leaf.prefix();
    std::memcpy(key, prefix.data(), prefix.size());
    for (uint32_t n = low; n < high; ++n) {
      const uint32_t i = reverse ? high - 1 - (n - low) : n;
      for (const size_t until = std::min(fetched + step, kPageBytes); fetched < until; fetched += 64) __builtin_prefetch(next_leaf + fetched);
      bool more;
      if (cells.external(i)) [[unlikely]] {
        ExternalRef ref;
        leaf.external(i, ref);
        std::string bytes;
        cache_.read_external(ref, bytes);
        const std::string whole = std::string(key, leaf.key_after_prefix(i, key)) + bytes.substr(0, ref.key_bytes);
        more = visit(whole, Bytes(bytes).substr(ref.key_bytes));
      } else {
        Bytes value;
        const size_t size = cells.read(i, key, value);
        more = visit({key, size}, value);
      }
      if (!more) return;
    }
    if (last) return;
    // On to the next leaf: up to where there is another child, and down again.
    uint32_t level = 1;
    while (level <= top) {
      const uint32_t next = reverse ? path[level].index - 1 : path[level].index + 1;
      if (next < PageView(path[level].page.page()).count()) {
        path[level].index = next;
        break;
      }
      ++level;
    }
    if (level > top) return;
    const PageView parent(path[level].page.page());
    const PageId id = parent.child(path[level].index);
    const uint64_t sum = parent.child_sum(path[level].index);
    if (level == 1)
      for (uint32_t ahead = 2; ahead <= 4; ++ahead) {
        const uint32_t next = reverse ? path[1].index - ahead : path[1].index + ahead;
        if (next < parent.count()) cache_.will_need(parent.child(next));
      }
    open(level - 1, id, sum, nullptr);
  }
}

}  // namespace orbit::cow_btree
