// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "engine.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <shared_mutex>
#include <string>

#include "batch.hpp"

namespace orbit::storage_memory {
namespace {

constexpr size_t kSettledPerLock = 256;
constexpr size_t kScanWindowFirst = 8;
constexpr size_t kScanWindowMax = 128;

}  // namespace

// Keeps what is visible at a sequence in place: while it lives, such entries and versions neither move nor go.
class Engine::Pin {
 public:
  explicit Pin(Engine& engine) : engine_(engine), sequence_(engine.pin()) {}
  Pin(const Pin&) = delete;
  Pin& operator=(const Pin&) = delete;
  ~Pin() { engine_.unpin(sequence_); }
  uint64_t sequence() const noexcept { return sequence_; }

 private:
  Engine& engine_;
  const uint64_t sequence_;
};

class Engine::Snapshot final : public StorageSnapshot {
 public:
  explicit Snapshot(Engine& engine) : pin(engine) {}
  const Pin pin;
};

Engine::~Engine() {
  tree_.clear_and_dispose([](Entry* entry) {
    for (Version* version = entry->newest; version != nullptr;) Version::Owner(std::exchange(version, version->older));
    Entry::Owner freed(entry);
  });
}

// ---- reading -------------------------------------------------------------------------------------------------------

uint64_t Engine::sequence_of(const StorageSnapshot& snapshot) noexcept {
  return static_cast<const Snapshot&>(snapshot).pin.sequence();
}

uint64_t Engine::visible_at(const StorageSnapshot* snapshot) const noexcept {
  return snapshot != nullptr ? sequence_of(*snapshot) : committed_;
}

uint64_t Engine::sequence() {
  std::shared_lock lock(gate_);
  return committed_;
}

const Entry* Engine::find(Bytes key) const noexcept {
  const auto found = index_.find(probe(key));
  return found == index_.end() ? nullptr : found->entry;
}

Result<bool> Engine::get(const StorageSnapshot* snapshot, Bytes key, ValueSink value) {
  std::shared_lock lock(gate_);
  const Entry* entry = find(key);
  const Version* version = entry == nullptr ? nullptr : entry->visible(visible_at(snapshot));
  if (version == nullptr) return false;
  value.append(version->bytes());
  return true;
}

Result<CachedGet> Engine::get_cached(Bytes key, ValueSink value) {
  return get(nullptr, key, value).map([](bool found) { return found ? CachedGet::found : CachedGet::absent; });
}

Result<> Engine::multi_get(const StorageSnapshot* snapshot, KeyList keys, VisitValue visit) {
  std::optional<Pin> pin;
  if (snapshot == nullptr) pin.emplace(*this);
  const uint64_t sequence = pin ? pin->sequence() : visible_at(snapshot);
  for (size_t i = 0; i < keys.size(); ++i) {
    const Version* version = nullptr;
    {
      std::shared_lock lock(gate_);
      if (const Entry* entry = find(keys[i])) version = entry->visible(sequence);
    }
    visit(i, version != nullptr, version != nullptr ? version->bytes() : Bytes());
  }
  return {};
}

Result<> Engine::scan(const StorageSnapshot* snapshot, Bytes from, Bytes to, bool reverse, VisitEntry visit) {
  if (!to.empty() && from >= to) return {};
  std::optional<Pin> pin;
  if (snapshot == nullptr) pin.emplace(*this);
  const uint64_t sequence = pin ? pin->sequence() : visible_at(snapshot);

  struct Seen {
    const Entry* entry;
    const Version* version;
  };
  std::array<Seen, kScanWindowMax> window;
  const Tree& tree = tree_;
  const Entry* last = nullptr;  // visible at the pinned sequence, so the scan can go on from it
  for (size_t window_size = kScanWindowFirst;; window_size = std::min(window_size * 2, kScanWindowMax)) {
    size_t count = 0;
    {
      std::shared_lock lock(gate_);
      if (reverse) {
        auto at = last != nullptr ? tree.iterator_to(*last) : to.empty() ? tree.end() : tree.lower_bound(to);
        while (count < window_size && at != tree.begin()) {
          --at;
          if (at->key() < from) break;
          if (const Version* version = at->visible(sequence)) window[count++] = {&*at, version};
        }
      } else {
        auto at = last != nullptr ? std::next(tree.iterator_to(*last)) : tree.lower_bound(from);
        for (; count < window_size && at != tree.end() && (to.empty() || at->key() < to); ++at)
          if (const Version* version = at->visible(sequence)) window[count++] = {&*at, version};
      }
    }
    for (size_t i = 0; i < count; ++i)
      if (!visit(window[i].entry->key(), window[i].version->bytes())) return {};
    if (count < window_size) return {};
    last = window[count - 1].entry;
  }
}

// ---- writing -------------------------------------------------------------------------------------------------------

Result<> Engine::write(WriteOps ops, bool) {
  std::lock_guard one(write_);
  return apply(ops);
}

Result<FencedOutcome> Engine::write_if(Conditions conditions, WriteOps ops, bool) {
  std::lock_guard one(write_);  // what changes values holds it, so the conditions still hold when the batch is applied
  for (size_t i = 0; i < conditions.size(); ++i) {
    const Condition condition = conditions[i];
    std::shared_lock lock(gate_);
    const Entry* entry = find(condition.key);
    const Version* version = entry == nullptr ? nullptr : entry->visible(committed_);
    if (condition.holds(version == nullptr ? std::nullopt : std::optional(version->bytes()))) continue;
    return FencedOutcome{i, version == nullptr ? std::nullopt : std::optional<std::string>(version->bytes())};
  }
  const std::vector<orbit_write_op> all = with_fences(conditions, ops);
  return apply(WriteOps(all.data(), all.size())).map([] { return FencedOutcome{}; });
}

// With write_ held.
Result<> Engine::apply(WriteOps ops) {
  uint64_t added_bytes = 0;
  for (size_t i = 0; i < ops.size(); ++i)
    if (const WriteOp op = ops[i]; op.kind == WriteKind::put)
      added_bytes += Entry::cost_bytes(op.key.size()) + Version::cost_bytes(op.value.size());
  if (const uint64_t used = size_bytes(); added_bytes > 0 && (used > bytes_max_ || added_bytes > bytes_max_ - used))
    return fail(Code::resource_exhausted, "bytes_max = " + std::to_string(bytes_max_) + " is reached: " +
                                              std::to_string(used) + " bytes are in use and the write adds " +
                                              std::to_string(added_bytes));

  const uint64_t sequence = committed_ + 1;  // changed by this function only
  Batch batch(*this, ops, sequence);
  try {
    for (bool more = true; more;) {
      Garbage garbage;
      std::unique_lock lock(gate_);
      more = batch.step(garbage);
      if (!more) committed_ = sequence;
    }
  } catch (...) {
    Garbage garbage;
    std::unique_lock lock(gate_);
    batch.undo(garbage);
    throw;
  }
  settle(batch.touched());
  return {};
}

Entry* Engine::insert(Bytes key, SupersededList& touched, uint64_t sequence) {
  Superseded& record = touched.emplace_back(Superseded{nullptr, nullptr, sequence});
  auto made = Entry::of(key);
  index_.insert(Slot{probe(key).hash, made.get()});
  tree_.insert(*made);
  bytes_ += made->cost_bytes();
  record.entry = made.release();
  return record.entry;
}

void Engine::remove(Entry* entry, Garbage& garbage) noexcept {
  index_.erase(index_.find(probe(entry->key())));
  tree_.erase(tree_.iterator_to(*entry));
  bytes_ -= entry->cost_bytes();
  if (entry->newest != nullptr) {
    bytes_ -= entry->newest->cost_bytes();
    garbage.add(entry->newest);
  }
  garbage.add(entry);
}

// ---- pins ----------------------------------------------------------------------------------------------------------

Result<std::unique_ptr<StorageSnapshot>> Engine::create_snapshot() { return std::make_unique<Snapshot>(*this); }

uint64_t Engine::pin() {
  std::unique_lock lock(gate_);
  ++pins_[committed_].users;
  return committed_;
}

void Engine::unpin(uint64_t sequence) noexcept {
  SupersededList freed;
  {
    std::unique_lock lock(gate_);
    const auto found = pins_.find(sequence);
    if (--found->second.users > 0) return;
    freed = std::move(found->second.retained);
    pins_.erase(found);
  }
  settle(freed);
}

void Engine::settle(SupersededList& list) noexcept {
  while (!list.empty()) {
    Garbage garbage;
    std::unique_lock lock(gate_);
    for (size_t i = 0; i < kSettledPerLock && !list.empty(); ++i) settle_one(list, garbage);
  }
}

// Frees the first version of the list, or hangs it on the newest pin that still sees it.
void Engine::settle_one(SupersededList& list, Garbage& garbage) noexcept {
  const auto [entry, version, by] = list.front();
  if (version != nullptr) {
    auto newer_pin = pins_.lower_bound(by);
    if (newer_pin != pins_.begin()) {
      auto& [pinned, state] = *std::prev(newer_pin);
      if (pinned >= version->sequence) {
        state.retained.splice(state.retained.end(), list, list.begin());
        return;
      }
    }
    Version** link = &entry->newest;
    while (*link != version) link = &(*link)->older;
    *link = version->older;
    bytes_ -= version->cost_bytes();
    garbage.add(version);
  }
  list.pop_front();
  if (entry->newest->erased() && entry->newest->older == nullptr) remove(entry, garbage);
}

}  // namespace orbit::storage_memory
