// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "txn.hpp"

#include <algorithm>

namespace orbit::cow_btree {

// ---- pages ---------------------------------------------------------------------------------------------------------

bool Txn::own(PageId id) const noexcept { return cache_.created_for(id, version_); }

PageId Txn::new_page() {
  const PageId id = space_.allocate();
  try {
    cache_.create(id, version_);
  } catch (...) {
    space_.give_back(id);
    throw;
  }
  lists_.made.push_back({id, 1, version_});
  return id;
}

PageId Txn::copy(PageId id, uint64_t sum) {
  if (own(id)) return id;
  const Pinned old = cache_.pin(id, sum);
  const PageId made = new_page();
  char* page = cache_.writable(made);
  std::memcpy(page, old.page(), kPageBytes);
  PageHeader& header = header_of(page);
  free_page(id, header.version);
  cache_.cool(id);
  header.id = made;
  header.version = version_;
  return made;
}

void Txn::free_page(PageId id, uint64_t version) { lists_.freed.push_back({id, 1, version}); }
void Txn::free_run(const ExternalRef& ref) { lists_.freed.push_back({ref.page, ref.pages(), ref.version}); }

void Txn::committed_at(uint64_t time) {
  for (const Run& run : lists_.freed) space_.free_later(run.page, run.count, version_, time, run.version <= committed_);
  lists_.made.clear();
  lists_.freed.clear();
}

void Txn::roll_back() {
  for (const Run& run : lists_.made) {
    for (uint32_t i = 0; i < run.count; ++i) {
      const PageId id = run.page + i;
      cache_.forget({&id, 1});
    }
    space_.give_back(run.page, run.count);
  }
  lists_.made.clear();
  lists_.freed.clear();
}

// ---- going down ----------------------------------------------------------------------------------------------------

Txn::Path Txn::descend(Bytes key) {
  Path path;
  path.levels = root_.levels;
  root_.page = copy(root_.page, 0);
  PageId id = root_.page;
  for (uint32_t level = root_.levels - 1;; --level) {
    char* page = cache_.writable(id);
    if (header_of(page).level != level)
      raise(Code::data_loss, "page " + std::to_string(id) + " of " + cache_.path() + " is of the wrong level");
    path.steps[level] = {id, 0};
    if (level == 0) return path;
    const PageView view(page);
    const uint32_t index = view.child_for(key, cache_);
    path.steps[level].index = index;
    path.rightmost = path.rightmost && index == view.count() - 1;
    const PageId child = view.child(index);
    cache_.prefetch(child);
    id = copy(child, view.child_sum(index));
    if (id != child) set_child(page, index, id, 0);
  }
}

void Txn::expect(Bytes key) noexcept {
  if (root_.page == 0 || key.size() > kInlineKeyBytes) return;
  PageId id = root_.page;
  for (uint32_t level = root_.levels - 1; level > 0; --level) {
    const std::optional<Pinned> page = cache_.pin_resident(id);
    if (!page || header_of(page->page()).level != level) return;
    const PageView view(page->page());
    id = view.child(view.child_for(key, cache_));
  }
  cache_.prefetch_whole(id);
}

bool Txn::contains(Bytes key) {
  if (root_.page == 0) return false;
  PageId id = root_.page;
  uint64_t sum = 0;
  for (uint32_t level = root_.levels - 1;; --level) {
    const Pinned page = cache_.pin(id, sum);
    const PageView view(page.page());
    if (view.header().level != level)
      raise(Code::data_loss, "page " + std::to_string(id) + " of " + cache_.path() + " is of the wrong level");
    if (level == 0) return view.find(key, cache_).found;
    const uint32_t index = view.child_for(key, cache_);
    id = view.child(index);
    sum = view.child_sum(index);
  }
}

// ---- entries -------------------------------------------------------------------------------------------------------

char* Txn::Loose::space(size_t size) {
  constexpr size_t kChunk = 8 * kPageBytes;
  size = (size + 7) & ~size_t{7};
  if (size > room) {
    room = std::max(kChunk, size);
    bytes.emplace_back(new char[room]);
    free = bytes.back().get();
  }
  char* const out = free;
  free += size;
  room -= size;
  return out;
}

Bytes Txn::Loose::keep(Bytes data) {
  char* const out = space(data.size());
  if (!data.empty()) std::memcpy(out, data.data(), data.size());
  return {out, data.size()};
}

// The entry of a leaf; what does not fit a page is written to the file now.
Entry Txn::make_entry(Bytes key, Bytes value) {
  Entry entry;
  entry.key = key.substr(0, kInlineKeyBytes);
  entry.value = value;
  if (key.size() <= kInlineKeyBytes && entry_size(entry, true, 0) <= kCellBytesMax) return entry;
  const Bytes tail = key.substr(entry.key.size());
  std::string bytes(tail);
  bytes.append(value);
  if (bytes.empty()) bytes.push_back('\0');  // cannot be: a cell is large because of its value or its key's tail
  ExternalRef ref{};
  Seals* const seals = cache_.seals();
  ref.bytes = bytes.size() + (seals != nullptr ? kSealBytes : 0);
  ref.version = version_;
  ref.key_bytes = static_cast<uint32_t>(tail.size());
  ref.page = space_.allocate(ref.pages());
  lists_.made.push_back({ref.page, ref.pages(), version_});
  if (seals != nullptr) bytes = seals->seal_run(bytes, ref.page, version_);
  ref.sum = run_sum(bytes, ref.page, version_);
  must(file_.write(uint64_t{ref.page} * kPageBytes, Bytes(bytes)));
  lists_.runs.push_back(ref);
  entry.is_external = true;
  entry.external = ref;
  entry.value = {};
  return entry;
}

// Appends the page's entries, its separator (of a branch) in place of the key that entry 0 does not have.
void Txn::take_apart(PageId id, const Entry* separator, Loose& out) {
  const Bytes page = out.keep({cache_.writable(id), kPageBytes});
  const PageView view(page.data());
  const Bytes prefix = view.prefix();
  out.entries.reserve(out.entries.size() + view.count() + 1);
  for (uint32_t i = 0; i < view.count(); ++i) {
    Entry entry;
    char* const key = out.space(prefix.size() + view.suffix_bytes(i) + 4);  // a head is written whole
    if (!prefix.empty()) std::memcpy(key, prefix.data(), prefix.size());
    entry.key = {key, view.key_after_prefix(i, key)};
    entry.is_external = view.external(i, entry.external);
    if (view.is_leaf()) {
      entry.value = view.value(i);
    } else {
      if (i == 0) {
        entry.key = separator == nullptr ? Bytes() : separator->key;
        entry.is_external = separator != nullptr && separator->is_external;
        if (entry.is_external) entry.external = separator->external;
      }
      entry.child = view.child(i);
      entry.child_sum = view.child_sum(i);
    }
    out.entries.push_back(entry);
  }
}

std::string Txn::whole_key(const Entry& entry) {
  std::string out(entry.key);
  if (entry.is_external && entry.external.key_bytes != 0) out += cache_.key_tail(entry.external);
  return out;
}

// What the parent says of a leaf that begins with `right` and follows `left`.
Entry Txn::make_separator(Entry& left, Entry& right, Loose& loose) {
  Entry out;
  const Bytes inline_part = separator(left.key, right.key);
  if (left.key != right.key && inline_part.size() <= kInlineKeyBytes) {
    out.key = loose.keep(inline_part);
    return out;
  }
  const std::string whole = whole_key(right);
  const std::string shortest(separator(whole_key(left), whole));
  out.key = loose.keep(Bytes(shortest).substr(0, kInlineKeyBytes));
  if (shortest.size() > kInlineKeyBytes) {
    // As a leaf's entry with an empty value, so that its tail is stored the same way.
    const Entry stored = make_entry(shortest, {});
    out.is_external = true;
    out.external = stored.external;
  }
  return out;
}

// ---- putting -------------------------------------------------------------------------------------------------------

void Txn::put(Bytes key, Bytes value) {
  if (key.size() > kKeyBytesMax)
    raise(Code::invalid_argument, "a key has " + std::to_string(key.size()) + " bytes, at most " + std::to_string(kKeyBytesMax) + " are possible");
  const Entry entry = make_entry(key, value);
  if (root_.page == 0) {
    const PageId id = new_page();
    pack(cache_.writable(id), {&entry, 1}, 0, id, version_, page_flags());
    root_ = {id, 1};
    return;
  }
  Path path = descend(key);
  char* leaf = cache_.writable(path.steps[0].id);
  const Position at = PageView(leaf).find(key, cache_);
  if (at.found) {
    ExternalRef old;
    if (PageView(leaf).external(at.index, old)) free_run(old);
    erase_at(leaf, at.index);
  }
  insert(path, 0, at.index, entry);
}

void Txn::insert(Path& path, uint32_t level, uint32_t index, const Entry& entry) {
  if (insert_at(cache_.writable(path.steps[level].id), index, entry)) {
    if (entry.is_external)
      for (uint32_t above = level + 1; above < path.levels; ++above) header_of(cache_.writable(path.steps[above].id)).flags |= kHasExternal;
    return;
  }
  split(path, level, index, entry);
}

namespace {

constexpr size_t kFullEnough = kPageBytes * 92 / 100;

}  // namespace

// Cuts the entries into `pages` parts of about the same size. False: one of them would not fit its page.
bool Txn::cut(const Loose& loose, bool leaf, size_t pages, std::vector<size_t>& cuts) const {
  cuts.clear();
  const std::span<const Entry> all = loose.entries;
  if (all.size() < pages) return false;
  size_t total = 0;
  for (const Entry& entry : all) total += entry_size(entry, leaf, 0);
  size_t done = 0;
  size_t begin = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    const size_t size = entry_size(all[i], leaf, 0);
    const size_t target = total * (cuts.size() + 1) / pages;
    if (cuts.size() + 1 < pages && i > begin && done + size / 2 > target) {
      cuts.push_back(i);
      begin = i;
    }
    done += size;
  }
  if (cuts.size() + 1 != pages) return false;
  cuts.push_back(all.size());
  begin = 0;
  for (const size_t end : cuts) {
    if (pack_size(all.subspan(begin, end - begin), leaf) > room()) return false;
    begin = end;
  }
  return true;
}

