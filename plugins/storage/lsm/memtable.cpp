// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "memtable.hpp"

#include <algorithm>
#include <new>

namespace orbit::lsm {
namespace {

constexpr size_t kChunkBytes = 256 << 10;

}  // namespace

class Memtable::Position final : public Cursor {
 public:
  explicit Position(const Memtable& table) noexcept : table_(table) {}
  void seek(Bytes key, uint64_t tag) override { show(table_.at_or_after(key, tag)); }
  void seek_before(const Bytes* key) override { show(table_.last_before(key, ~uint64_t{0})); }
  void next() override { show(node_->next[0].load(std::memory_order_acquire)); }
  void prev() override {
    const Bytes here = key_;
    show(table_.last_before(&here, tag_));
  }

 private:
  void show(const Node* node) noexcept {
    node_ = node;
    valid_ = node != nullptr;
    if (!valid_) return;
    key_ = node->key();
    tag_ = node->tag;
    value_ = node->value();
  }
  const Memtable& table_;
  const Node* node_ = nullptr;
};

Memtable::Memtable(uint64_t log, std::string prefix) : log_(log), prefix_(std::move(prefix)) {
  first_ = new (allocate(sizeof(Node) + sizeof(std::atomic<Node*>) * (kHeightMax - 1))) Node{};
  for (int i = 1; i < kHeightMax; ++i) new (&first_->next[i]) std::atomic<Node*>(nullptr);
  last_.fill(first_);
  range_sets_.push_back(std::make_unique<RangeSet>());
  ranges_ = range_sets_.back().get();
}

Memtable::~Memtable() = default;

char* Memtable::allocate(size_t size) {
  size = (size + 7) & ~size_t{7};
  if (size > chunk_left_) {
    if (size > kChunkBytes / 4) return chunks_.emplace_back(std::make_unique_for_overwrite<char[]>(size)).get();
    chunk_at_ = chunks_.emplace_back(std::make_unique_for_overwrite<char[]>(kChunkBytes)).get();
    chunk_left_ = kChunkBytes;
  }
  char* const out = chunk_at_;
  chunk_at_ += size;
  chunk_left_ -= size;
  return out;
}

// Orders as keys do: those outside of the prefix are all less or all greater, and equal ones are compared in full.
inline uint64_t Memtable::head_of_key(Bytes key) const noexcept {
  if (prefix_.empty()) return head_of(key);
  const int order = key.substr(0, prefix_.size()).compare(prefix_);
  return order == 0 ? head_of(key.substr(prefix_.size())) : order < 0 ? 0 : ~uint64_t{0};
}

std::string Memtable::common_prefix() const {
  const Node* const first = first_->next[0].load(std::memory_order_relaxed);
  if (first == nullptr) return prefix_;
  const Bytes a = first->key();
  const Bytes b = last_[0]->key();
  size_t same = 0;
  while (same < a.size() && same < b.size() && a[same] == b[same]) ++same;
  return std::string(a.substr(0, same));
}

int Memtable::random_height() {
  int height = 1;
  for (auto bits = static_cast<uint32_t>(random_()) >> 3; height < kHeightMax && (bits & 3) == 0; bits >>= 2) ++height;
  return height;
}

inline bool Memtable::is_before(const Node& node, uint64_t head, Bytes key, uint64_t tag) noexcept {
  if (node.head != head) return node.head < head;
  return compare(node.key(), node.tag, key, tag) < 0;
}

Memtable::Node* Memtable::at_or_after(Bytes key, uint64_t tag) const noexcept {
  const uint64_t head = head_of_key(key);
  Node* at = first_;
  Node* passed = nullptr;
  for (int level = kHeightMax - 1; level >= 0; --level) {
    for (;;) {
      Node* const next = at->next[level].load(std::memory_order_acquire);
      if (next == passed || next == nullptr || !is_before(*next, head, key, tag)) {
        passed = next;
        break;
      }
      at = next;
    }
  }
  return passed;
}

Memtable::Node* Memtable::last_before(const Bytes* key, uint64_t tag) const noexcept {
  const uint64_t head = key == nullptr ? 0 : head_of_key(*key);
  Node* at = first_;
  for (int level = kHeightMax - 1; level >= 0; --level)
    for (Node* next; (next = at->next[level].load(std::memory_order_acquire)) != nullptr &&
                     (key == nullptr || is_before(*next, head, *key, tag));)
      at = next;
  return at == first_ ? nullptr : at;
}

void Memtable::add(Bytes key, uint64_t tag, Bytes value) {
  const uint64_t head = head_of_key(key);
  const int height = random_height();
  const size_t links = sizeof(std::atomic<Node*>) * static_cast<size_t>(height - 1);
  char* const place = allocate(sizeof(Node) + links + key.size() + value.size());
  Node* const node = new (place) Node{};
  char* const data = place + sizeof(Node) + links;
  node->head = head;
  node->tag = tag;
  node->key_size = static_cast<uint32_t>(key.size());
  node->value_size = static_cast<uint32_t>(value.size());
  node->data = data;
  if (!key.empty()) std::memcpy(data, key.data(), key.size());
  if (!value.empty()) std::memcpy(data + key.size(), value.data(), value.size());

  std::array<Node*, kHeightMax> previous;
  if (last_[0] == first_ || is_before(*last_[0], head, key, tag)) {
    previous = last_;  // ascending keys need no search
  } else {
    Node* at = first_;
    Node* passed = nullptr;
    for (int level = kHeightMax - 1; level >= 0; --level) {
      for (;;) {
        Node* const next = at->next[level].load(std::memory_order_relaxed);
        if (next == nullptr || next == passed || !is_before(*next, head, key, tag)) {
          passed = next;
          break;
        }
        __builtin_prefetch(next->next[level].load(std::memory_order_relaxed));
        at = next;
      }
      previous[static_cast<size_t>(level)] = at;
    }
  }
  for (int level = 0; level < height; ++level) {
    Node* const before = previous[static_cast<size_t>(level)];
    Node* const after = before->next[level].load(std::memory_order_relaxed);
    if (level == 0) {
      node->next[0].store(after, std::memory_order_relaxed);
    } else {
      new (&node->next[level]) std::atomic<Node*>(after);
    }
  }
  for (int level = 0; level < height; ++level) {
    Node* const before = previous[static_cast<size_t>(level)];
    before->next[level].store(node, std::memory_order_release);
    if (before == last_[static_cast<size_t>(level)]) last_[static_cast<size_t>(level)] = node;
  }
  bytes_.fetch_add(sizeof(Node) + links + key.size() + value.size(), std::memory_order_relaxed);
}

void Memtable::add_ranges(const std::vector<ErasedRange>& ranges) {
  all_ranges_.insert(all_ranges_.end(), ranges.begin(), ranges.end());
  range_sets_.push_back(std::make_unique<RangeSet>(all_ranges_));
  ranges_.store(range_sets_.back().get(), std::memory_order_release);
  bytes_.fetch_add(range_sets_.back()->memory_bytes() + 64, std::memory_order_relaxed);
}

bool Memtable::find(Bytes key, uint64_t sequence, uint64_t& tag, Bytes& value) const noexcept {
  const Node* const node = at_or_after(key, seek_tag(sequence));
  if (node == nullptr || node->key() != key) return false;
  tag = node->tag;
  value = node->value();
  return true;
}

std::unique_ptr<Cursor> Memtable::cursor() const { return std::make_unique<Position>(*this); }

}  // namespace orbit::lsm
