// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Reading the tree: one key, many keys, a range. A root never changes, so everything below it is a consistent state.
#pragma once

#include <orbit/storage.hpp>

#include "cache.hpp"

namespace orbit::cow_btree {

class Tree {
 public:
  explicit Tree(Cache& cache) noexcept : cache_(cache) {}

  bool get(Root root, Reader& reader, Bytes key, ValueSink value);
  CachedGet get_cached(Root root, Bytes key, ValueSink value);
  // Prefetches: many keys go down the tree side by side.
  void multi_get(Root root, Reader& reader, KeyList keys, VisitValue visit);
  // The reader is relaxed during visits, so that neither the visitor's time nor its own calls hold up anything but the reuse of
  // pages in the file.
  void scan(Root root, Reader& reader, Bytes from, Bytes to, bool reverse, VisitEntry visit);

  // The full key of an entry.
  std::string full_key(const PageView& page, uint32_t index);

 private:
  const char* descend_to_leaf(Root root, Reader& reader, Bytes key);
  void visit_found(const PageView& leaf, Bytes key, size_t index, VisitValue visit);
  const char* checked(const char* page, PageId id, uint32_t level) const;

  Cache& cache_;
};

}  // namespace orbit::cow_btree