void Txn::cut_greedily(const Loose& loose, bool leaf, std::vector<size_t>& cuts) const {
  cuts.clear();
  const std::span<const Entry> all = loose.entries;
  size_t begin = 0;
  for (size_t end = 1; end <= all.size(); ++end) {
    if (end < all.size() && pack_size(all.subspan(begin, end + 1 - begin), leaf) <= room()) continue;
    cuts.push_back(end);
    begin = end;
  }
}

// The page at `level` has no room for the entry, or the entry does not share its prefix.
void Txn::split(Path& path, uint32_t level, uint32_t index, const Entry& entry) {
  const bool leaf = level == 0;
  const bool has_parent = level + 1 < path.levels;
  const PageId id = path.steps[level].id;
  const auto add = [&](Loose& loose, size_t at) { loose.entries.insert(loose.entries.begin() + static_cast<ptrdiff_t>(at), entry); };
  // The separators of this page and its neighbours, from the parent.
  const auto separator_of = [&](uint32_t child, Loose& loose) {
    Entry out;
    const PageView parent(cache_.writable(path.steps[level + 1].id));
    std::string key;
    if (child != 0) {
      parent.key(child, key);
      out.is_external = parent.external(child, out.external);
    }
    out.key = loose.keep(key);
    return out;
  };
  const uint32_t here = has_parent ? path.steps[level + 1].index : 0;
  std::vector<size_t> cuts;

  Loose alone;
  Entry mine;
  if (has_parent) mine = separator_of(here, alone);
  take_apart(id, &mine, alone);
  add(alone, index);
  // Another prefix may be all it takes.
  if (pack_size(alone.entries, leaf) <= room()) {
    cuts = {alone.entries.size()};
    return repack(path, level, here, here, alone, cuts);
  }
  // In ascending order: what is full stays full.
  if (path.rightmost && index + 1 == alone.entries.size()) {
    cuts = {alone.entries.size() - 1, alone.entries.size()};
    if (pack_size(std::span<const Entry>(alone.entries).first(cuts[0]), leaf) <= room()) return repack(path, level, here, here, alone, cuts);
  }
  if (has_parent) {
    const PageView parent(cache_.writable(path.steps[level + 1].id));
    const auto used = [&](uint32_t child) -> size_t {
      if (child >= parent.count()) return SIZE_MAX;
      return PageView(cache_.pin(parent.child(child), parent.child_sum(child)).page()).used_bytes();
    };
    const size_t left = here == 0 ? SIZE_MAX : used(here - 1);
    const size_t right = used(here + 1);
    if (left != SIZE_MAX || right != SIZE_MAX) {
      const uint32_t first = left <= right ? here - 1 : here;
      const uint32_t last = first + 1;
      const uint32_t other = first == here ? last : first;
      const PageId sibling = copy(parent.child(other), parent.child_sum(other));
      set_child(cache_.writable(path.steps[level + 1].id), other, sibling, 0);
      Loose both;
      size_t before = 0;
      for (const uint32_t child : {first, last}) {
        if (child == here) before = both.entries.size();
        const Entry sep = separator_of(child, both);
        take_apart(child == here ? id : sibling, &sep, both);
      }
      add(both, before + index);
      // Two pages when that leaves room for the next ones, three otherwise: about five sixths full on average.
      if (cut(both, leaf, 2, cuts)) {
        size_t begin = 0;
        size_t most = 0;
        for (const size_t end : cuts) {
          most = std::max(most, pack_size(std::span<const Entry>(both.entries).subspan(begin, end - begin), leaf));
          begin = end;
        }
        if (most <= kFullEnough) return repack(path, level, first, last, both, cuts);
      }
      if (!cut(both, leaf, 3, cuts)) cut_greedily(both, leaf, cuts);
      return repack(path, level, first, last, both, cuts);
    }
  }
  if (!cut(alone, leaf, 2, cuts)) cut_greedily(alone, leaf, cuts);
  repack(path, level, here, here, alone, cuts);
}

