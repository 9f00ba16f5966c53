// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "leaf_list.hpp"

#include <algorithm>
#include <new>

namespace orbit::lsm {
namespace {

constexpr size_t kSlots = 15;
constexpr size_t kKept = 8;  // by a leaf that is split

// A leaf's order: how many entries it has, in four bits, and then the slots, four bits each, first of the entries as
// they are sorted and then of those that are free.
constexpr uint64_t kEmptyOrder = 0xedcba98765432100;
constexpr size_t count_of(uint64_t order) noexcept { return order & 15; }
constexpr size_t slot_of(uint64_t order, size_t index) noexcept { return order >> (4 + 4 * index) & 15; }
constexpr uint64_t with_count(uint64_t order, size_t count) noexcept { return (order & ~uint64_t{15}) | count; }
// With the first free slot at `index`.
constexpr uint64_t with_inserted(uint64_t order, size_t index) noexcept {
  const size_t count = count_of(order);
  const uint64_t slot = slot_of(order, count);
  const uint64_t below = (uint64_t{1} << (4 + 4 * index)) - 1;
  const uint64_t through = count + 1 == kSlots ? ~uint64_t{0} : (uint64_t{1} << (8 + 4 * count)) - 1;
  const uint64_t moved = (order & through & ~below) << 4 & through;
  return ((order & ~through) | moved | slot << (4 + 4 * index) | (order & below)) + 1;
}

}  // namespace

struct LeafList::Leaf {
  std::array<std::atomic<uint64_t>, kSlots> heads;  // by slot, as the next
  std::array<std::atomic<const MemtableEntry*>, kSlots> entries;
  std::atomic<uint64_t> order;
  std::atomic<uint64_t> splits;  // counts up before slots that were given up are used again
  uint64_t low_head;
  const MemtableEntry* low;    // nothing in it is before this; null: it is the first leaf
  std::atomic<Leaf*> next[1];  // as many as the leaf is high
};

LeafList::LeafList(Arena& arena, std::string prefix) : arena_(arena), prefix_(std::move(prefix)) {
  first_ = new (arena_.allocate(sizeof(Leaf) + sizeof(std::atomic<Leaf*>) * (kHeightMax - 1))) Leaf{};
  for (size_t i = 1; i < kHeightMax; ++i) new (&first_->next[i]) std::atomic<Leaf*>(nullptr);
  first_->order.store(kEmptyOrder, std::memory_order_relaxed);
  last_.fill(first_);
}

// A leaf is read all over.
inline void LeafList::prefetch(const Leaf& leaf) noexcept {
  __builtin_prefetch(&leaf.heads[0]);
  __builtin_prefetch(&leaf.heads[8]);
  __builtin_prefetch(&leaf.entries[0]);
}

// Orders as keys do: those outside of the prefix are all less or all greater, and equal ones are compared in full.
inline uint64_t LeafList::head_of_key(Bytes key) const noexcept {
  if (prefix_.empty()) return head_of(key);
  const int order = key.substr(0, prefix_.size()).compare(prefix_);
  return order == 0 ? head_of(key.substr(prefix_.size())) : order < 0 ? 0 : ~uint64_t{0};
}

inline bool LeafList::is_before(uint64_t head, const MemtableEntry* entry, const Target& target) noexcept {
  if (head != target.head) return head < target.head;
  return compare(entry->key(), entry->tag, target.key, target.tag) < 0;
}

// Where in the order the first is that is not before the target.
inline size_t LeafList::lower_bound(const Leaf& leaf, uint64_t order, const Target& target) noexcept {
  const size_t count = count_of(order);
  for (size_t i = 0; i < count; ++i) {
    const size_t slot = slot_of(order, i);
    const uint64_t head = leaf.heads[slot].load(std::memory_order_acquire);
    if (head < target.head) continue;
    if (head > target.head || !is_before(head, leaf.entries[slot].load(std::memory_order_acquire), target)) return i;
  }
  return count;
}

// ---- adding --------------------------------------------------------------------------------------------------------

// With an order and no links yet, behind the leaves `before` it; the caller fills it before it is linked.
LeafList::Leaf& LeafList::new_leaf(size_t& height) {
  height = 1;
  for (auto bits = static_cast<uint32_t>(random_()) >> 3; height < kHeightMax && (bits & 3) == 0; bits >>= 2) ++height;
  Leaf* const leaf = new (arena_.allocate(sizeof(Leaf) + sizeof(std::atomic<Leaf*>) * (height - 1))) Leaf{};
  for (size_t level = 1; level < height; ++level) new (&leaf->next[level]) std::atomic<Leaf*>(nullptr);
  return *leaf;
}

void LeafList::link(Leaf& leaf, size_t height, const Before& before) noexcept {
  for (size_t level = 0; level < height; ++level)
    leaf.next[level].store(before[level]->next[level].load(std::memory_order_relaxed), std::memory_order_relaxed);
  for (size_t level = 0; level < height; ++level) {
    before[level]->next[level].store(&leaf, std::memory_order_release);
    if (before[level] == last_[level]) last_[level] = &leaf;
  }
}

// The new leaf with the upper half.
LeafList::Leaf& LeafList::split(Leaf& leaf, const Before& before) {
  size_t height = 0;
  Leaf& upper = new_leaf(height);
  const uint64_t order = leaf.order.load(std::memory_order_relaxed);
  for (size_t i = kKept; i < kSlots; ++i) {
    const size_t slot = slot_of(order, i);
    upper.heads[i - kKept].store(leaf.heads[slot].load(std::memory_order_relaxed), std::memory_order_relaxed);
    upper.entries[i - kKept].store(leaf.entries[slot].load(std::memory_order_relaxed), std::memory_order_relaxed);
  }
  upper.order.store(with_count(kEmptyOrder, kSlots - kKept), std::memory_order_relaxed);
  upper.low_head = upper.heads[0].load(std::memory_order_relaxed);
  upper.low = upper.entries[0].load(std::memory_order_relaxed);
  // Whoever misses in this leaf what it gives up finds the other one behind it.
  link(upper, height, before);
  leaf.order.store(with_count(order, kKept), std::memory_order_release);
  leaf.splits.store(leaf.splits.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  return upper;
}

// One step of each search after the other, so that what one waits for comes while the others go on.
void LeafList::search(std::span<const Target> targets, std::span<Before> before) const noexcept {
  struct Search {
    size_t number;
    size_t level;
    Leaf* at;
    const Leaf* passed;
  };
  std::array<Search, kTogether> searches;
  size_t count = 0;
  for (size_t i = 0; i < targets.size(); ++i) searches[count++] = {i, kHeightMax - 1, first_, nullptr};
  while (count > 0) {
    for (size_t i = 0; i < count;) {
      Search& one = searches[i];
      Leaf* const next = one.at->next[one.level].load(std::memory_order_relaxed);
      if (next != nullptr && next != one.passed && is_before(next->low_head, next->low, targets[one.number])) {
        one.at = next;
      } else {
        one.passed = next;
        before[one.number][one.level] = one.at;
        if (one.level == 0) {
          prefetch(*one.at);
          one = searches[--count];
          continue;
        }
        --one.level;
      }
      if (const Leaf* const then = one.at->next[one.level].load(std::memory_order_relaxed); then != nullptr)
        __builtin_prefetch(&then->low_head);
      ++i;
    }
  }
}

void LeafList::add(std::span<const MemtableEntry* const> entries) {
  std::array<Target, kTogether> targets;
  std::array<Before, kTogether> before;
  for (size_t i = 0; i < entries.size(); ++i) {
    targets[i] = target_of(entries[i]->key(), entries[i]->tag);
    if (!entries[i]->key().starts_with(prefix_)) ++strangers_;
  }
  const size_t count = entries.size();
  // Keys that come in order need no search.
  if (count > 1 || !is_greatest(targets[0])) search({targets.data(), count}, {before.data(), count});
  for (size_t i = 0; i < count; ++i) insert(*entries[i], targets[i], before[i]);
}

bool LeafList::is_greatest(const Target& target) const noexcept {
  return greatest_ == nullptr || is_before(greatest_head_, greatest_, target);
}

// `before`, unless the target is the greatest: leaves of that time or later.
void LeafList::insert(const MemtableEntry& entry, const Target& target, Before& before) {
  const bool ascends = is_greatest(target);
  if (ascends) {
    before = last_;
    greatest_ = &entry;
    greatest_head_ = target.head;
  }
  const auto catch_up = [&](size_t level) {
    while (Leaf* const next = before[level]->next[level].load(std::memory_order_relaxed)) {
      if (!is_before(next->low_head, next->low, target)) break;
      before[level] = next;
    }
  };
  catch_up(0);
  Leaf* leaf = before[0];
  if (count_of(leaf->order.load(std::memory_order_relaxed)) == kSlots) {
    if (ascends) {
      // Keys that come in order fill leaves.
      size_t height = 0;
      Leaf& fresh = new_leaf(height);
      fresh.low_head = target.head;
      fresh.low = &entry;
      fresh.heads[0].store(target.head, std::memory_order_relaxed);
      fresh.entries[0].store(&entry, std::memory_order_relaxed);
      fresh.order.store(with_count(kEmptyOrder, 1), std::memory_order_relaxed);
      return link(fresh, height, before);
    }
    for (size_t level = 1; level < kHeightMax; ++level) catch_up(level);
    Leaf& upper = split(*leaf, before);
    if (is_before(upper.low_head, upper.low, target)) leaf = &upper;
  }
  const uint64_t order = leaf->order.load(std::memory_order_relaxed);
  const size_t slot = slot_of(order, count_of(order));
  leaf->heads[slot].store(target.head, std::memory_order_release);
  leaf->entries[slot].store(&entry, std::memory_order_release);
  leaf->order.store(with_inserted(order, lower_bound(*leaf, order, target)), std::memory_order_release);
}

std::string LeafList::common_prefix() const {
  if (greatest_ == nullptr) return prefix_;
  const Bytes a =
      first_->entries[slot_of(first_->order.load(std::memory_order_relaxed), 0)].load(std::memory_order_relaxed)->key();
  const Bytes b = greatest_->key();
  size_t same = 0;
  while (same < a.size() && same < b.size() && a[same] == b[same]) ++same;
  return std::string(a.substr(0, same));
}

// ---- finding -------------------------------------------------------------------------------------------------------

// The last leaf that begins before the target.
const LeafList::Leaf* LeafList::descend(const Target& target) const noexcept {
  const Leaf* at = first_;
  const Leaf* passed = nullptr;
  for (size_t level = kHeightMax; level-- > 0;) {
    for (;;) {
      const Leaf* const next = at->next[level].load(std::memory_order_acquire);
      if (next == passed || next == nullptr || !is_before(next->low_head, next->low, target)) {
        passed = next;
        break;
      }
      at = next;
    }
  }
  prefetch(*at);
  return at;
}

LeafList::Place LeafList::from_leaf(const Leaf* leaf, const Target& target) noexcept {
  while (leaf != nullptr) {
    Place out;
    out.leaf = leaf;
    out.splits = leaf->splits.load(std::memory_order_acquire);
    out.order = leaf->order.load(std::memory_order_acquire);
    out.index = lower_bound(*leaf, out.order, target);
    if (out.index < count_of(out.order))
      out.entry = leaf->entries[slot_of(out.order, out.index)].load(std::memory_order_acquire);
    const Leaf* const next = leaf->next[0].load(std::memory_order_acquire);
    if (leaf->splits.load(std::memory_order_relaxed) != out.splits) continue;  // slots may have changed
    if (out.entry != nullptr) return out;
    leaf = next;
  }
  return {};
}

LeafList::Place LeafList::at_or_after(Bytes key, uint64_t tag) const noexcept {
  const Target target = target_of(key, tag);
  return from_leaf(descend(target), target);
}

LeafList::Place LeafList::last_before(const Bytes* key, uint64_t tag) const noexcept {
  Target target{};
  const Leaf* leaf = first_;
  if (key != nullptr) {
    target = target_of(*key, tag);
    leaf = descend(target);
  } else {
    for (size_t level = kHeightMax; level-- > 0;)
      while (const Leaf* const next = leaf->next[level].load(std::memory_order_acquire)) leaf = next;
  }
  for (;;) {
    Place out;
    out.leaf = leaf;
    out.splits = leaf->splits.load(std::memory_order_acquire);
    out.order = leaf->order.load(std::memory_order_acquire);
    const size_t count = count_of(out.order);
    const size_t end = key == nullptr ? count : lower_bound(*leaf, out.order, target);
    if (end > 0) {
      out.index = end - 1;
      out.entry = leaf->entries[slot_of(out.order, out.index)].load(std::memory_order_acquire);
    }
    // What was split off meanwhile may be before the target too.
    const Leaf* const next = end == count ? leaf->next[0].load(std::memory_order_acquire) : nullptr;
    if (leaf->splits.load(std::memory_order_relaxed) != out.splits) continue;
    if (next == nullptr || (key != nullptr && !is_before(next->low_head, next->low, target))) return out;
    leaf = next;
  }
}

LeafList::Place LeafList::next(const Place& here) const noexcept {
  Place out = here;
  if (++out.index < count_of(out.order)) {
    out.entry = out.leaf->entries[slot_of(out.order, out.index)].load(std::memory_order_acquire);
    if (out.leaf->splits.load(std::memory_order_relaxed) == out.splits) return out;
  }
  // What was split off may have been passed already.
  out = from_leaf(here.leaf, target_of(here.entry->key(), here.entry->tag - 1));
  if (out.entry != nullptr)
    for (size_t i = 0; i < count_of(out.order); ++i)
      __builtin_prefetch(out.leaf->entries[slot_of(out.order, i)].load(std::memory_order_relaxed));
  return out;
}

LeafList::Place LeafList::previous(const Place& here) const noexcept {
  Place out = here;
  if (out.index > 0) {
    --out.index;
    out.entry = out.leaf->entries[slot_of(out.order, out.index)].load(std::memory_order_acquire);
    if (out.leaf->splits.load(std::memory_order_relaxed) == out.splits) return out;
  }
  const Bytes key = here.entry->key();
  return last_before(&key, here.entry->tag);
}

}  // namespace orbit::lsm
