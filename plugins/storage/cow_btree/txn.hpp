// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Changing the tree: a transaction copies each page it touches once and changes the copy; nobody sees anything of it before its
// root is published. Belongs to the writer.
#pragma once

#include <array>
#include <orbit/storage.hpp>
#include <vector>

#include "cache.hpp"
#include "space.hpp"
#include "tree.hpp"

namespace orbit::cow_btree {

class Txn {
 public:
  struct Run {
    PageId page;
    uint32_t count;
    uint64_t version;
  };
  // What a transaction did to the file. Their memory serves one transaction after the other.
  struct Lists {
    std::vector<Run> made;
    std::vector<Run> freed;
    std::vector<ExternalRef> runs;  // bytes that were written outside of pages
  };

  // `lists` is the transaction's until it ends; `committed`: versions up to this one may be in a commit slot.
  Txn(File& file, Cache& cache, Space& space, Lists& lists, Root root, uint64_t version, uint64_t committed)
      : file_(file), cache_(cache), space_(space), lists_(lists), tree_(cache), root_(root), version_(version), committed_(committed) {
    empty(lists_.made);
    empty(lists_.freed);
    empty(lists_.runs);
  }

  void put(Bytes key, Bytes value);
  // Asks memory for the leaf that `key` belongs to, which is about to be changed.
  void expect(Bytes key) noexcept;
  void erase(Bytes key);
  void erase_range(Bytes from, Bytes to);  // an empty `to`: to the end
  // Moves pages from `boundary` on to free places before it and joins pages that fit into one, beginning with the leaf that
  // holds `from`; stops after `pages_max` pages. The key to go on from; empty at the end.
  std::string relocate(Bytes from, PageId boundary, size_t pages_max);

  Root root() const noexcept { return root_; }
  uint64_t version() const noexcept { return version_; }
  // Bytes that were written outside of pages.
  const std::vector<ExternalRef>& runs() const noexcept { return lists_.runs; }
  bool changed() const noexcept { return !lists_.made.empty() || !lists_.freed.empty(); }
  // Either one ends the transaction. `time`: when its root became visible.
  void committed_at(uint64_t time);
  void roll_back();

 private:
  struct Step {
    PageId id;
    uint32_t index;  // of the child that the path goes through
  };
  // The pages from the root to a leaf, all of them the transaction's own.
  struct Path {
    std::array<Step, kLevelsMax + 1> steps;  // [level]
    uint32_t levels = 0;
    bool rightmost = true;
  };
  // Entries taken out of pages, to be packed again: `bytes` keeps what they point to.
  struct Loose {
    std::vector<Entry> entries;
    std::vector<std::unique_ptr<char[]>> bytes;
    char* free = nullptr;
    size_t room = 0;
    char* space(size_t size);
    Bytes keep(Bytes data);
  };

  template <class T>
  static void empty(std::vector<T>& list) noexcept {
    constexpr size_t kKept = 4096;  // a large batch does not keep its memory
    if (list.capacity() > kKept)
      list = {};
    else
      list.clear();
  }
  bool own(PageId id) const noexcept;
  PageId new_page();
  PageId copy(PageId id, uint64_t sum);
  Path descend(Bytes key);
  bool contains(Bytes key);
  bool any_between(Bytes from, Bytes to);
  void take_apart(PageId id, const Entry* separator, Loose& out);
  Entry make_entry(Bytes key, Bytes value);
  Entry make_separator(Entry& left, Entry& right, Loose& loose);
  std::string whole_key(const Entry& entry);
  void insert(Path& path, uint32_t level, uint32_t index, const Entry& entry);
  void split(Path& path, uint32_t level, uint32_t index, const Entry& entry);
  void repack(Path& path, uint32_t level, uint32_t first, uint32_t last, Loose& loose, std::vector<size_t>& cuts);
  bool cut(const Loose& loose, bool leaf, size_t pages, std::vector<size_t>& cuts) const;
  void cut_greedily(const Loose& loose, bool leaf, std::vector<size_t>& cuts) const;
  // What a page may hold, and says about that.
  size_t room() const noexcept { return kPageBytes - (cache_.seals() != nullptr ? kSealBytes : 0); }
  uint16_t page_flags() const noexcept { return cache_.seals() != nullptr ? kLeavesRoom : uint16_t{0}; }
  void replace_children(Path& path, uint32_t level, uint32_t first, uint32_t last, std::vector<Entry>& made);
  void shrink(Path& path, uint32_t level);
  bool join(Path& path, uint32_t level, size_t at_most);
  void collapse_root();
  void free_page(PageId id, uint64_t version);
  void free_run(const ExternalRef& ref);
  void free_subtree(PageId id, uint64_t sum, uint32_t level);
  // The child's new id; 0: it is empty now.
  PageId erase_below(PageId id, uint64_t sum, uint32_t level, Bytes from, Bytes to);

  File& file_;
  Cache& cache_;
  Space& space_;
  Lists& lists_;
  Tree tree_;
  Root root_;
  const uint64_t version_;
  const uint64_t committed_;
};

}  // namespace orbit::cow_btree