// Makes pages of the entries in place of the parent's children [first, last], all of them own pages.
void Txn::repack(Path& path, uint32_t level, uint32_t first, uint32_t last, Loose& loose, std::vector<size_t>& cuts) {
  const bool leaf = level == 0;
  const bool has_parent = level + 1 < path.levels;
  std::vector<PageId> reuse;
  uint16_t flags = 0;
  if (has_parent) {
    const PageView parent(cache_.writable(path.steps[level + 1].id));
    for (uint32_t i = first; i <= last; ++i) reuse.push_back(parent.child(i));
  } else {
    reuse.push_back(root_.page);
  }
  for (const PageId id : reuse) flags |= header_of(cache_.writable(id)).flags;

  std::vector<Entry> made;
  size_t begin = 0;
  for (size_t n = 0; n < cuts.size(); ++n) {
    const PageId id = n < reuse.size() ? reuse[n] : new_page();
    Entry out;
    if (n > 0)
      out = leaf ? make_separator(loose.entries[begin - 1], loose.entries[begin], loose) : loose.entries[begin];
    out.value = {};
    out.child = id;
    out.child_sum = 0;
    pack(cache_.writable(id), std::span<const Entry>(loose.entries).subspan(begin, cuts[n] - begin), static_cast<int>(level), id, version_, page_flags());
    // A branch cannot see whether there is something below.
    header_of(cache_.writable(id)).flags |= flags;
    for (size_t i = begin; i < cuts[n]; ++i)
      if (loose.entries[i].is_external) header_of(cache_.writable(id)).flags |= kHasExternal;
    flags |= header_of(cache_.writable(id)).flags;
    made.push_back(out);
    begin = cuts[n];
  }
  for (size_t n = cuts.size(); n < reuse.size(); ++n) free_page(reuse[n], version_);
  if (!has_parent) {
    if (made.size() == 1) return;
    const PageId id = new_page();
    if (root_.levels >= kLevelsMax) raise(Code::internal, "the tree has too many levels");
    pack(cache_.writable(id), made, static_cast<int>(level) + 1, id, version_, page_flags());
    header_of(cache_.writable(id)).flags |= flags;
    root_ = {id, root_.levels + 1};
    return;
  }
  for (uint32_t above = level + 1; above < path.levels; ++above) header_of(cache_.writable(path.steps[above].id)).flags |= flags;
  replace_children(path, level + 1, first, last, made);
}

