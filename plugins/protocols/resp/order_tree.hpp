// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The order of a sorted set: a B+ tree of (score, element number) with counts, so that ranks are found in O(log n).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace orbit::resp {

struct OrderItem {
  double score;
  uint32_t id;
};

// Items with equal scores are ordered by the bytes of their names, which the tree does not hold: NameOf is
// `std::string_view name_of(const void* owner, uint32_t id)`.
class OrderTree {
 public:
  using NameOf = std::string_view (*)(const void* owner, uint32_t id);

  struct Leaf {
    Leaf* previous;
    Leaf* next;
    uint16_t count;
    uint16_t capacity;
    OrderItem items[1];  // capacity many
  };
  // A place of an item; changes make it invalid.
  struct Place {
    const Leaf* leaf = nullptr;
    uint32_t index = 0;

    bool valid() const noexcept { return leaf != nullptr; }
    const OrderItem& item() const noexcept { return leaf->items[index]; }
    void forward() noexcept {
      if (++index >= leaf->count) *this = {leaf->next, 0};
    }
    void backward() noexcept {
      if (index-- == 0) {
        leaf = leaf->previous;
        index = leaf == nullptr ? 0 : leaf->count - 1u;
      }
    }
  };

  explicit OrderTree(NameOf name_of) noexcept : name_of_(name_of) {}
  OrderTree(const OrderTree&) = delete;
  OrderTree& operator=(const OrderTree&) = delete;
  ~OrderTree();

  size_t size() const noexcept { return size_; }
  size_t heap_bytes() const noexcept { return heap_bytes_; }
  void insert(const void* owner, OrderItem item);
  // The item must be there.
  void erase(const void* owner, OrderItem item);
  // How many items come before this one.
  size_t rank(const void* owner, OrderItem item) const;
  // rank < size().
  Place at(size_t rank) const noexcept;
  // How many items from the first on satisfy `before`, which must hold for a beginning of the order and nothing else.
  template <class Before>
  size_t count_while(Before&& before) const {
    const Node* node = root_;
    size_t passed = 0;
    for (unsigned level = height_; level != 0; --level) {
      const auto* inner = static_cast<const Inner*>(node);
      // The last child whose least item satisfies it; those before it do so wholly.
      unsigned low = 0;
      unsigned high = inner->count;
      while (high - low > 1) {
        const unsigned middle = (low + high) / 2;
        (before(inner->children[middle].least) ? low : high) = middle;
      }
      for (unsigned i = 0; i < low; ++i) passed += inner->children[i].weight;
      node = inner->children[low].node;
    }
    const auto* leaf = static_cast<const Leaf*>(node);
    if (leaf == nullptr) return 0;
    unsigned low = 0;
    unsigned high = leaf->count;
    while (low < high) {
      const unsigned middle = (low + high) / 2;
      if (before(leaf->items[middle])) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return passed + low;
  }

 private:
  using Node = void;
  static constexpr unsigned kLeafItemsMax = 64;
  static constexpr unsigned kChildrenMax = 32;

  struct Child {
    OrderItem least;
    size_t weight;
    Node* node;
  };
  struct Inner {
    uint32_t count;
    Child children[kChildrenMax + 1];  // one more while it is split
  };

  bool less(const void* owner, const OrderItem& a, const OrderItem& b) const {
    if (a.score != b.score) return a.score < b.score;
    return a.id != b.id && name_of_(owner, a.id) < name_of_(owner, b.id);
  }
  unsigned child_for(const void* owner, const Inner& inner, const OrderItem& item) const;
  unsigned index_in(const void* owner, const Leaf& leaf, const OrderItem& item) const;
  Leaf* new_leaf(unsigned capacity);
  Inner* new_inner();
  void free_leaf(Leaf* leaf) noexcept;
  void free_inner(Inner* inner) noexcept;
  void free_node(Node* node, unsigned level) noexcept;
  Child insert_below(const void* owner, Node*& node, unsigned level, const OrderItem& item);
  Child insert_into_leaf(const void* owner, Node*& node, const OrderItem& item);
  void erase_below(const void* owner, Node* node, unsigned level, const OrderItem& item);
  void tidy_child(Inner& inner, unsigned index, unsigned level);

  NameOf name_of_;
  Node* root_ = nullptr;
  unsigned height_ = 0;  // 0: the root is a leaf
  size_t size_ = 0;
  size_t heap_bytes_ = 0;
};

}  // namespace orbit::resp
