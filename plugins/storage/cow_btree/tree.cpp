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
  PageId id = root.page;
  uint64_t sum = 0;
  for (uint32_t level = root.levels - 1;; --level) {
    const char* page = checked(cache_.page(id, sum, reader), id, level);
    if (level == 0) return page;
    const PageView view(page);
    const uint32_t child = view.child_for(key, cache_);
    id = view.child(child);
    cache_.prefetch(id);
    sum = view.child_sum(child);
  }
}

bool Tree::get(Root root, Reader& reader, Bytes key, ValueSink value) {
  if (root.page == 0) return false;
  const PageView leaf(descend_to_leaf(root, reader, key));
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

void Tree::multi_get(Root root, Reader& reader, KeyList keys, VisitValue visit) {
  constexpr size_t kTogether = 24;
  struct Step {
    PageId id;
    uint64_t sum;
    Position at;
  };
  std::array<Step, kTogether> steps;
  for (size_t first = 0; first < keys.size(); first += kTogether) {
    const size_t count = std::min(kTogether, keys.size() - first);
    if (root.page == 0) {
      for (size_t i = 0; i < count; ++i) visit(first + i, false, {});
      continue;
    }
    for (size_t i = 0; i < count; ++i) steps[i] = {root.page, 0, {}};
    for (uint32_t level = root.levels - 1; level > 0; --level) {
      for (size_t i = 0; i < count; ++i) {
        Step& step = steps[i];
        const PageView view(checked(cache_.page(step.id, step.sum, reader), step.id, level));
        const uint32_t child = view.child_for(keys[first + i], cache_);
        step.id = view.child(child);
        step.sum = view.child_sum(child);
        cache_.prefetch(step.id);
      }
    }
    for (size_t i = 0; i < count; ++i) {
      Step& step = steps[i];
      const PageView leaf(checked(cache_.page(step.id, step.sum, reader), step.id, 0));
      step.at = leaf.find(keys[first + i], cache_);
      if (!step.at.found) continue;
      const char* cell = leaf.cell(step.at.index);
      __builtin_prefetch(cell);
      __builtin_prefetch(cell + 64);
    }
    for (size_t i = 0; i < count; ++i) {
      const Step& step = steps[i];
      if (!step.at.found) {
        visit(first + i, false, {});
        continue;
      }
      const PageView leaf(cache_.page(step.id, step.sum, reader));
      ExternalRef ref;
      if (leaf.external(step.at.index, ref)) {
        std::string bytes;
        cache_.read_external(ref, bytes);
        visit(first + i, true, Bytes(bytes).substr(ref.key_bytes));
      } else {
        visit(first + i, true, leaf.value(step.at.index));
      }
    }
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
  char key[kInlineKeyBytes + 8];
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
    // The next leaf begins to arrive while this one is visited.
    if (top > 0 && !last) {
      const PageView parent(path[1].page.page());
      const uint32_t next = reverse ? path[1].index - 1 : path[1].index + 1;
      if (next < parent.count()) cache_.prefetch(parent.child(next));
    }
    const Bytes prefix = leaf.prefix();
    std::memcpy(key, prefix.data(), prefix.size());
    for (uint32_t n = low; n < high; ++n) {
      const uint32_t i = reverse ? high - 1 - (n - low) : n;
      __builtin_prefetch(leaf.cell(reverse ? (i > 2 ? i - 3 : 0) : std::min(i + 3, leaf.count() - 1)));
      ExternalRef ref;
      bool more;
      if (leaf.external(i, ref)) [[unlikely]] {
        std::string bytes;
        cache_.read_external(ref, bytes);
        const std::string whole = std::string(key, leaf.key_after_prefix(i, key)) + bytes.substr(0, ref.key_bytes);
        more = visit(whole, Bytes(bytes).substr(ref.key_bytes));
      } else {
        more = visit({key, leaf.key_after_prefix(i, key)}, leaf.value(i));
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