// The children [first, last] become `made`; the separator of the first one stays.
void Txn::replace_children(Path& path, uint32_t level, uint32_t first, uint32_t last, std::vector<Entry>& made) {
  char* parent = cache_.writable(path.steps[level].id);
  set_child(parent, first, made[0].child, 0);
  // The old separators go; leaves get new ones, a branch's came along with its entries.
  for (uint32_t i = last; i > first; --i) {
    ExternalRef ref;
    if (level == 1 && PageView(parent).external(i, ref)) free_run(ref);
    erase_at(parent, i);
  }
  for (size_t n = 1; n < made.size(); ++n) {
    parent = cache_.writable(path.steps[level].id);
    if (insert_at(parent, first + static_cast<uint32_t>(n), made[n])) continue;
    // The rest in one go.
    if (n + 1 == made.size()) return split(path, level, first + static_cast<uint32_t>(n), made[n]);
    // Room for two: take the parent apart by hand, since a split moves what the path points to.
    const bool has_parent = level + 1 < path.levels;
    Loose loose;
    Entry sep;
    const uint32_t here = has_parent ? path.steps[level + 1].index : 0;
    if (has_parent && here != 0) {
      const PageView above(cache_.writable(path.steps[level + 1].id));
      std::string key;
      above.key(here, key);
      sep.key = loose.keep(key);
      sep.is_external = above.external(here, sep.external);
    }
    take_apart(path.steps[level].id, &sep, loose);
    loose.entries.insert(loose.entries.begin() + first + static_cast<ptrdiff_t>(n), made.begin() + static_cast<ptrdiff_t>(n), made.end());
    std::vector<size_t> cuts;
    if (!cut(loose, false, 2, cuts)) cut_greedily(loose, false, cuts);
    return repack(path, level, here, here, loose, cuts);
  }
}

