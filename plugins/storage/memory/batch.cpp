// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "batch.hpp"

namespace orbit::storage_memory {

Engine::Batch::Batch(Engine& engine, WriteOps ops, uint64_t sequence)
    : engine_(engine), ops_(ops), sequence_(sequence), versions_(ops.size()) {
  for (size_t i = 0; i < ops.size(); ++i) {
    const WriteOp op = ops[i];
    if (op.kind == WriteKind::put) versions_[i] = Version::of(op.value, sequence);
    if (op.kind == WriteKind::erase) versions_[i] = Version::erasure(sequence);
  }
}

bool Engine::Batch::step(Garbage& garbage) {
  size_t budget = kOpsPerStep;
  while (budget > 0 && next_ < ops_.size()) {
    const WriteOp op = ops_[next_];
    if (op.kind == WriteKind::put) {
      put(op.key, std::move(versions_[next_]), garbage);
    } else if (op.kind == WriteKind::erase) {
      const auto* found = engine_.find(op.key);
      if (found != nullptr && !found->newest->erased()) put(op.key, std::move(versions_[next_]), garbage);
    } else {
      if (!erase_some(op.key, op.value, budget, garbage)) return true;
      range_last_ = nullptr;
    }
    ++next_;
    if (budget > 0) --budget;
  }
  return next_ < ops_.size();
}

// True: the range is done.
bool Engine::Batch::erase_some(Bytes from, Bytes to, size_t& budget, Garbage& garbage) {
  // Where the last step stopped cannot have gone: the version under its erasure waits for this batch to be settled.
  auto at = range_last_ != nullptr ? std::next(engine_.tree_.iterator_to(*range_last_)) : engine_.tree_.lower_bound(from);
  for (; at != engine_.tree_.end() && (to.empty() || at->key() < to); ++at) {
    if (at->newest->erased()) continue;
    if (budget == 0) return false;
    --budget;
    auto version = Version::erasure(sequence_);
    if (at->newest->sequence != sequence_) touched_.push_back({&*at, at->newest, sequence_});
    link(*at, std::move(version), garbage);
    range_last_ = &*at;
  }
  return true;
}

void Engine::Batch::put(Bytes key, Version::Owner version, Garbage& garbage) {
  auto* entry = const_cast<Entry*>(engine_.find(key));
  if (entry == nullptr)
    entry = engine_.insert(key, touched_, sequence_);
  else if (entry->newest->sequence != sequence_)
    touched_.push_back({entry, entry->newest, sequence_});
  link(*entry, std::move(version), garbage);
}

void Engine::Batch::link(Entry& entry, Version::Owner version, Garbage& garbage) noexcept {
  Version* replaced = entry.newest;
  version->older = replaced;
  uint64_t gone_bytes = 0;
  if (replaced != nullptr && replaced->sequence == sequence_) {  // an earlier operation of this batch: nobody saw it
    version->older = replaced->older;
    gone_bytes = replaced->cost_bytes();
    garbage.add(replaced);
  }
  entry.newest = version.release();
  engine_.bytes_ += entry.newest->cost_bytes() - gone_bytes;
}

void Engine::Batch::undo(Garbage& garbage) noexcept {
  for (const Superseded& touched : touched_) {
    if (touched.entry == nullptr) continue;  // its insertion failed
    Version* newest = touched.entry->newest;
    if (newest != nullptr && newest->sequence == sequence_) {
      touched.entry->newest = newest->older;
      engine_.bytes_ -= newest->cost_bytes();
      garbage.add(newest);
    }
    newest = touched.entry->newest;
    if (newest == nullptr || (newest->erased() && newest->older == nullptr)) engine_.remove(touched.entry, garbage);
  }
}

}  // namespace orbit::storage_memory
