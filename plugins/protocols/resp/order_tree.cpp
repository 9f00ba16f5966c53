// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "order_tree.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

namespace orbit::resp {
namespace {

constexpr unsigned kFirstCapacity = 4;

constexpr size_t leaf_bytes(unsigned capacity) noexcept {
  return sizeof(OrderTree::Leaf) + (capacity - 1) * sizeof(OrderItem);
}

}  // namespace

OrderTree::~OrderTree() {
  if (root_ != nullptr) free_node(root_, height_);
}

OrderTree::Leaf* OrderTree::new_leaf(unsigned capacity) {
  auto* leaf = static_cast<Leaf*>(std::malloc(leaf_bytes(capacity)));
  if (leaf == nullptr) throw std::bad_alloc();
  leaf->previous = leaf->next = nullptr;
  leaf->count = 0;
  leaf->capacity = static_cast<uint16_t>(capacity);
  heap_bytes_ += leaf_bytes(capacity);
  return leaf;
}

OrderTree::Inner* OrderTree::new_inner() {
  auto* inner = static_cast<Inner*>(std::malloc(sizeof(Inner)));
  if (inner == nullptr) throw std::bad_alloc();
  inner->count = 0;
  heap_bytes_ += sizeof(Inner);
  return inner;
}

void OrderTree::free_leaf(Leaf* leaf) noexcept {
  if (leaf->previous != nullptr) leaf->previous->next = leaf->next;
  if (leaf->next != nullptr) leaf->next->previous = leaf->previous;
  heap_bytes_ -= leaf_bytes(leaf->capacity);
  std::free(leaf);
}

void OrderTree::free_inner(Inner* inner) noexcept {
  heap_bytes_ -= sizeof(Inner);
  std::free(inner);
}

void OrderTree::free_node(Node* node, unsigned level) noexcept {
  if (level == 0) {
    free_leaf(static_cast<Leaf*>(node));
    return;
  }
  auto* inner = static_cast<Inner*>(node);
  for (unsigned i = 0; i < inner->count; ++i) free_node(inner->children[i].node, level - 1);
  free_inner(inner);
}

unsigned OrderTree::child_for(const void* owner, const Inner& inner, const OrderItem& item) const {
  unsigned low = 0;
  unsigned high = inner.count;
  while (high - low > 1) {
    const unsigned middle = (low + high) / 2;
    (less(owner, item, inner.children[middle].least) ? high : low) = middle;
  }
  return low;
}

unsigned OrderTree::index_in(const void* owner, const Leaf& leaf, const OrderItem& item) const {
  unsigned low = 0;
  unsigned high = leaf.count;
  while (low < high) {
    const unsigned middle = (low + high) / 2;
    if (less(owner, leaf.items[middle], item)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

// Returns the new right neighbour when the leaf was split (else a child without node).
OrderTree::Child OrderTree::insert_into_leaf(const void* owner, Node*& node, const OrderItem& item) {
  auto* leaf = static_cast<Leaf*>(node);
  unsigned index = index_in(owner, *leaf, item);
  Child added{};
  if (leaf->count == leaf->capacity && leaf->capacity < kLeafItemsMax) {
    const unsigned capacity = std::min<unsigned>(kLeafItemsMax, leaf->capacity * 2u);
    Leaf* bigger = new_leaf(capacity);
    std::memcpy(bigger->items, leaf->items, leaf->count * sizeof(OrderItem));
    bigger->count = leaf->count;
    bigger->previous = leaf->previous;
    bigger->next = leaf->next;
    free_leaf(leaf);
    if (bigger->previous != nullptr) bigger->previous->next = bigger;
    if (bigger->next != nullptr) bigger->next->previous = bigger;
    node = leaf = bigger;
  } else if (leaf->count == kLeafItemsMax) {
    Leaf* right = new_leaf(kLeafItemsMax);
    right->previous = leaf;
    right->next = leaf->next;
    if (right->next != nullptr) right->next->previous = right;
    leaf->next = right;
    // Ascending insertion leaves full leaves behind.
    const unsigned keep = index == kLeafItemsMax && right->next == nullptr ? kLeafItemsMax : kLeafItemsMax / 2;
    std::memcpy(right->items, leaf->items + keep, (kLeafItemsMax - keep) * sizeof(OrderItem));
    right->count = static_cast<uint16_t>(kLeafItemsMax - keep);
    leaf->count = static_cast<uint16_t>(keep);
    added.node = right;
    if (index >= keep && (index > keep || keep == kLeafItemsMax)) {
      leaf = right;
      index -= keep;
    }
  }
  std::memmove(leaf->items + index + 1, leaf->items + index, (leaf->count - index) * sizeof(OrderItem));
  leaf->items[index] = item;
  ++leaf->count;
  if (added.node != nullptr) {
    const auto* right = static_cast<const Leaf*>(added.node);
    added.least = right->items[0];
    added.weight = right->count;
  }
  return added;
}

OrderTree::Child OrderTree::insert_below(const void* owner, Node*& node, unsigned level, const OrderItem& item) {
  if (level == 0) return insert_into_leaf(owner, node, item);
  auto* inner = static_cast<Inner*>(node);
  const unsigned index = child_for(owner, *inner, item);
  Child& child = inner->children[index];
  const Child added = insert_below(owner, child.node, level - 1, item);
  ++child.weight;
  if (less(owner, item, child.least)) child.least = item;
  Child result{};
  if (added.node == nullptr) return result;
  child.weight -= added.weight;
  std::memmove(inner->children + index + 2, inner->children + index + 1, (inner->count - index - 1) * sizeof(Child));
  inner->children[index + 1] = added;
  ++inner->count;
  if (inner->count <= kChildrenMax) return result;
  Inner* right = new_inner();
  const unsigned keep = index + 2 == inner->count ? kChildrenMax : kChildrenMax / 2;
  right->count = inner->count - keep;
  std::memcpy(right->children, inner->children + keep, right->count * sizeof(Child));
  inner->count = keep;
  result.node = right;
  result.least = right->children[0].least;
  for (unsigned i = 0; i < right->count; ++i) result.weight += right->children[i].weight;
  return result;
}

void OrderTree::insert(const void* owner, OrderItem item) {
  if (root_ == nullptr) root_ = new_leaf(kFirstCapacity);
  const Child added = insert_below(owner, root_, height_, item);
  ++size_;
  if (added.node == nullptr) return;
  Inner* root = new_inner();
  const OrderItem least =
      height_ == 0 ? static_cast<Leaf*>(root_)->items[0] : static_cast<Inner*>(root_)->children[0].least;
  root->children[0] = {least, size_ - added.weight, root_};
  root->children[1] = added;
  root->count = 2;
  root_ = root;
  ++height_;
}

// After an erasure below: refreshes what is said of the child, drops it when empty, joins it with a neighbour when both
// are small.
void OrderTree::tidy_child(Inner& inner, unsigned index, unsigned level) {
  const auto drop = [&](unsigned i) {
    std::memmove(inner.children + i, inner.children + i + 1, (inner.count - i - 1) * sizeof(Child));
    --inner.count;
  };
  const auto count_of = [&](const Child& child) -> unsigned {
    return level == 0 ? static_cast<Leaf*>(child.node)->count : static_cast<Inner*>(child.node)->count;
  };
  Child& child = inner.children[index];
  if (count_of(child) == 0) {
    free_node(child.node, level);
    drop(index);
    return;
  }
  child.least =
      level == 0 ? static_cast<Leaf*>(child.node)->items[0] : static_cast<Inner*>(child.node)->children[0].least;
  const unsigned full = level == 0 ? kLeafItemsMax : kChildrenMax;
  if (count_of(child) > full / 4 || inner.count < 2) return;
  const unsigned left = index + 1 < inner.count ? index : index - 1;
  Child& a = inner.children[left];
  Child& b = inner.children[left + 1];
  if (count_of(a) + count_of(b) > full * 3 / 4) return;
  if (level == 0) {
    auto* to = static_cast<Leaf*>(a.node);
    auto* from = static_cast<Leaf*>(b.node);
    if (to->capacity < to->count + from->count) return;
    std::memcpy(to->items + to->count, from->items, from->count * sizeof(OrderItem));
    to->count = static_cast<uint16_t>(to->count + from->count);
    free_leaf(from);
  } else {
    auto* to = static_cast<Inner*>(a.node);
    auto* from = static_cast<Inner*>(b.node);
    std::memcpy(to->children + to->count, from->children, from->count * sizeof(Child));
    to->count += from->count;
    free_inner(from);
  }
  a.weight += b.weight;
  drop(left + 1);
}

void OrderTree::erase_below(const void* owner, Node* node, unsigned level, const OrderItem& item) {
  if (level == 0) {
    auto* leaf = static_cast<Leaf*>(node);
    const unsigned index = index_in(owner, *leaf, item);
    std::memmove(leaf->items + index, leaf->items + index + 1, (leaf->count - index - 1) * sizeof(OrderItem));
    --leaf->count;
    return;
  }
  auto* inner = static_cast<Inner*>(node);
  const unsigned index = child_for(owner, *inner, item);
  erase_below(owner, inner->children[index].node, level - 1, item);
  --inner->children[index].weight;
  tidy_child(*inner, index, level - 1);
}

void OrderTree::erase(const void* owner, OrderItem item) {
  erase_below(owner, root_, height_, item);
  --size_;
  if (size_ == 0) {
    free_node(root_, height_);
    root_ = nullptr;
    height_ = 0;
    return;
  }
  while (height_ != 0 && static_cast<Inner*>(root_)->count == 1) {
    auto* old = static_cast<Inner*>(root_);
    root_ = old->children[0].node;
    free_inner(old);
    --height_;
  }
}

size_t OrderTree::rank(const void* owner, OrderItem item) const {
  return count_while([&](const OrderItem& other) { return less(owner, other, item); });
}

OrderTree::Place OrderTree::at(size_t rank) const noexcept {
  const Node* node = root_;
  for (unsigned level = height_; level != 0; --level) {
    const auto* inner = static_cast<const Inner*>(node);
    unsigned i = 0;
    while (rank >= inner->children[i].weight) rank -= inner->children[i++].weight;
    node = inner->children[i].node;
  }
  return {static_cast<const Leaf*>(node), static_cast<uint32_t>(rank)};
}

}  // namespace orbit::resp