// ---- erasing -------------------------------------------------------------------------------------------------------

void Txn::erase(Bytes key) {
  if (!contains(key)) return;
  Path path = descend(key);
  char* leaf = cache_.writable(path.steps[0].id);
  const Position at = PageView(leaf).find(key, cache_);
  ExternalRef old;
  if (PageView(leaf).external(at.index, old)) free_run(old);
  erase_at(leaf, at.index);
  shrink(path, 0);
}

// The page at `level` lost an entry: it goes when it is empty, and joins a neighbour when little is left.
void Txn::shrink(Path& path, uint32_t level) {
  const PageId id = path.steps[level].id;
  const PageView view(cache_.writable(id));
  const bool has_parent = level + 1 < path.levels;
  if (!has_parent) {
    if (view.count() == 0) {
      free_page(id, version_);
      root_ = {};
    } else {
      collapse_root();
    }
    return;
  }
  if (view.count() == 0) {
    free_page(id, version_);
    char* parent = cache_.writable(path.steps[level + 1].id);
    const uint32_t index = path.steps[level + 1].index;
    ExternalRef ref;
    if (PageView(parent).external(index, ref)) free_run(ref);
    erase_at(parent, index);
    // A new entry 0 keeps its key, which nobody reads; but the tail would be lost sight of.
    if (index == 0 && PageView(parent).count() != 0 && PageView(parent).external(0, ref)) {
      free_run(ref);
      Entry first;
      first.child = PageView(parent).child(0);
      first.child_sum = PageView(parent).child_sum(0);
      Loose loose;
      take_apart(path.steps[level + 1].id, &first, loose);
      const uint16_t flags = header_of(parent).flags;
      pack(parent, loose.entries, static_cast<int>(level) + 1, path.steps[level + 1].id, version_, page_flags());
      header_of(parent).flags |= flags;
    }
    return shrink(path, level + 1);
  }
  if (view.used_bytes() < kPageBytes / 3 && join(path, level, kPageBytes * 85 / 100)) shrink(path, level + 1);
}

