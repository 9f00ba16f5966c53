// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "memtable.hpp"

#include <new>

namespace orbit::s3 {

// The pointers to the next nodes of each height follow.
struct Memtable::Node {
  Bytes key;
  Bytes value;
  uint64_t sequence;
  bool erased;
  std::atomic<Node*> links[1];

  Node* next(int height) const noexcept { return links[height].load(std::memory_order_acquire); }
  // Order: by key, then newest first.
  bool is_before(Bytes k, uint64_t s) const noexcept {
    const int order = key.compare(k);
    return order < 0 || (order == 0 && sequence > s);
  }
};

Memtable::Memtable() {
  char* const room = allocate(sizeof(Node) + (kHeightMax - 1) * sizeof(std::atomic<Node*>));
  head_ = new (room) Node{{}, {}, 0, false, {nullptr}};
  for (int i = 1; i < kHeightMax; ++i) new (&head_->links[i]) std::atomic<Node*>(nullptr);
}

char* Memtable::allocate(size_t size) {
  size = (size + 7) & ~size_t{7};
  if (size > chunk_left_) {
    const size_t chunk = std::max(size, kChunkBytes);
    chunks_.push_back(std::make_unique_for_overwrite<char[]>(chunk));
    if (size > kChunkBytes / 4) return chunks_.back().get();  // the rest of the present chunk stays in use
    chunk_at_ = chunks_.back().get();
    chunk_left_ = chunk;
  }
  chunk_left_ -= size;
  return std::exchange(chunk_at_, chunk_at_ + size);
}

void Memtable::add(Bytes key, Bytes value, bool erased, uint64_t sequence) {
  int height = 1;
  random_ ^= random_ << 13, random_ ^= random_ >> 7, random_ ^= random_ << 17;
  for (uint64_t bits = random_; height < kHeightMax && (bits & 3) == 0; bits >>= 2) ++height;
  const size_t node_bytes = sizeof(Node) + static_cast<size_t>(height - 1) * sizeof(std::atomic<Node*>);
  char* const room = allocate(node_bytes + key.size() + value.size());
  char* const bytes = room + node_bytes;
  if (!key.empty()) std::memcpy(bytes, key.data(), key.size());
  if (!value.empty()) std::memcpy(bytes + key.size(), value.data(), value.size());
  auto* const node =
      new (room) Node{{bytes, key.size()}, {bytes + key.size(), value.size()}, sequence, erased, {nullptr}};
  Node* before[kHeightMax];
  Node* at = head_;
  for (int level = kHeightMax - 1; level >= 0; --level) {
    for (Node* next = at->next(level); next != nullptr && next->is_before(key, sequence); next = at->next(level))
      at = next;
    before[level] = at;
  }
  for (int level = 0; level < height; ++level) new (&node->links[level]) std::atomic<Node*>(before[level]->next(level));
  // From the lowest list up: who meets the node in a higher one finds it in all below.
  for (int level = 0; level < height; ++level) before[level]->links[level].store(node, std::memory_order_release);
  bytes_.fetch_add(node_bytes + key.size() + value.size(), std::memory_order_relaxed);
}

void Memtable::erase_range(Bytes from, Bytes to, uint64_t sequence) {
  std::lock_guard lock(ranges_mutex_);
  bytes_.fetch_add(ranges_.erase(from, to, sequence), std::memory_order_relaxed);
  has_ranges_.store(true, std::memory_order_release);
}

uint64_t Memtable::covered_at(Bytes key, uint64_t at) const {
  if (!has_ranges_.load(std::memory_order_acquire)) return 0;
  std::lock_guard lock(ranges_mutex_);
  return ranges_.newest(key, at);
}

std::optional<std::string> Memtable::covered_until(Bytes key, bool before, bool reverse, uint64_t at) const {
  if (!has_ranges_.load(std::memory_order_acquire)) return std::nullopt;
  std::lock_guard lock(ranges_mutex_);
  return ranges_.covered_until(key, before, reverse, at);
}

std::vector<Range> Memtable::erased_ranges() const {
  std::lock_guard lock(ranges_mutex_);
  return ranges_.covered();
}

const Memtable::Node* Memtable::at_or_after(Bytes key, uint64_t sequence) const noexcept {
  const Node* at = head_;
  const Node* next = nullptr;
  // What was compared is returned, and not read again: a newer version may have come between.
  for (int level = kHeightMax - 1; level >= 0; --level)
    for (next = at->next(level); next != nullptr && next->is_before(key, sequence); next = at->next(level)) at = next;
  return next;
}

const Memtable::Node* Memtable::before(const Bytes* key) const noexcept {
  const Node* at = head_;
  for (int level = kHeightMax - 1; level >= 0; --level)
    for (const Node* next = at->next(level); next != nullptr && (key == nullptr || next->key < *key);
         next = at->next(level))
      at = next;
  return at == head_ ? nullptr : at;
}

Found Memtable::find(Bytes key, uint64_t at, Bytes& value) const {
  const Node* const node = at_or_after(key, at);
  const uint64_t covered = covered_at(key, at);
  if (node == nullptr || node->key != key || node->sequence < covered)
    return covered != 0 ? Found::erased : Found::none;
  value = node->value;
  return node->erased ? Found::erased : Found::put;
}

class Memtable::Walk final : public Cursor {
 public:
  Walk(const Memtable& table, uint64_t at, Bytes from, Bytes to, bool reverse)
      : table_(table), at_(at), from_(from), to_(to), reverse_(reverse) {}
  void seek(Bytes bound) override {
    if (reverse_)
      backward(bound.empty() ? nullptr : &bound);
    else
      forward(table_.at_or_after(bound, at_));
  }
  void next() override {
    if (reverse_) {
      const Bytes key = key_;
      backward(&key);
    } else {
      const Node* node = node_->next(0);
      while (node != nullptr && node->key == key_) node = node->next(0);
      forward(node);
    }
  }
  std::optional<std::string> hides_until(Bytes key, bool before) override {
    return table_.covered_until(key, before, reverse_, at_);
  }

 private:
  // The first visible version from this node on.
  void forward(const Node* node) {
    while (node != nullptr && node->sequence > at_) node = node->next(0);
    if (node != nullptr && !to_.empty() && node->key >= to_) node = nullptr;
    stand_at(node);
  }
  void backward(const Bytes* end) {
    const Node* node = table_.before(end);
    while (node != nullptr) {
      if (node->key < from_) {
        node = nullptr;
        break;
      }
      const Node* const visible = table_.at_or_after(node->key, at_);
      if (visible != nullptr && visible->key == node->key) {
        node = visible;
        break;
      }
      node = table_.before(&node->key);
    }
    stand_at(node);
  }
  void stand_at(const Node* node) {
    node_ = node;
    valid_ = node != nullptr;
    if (!valid_) return;
    key_ = node->key;
    value_ = node->value;
    erased_ = node->erased || node->sequence < table_.covered_at(key_, at_);
  }

  const Memtable& table_;
  const uint64_t at_;
  const Bytes from_;
  const Bytes to_;
  const bool reverse_;
  const Node* node_ = nullptr;
};

std::unique_ptr<Cursor> Memtable::cursor(uint64_t at, Bytes from, Bytes to, bool reverse) const {
  return std::make_unique<Walk>(*this, at, from, to, reverse);
}

}  // namespace orbit::s3