// Joins the page with a neighbour when both fit into `at_most` bytes. False: they do not.
bool Txn::join(Path& path, uint32_t level, size_t at_most) {
  const PageView parent(cache_.writable(path.steps[level + 1].id));
  const uint32_t here = path.steps[level + 1].index;
  const PageId id = path.steps[level].id;
  const size_t mine = PageView(cache_.writable(id)).used_bytes();
  for (const uint32_t other : {here + 1, here - 1}) {
    if (other >= parent.count()) continue;
    if (mine + PageView(cache_.pin(parent.child(other), parent.child_sum(other)).page()).used_bytes() > at_most) continue;
    const uint32_t first = std::min(here, other);
    const PageId sibling = copy(parent.child(other), parent.child_sum(other));
    set_child(cache_.writable(path.steps[level + 1].id), other, sibling, 0);
    Loose both;
    for (const uint32_t child : {first, first + 1}) {
      Entry sep;
      std::string key;
      if (child != 0) {
        parent.key(child, key);
        sep.is_external = parent.external(child, sep.external);
      }
      sep.key = both.keep(key);
      take_apart(child == here ? id : sibling, &sep, both);
    }
    if (pack_size(both.entries, level == 0) > room()) continue;
    std::vector<size_t> cuts{both.entries.size()};
    path.steps[level + 1].index = first;
    repack(path, level, first, first + 1, both, cuts);
    return true;
  }
  return false;
}

void Txn::collapse_root() {
  while (root_.levels > 1) {
    const PageView view(cache_.writable(root_.page));
    if (view.count() != 1) return;
    const PageId child = view.child(0);
    const uint64_t sum = view.child_sum(0);
    free_page(root_.page, version_);
    // A copy, since only a page of this commit needs no parent that holds its checksum.
    root_ = {copy(child, sum), root_.levels - 1};
  }
}

void Txn::free_subtree(PageId id, uint64_t sum, uint32_t level) {
  const Pinned page = cache_.pin(id, sum);
  const PageView view(page.page());
  if (view.header().level != level)
    raise(Code::data_loss, "page " + std::to_string(id) + " of " + cache_.path() + " is of the wrong level");
  for (uint32_t i = 0; i < view.count(); ++i) {
    ExternalRef ref;
    if (view.external(i, ref)) free_run(ref);
    if (level == 0) continue;
    // Leaves need not be read when they refer to nothing; when they were made is then unknown, and the longer way is safe.
    if (level == 1 && (view.header().flags & kHasExternal) == 0 && !cache_.dirty(view.child(i)))
      free_page(view.child(i), 0);
    else
      free_subtree(view.child(i), view.child_sum(i), level - 1);
  }
  free_page(id, view.header().version);
}

PageId Txn::erase_below(PageId id, uint64_t sum, uint32_t level, Bytes from, Bytes to) {
  const PageId mine = copy(id, sum);
  char* page = cache_.writable(mine);
  if (header_of(page).level != level)
    raise(Code::data_loss, "page " + std::to_string(id) + " of " + cache_.path() + " is of the wrong level");
  if (level == 0) {
    const uint32_t low = PageView(page).find(from, cache_).index;
    const uint32_t high = to.empty() ? PageView(page).count() : PageView(page).find(to, cache_).index;
    for (uint32_t i = high; i > low; --i) {
      ExternalRef ref;
      if (PageView(page).external(i - 1, ref)) free_run(ref);
      erase_at(page, i - 1);
    }
  } else {
    const uint32_t low = PageView(page).child_for(from, cache_);
    const uint32_t high = to.empty() ? PageView(page).count() - 1 : PageView(page).child_for(to, cache_);
    const auto drop = [&](uint32_t i) {
      ExternalRef ref;
      if (PageView(page).external(i, ref)) free_run(ref);
      erase_at(page, i);
    };
    const auto into = [&](uint32_t i) {
      const PageId child = erase_below(PageView(page).child(i), PageView(page).child_sum(i), level - 1, from, to);
      if (child == 0)
        drop(i);
      else
        set_child(page, i, child, 0);
    };
    if (high > low) into(high);
    for (uint32_t i = high; i > low + 1; --i) {
      free_subtree(PageView(page).child(i - 1), PageView(page).child_sum(i - 1), level - 1);
      drop(i - 1);
    }
    into(low);
    ExternalRef ref;
    if (low == 0 && PageView(page).count() != 0 && PageView(page).external(0, ref)) {
      free_run(ref);
      Loose loose;
      const Entry none;
      take_apart(mine, &none, loose);
      const uint16_t flags = header_of(page).flags;
      pack(page, loose.entries, static_cast<int>(level), mine, version_, page_flags());
      header_of(page).flags |= flags;
    }
  }
  if (PageView(page).count() != 0) return mine;
  free_page(mine, version_);
  return 0;
}

bool Txn::any_between(Bytes from, Bytes to) {
  // The leaf of `from` nearly always tells; otherwise assume so, which only copies two paths.
  PageId id = root_.page;
  uint64_t sum = 0;
  for (uint32_t level = root_.levels - 1;; --level) {
    const Pinned page = cache_.pin(id, sum);
    const PageView view(page.page());
    if (view.header().level != level)
      raise(Code::data_loss, "page " + std::to_string(id) + " of " + cache_.path() + " is of the wrong level");
    if (level != 0) {
      const uint32_t index = view.child_for(from, cache_);
      id = view.child(index);
      sum = view.child_sum(index);
      continue;
    }
    const uint32_t low = view.find(from, cache_).index;
    return low == view.count() || to.empty() || view.find(to, cache_).index > low;
  }
}

void Txn::erase_range(Bytes from, Bytes to) {
  if (root_.page == 0 || (!to.empty() && from >= to) || !any_between(from, to)) return;
  const PageId left = erase_below(root_.page, 0, root_.levels - 1, from, to);
  if (left == 0) {
    root_ = {};
    return;
  }
  root_.page = left;
  collapse_root();
}

// ---- compaction ----------------------------------------------------------------------------------------------------

std::string Txn::relocate(Bytes from, PageId boundary, size_t pages_max) {
  if (root_.page == 0) return {};
  std::string key(from);
  for (size_t done = 0; done < pages_max; ++done) {
    // The leaf that holds `key`, and the key that the next leaf begins with.
    std::string next;
    bool has_next = false;
    bool high = false;
    bool runs = false;
    PageId id = root_.page;
    uint64_t sum = 0;
    for (uint32_t level = root_.levels - 1;; --level) {
      const Pinned page = cache_.pin(id, sum);
      const PageView view(page.page());
      high = high || id >= boundary;
      if (level == 0) {
        for (uint32_t i = 0; i < view.count(); ++i) {
          ExternalRef ref;
          if (view.external(i, ref) && uint64_t{ref.page} + ref.pages() > boundary) runs = true;
        }
        break;
      }
      const uint32_t index = view.child_for(key, cache_);
      if (index + 1 < view.count()) {
        next = tree_.full_key(view, index + 1);
        has_next = true;
      }
      id = view.child(index);
      sum = view.child_sum(index);
    }
    if (high || runs) {
      Path path = descend(key);
      char* leaf = cache_.writable(path.steps[0].id);
      for (uint32_t i = 0; runs && i < PageView(leaf).count(); ++i) {
        ExternalRef ref;
        if (!PageView(leaf).external(i, ref) || uint64_t{ref.page} + ref.pages() <= boundary) continue;
        const std::string whole = tree_.full_key(PageView(leaf), i);
        std::string bytes;
        cache_.read_external(ref, bytes);
        const Entry entry = make_entry(whole, Bytes(bytes).substr(ref.key_bytes));
        free_run(ref);
        erase_at(leaf, i);
        insert_at(leaf, i, entry);
      }
      if (path.levels > 1 && PageView(leaf).used_bytes() < kPageBytes / 2 && join(path, 0, kPageBytes * 95 / 100)) shrink(path, 1);
    }
    if (!has_next) return {};
    key = std::move(next);
  }
  return key;
}

}  // namespace orbit::cow_btree
