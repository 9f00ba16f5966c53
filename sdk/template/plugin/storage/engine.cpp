#include "engine.hpp"

#include <iterator>
#include <mutex>

namespace @name@ {

orbit::Result<bool> Engine::get(const orbit::StorageSnapshot*, orbit::Bytes key, orbit::ValueSink value) {
  const std::shared_lock lock(mutex_);
  const auto found = map_.find(key);
  if (found == map_.end()) return false;
  value.append(found->second);
  return true;
}

orbit::Result<> Engine::multi_get(const orbit::StorageSnapshot*, orbit::KeyList keys, orbit::VisitValue visit) {
  const std::shared_lock lock(mutex_);
  for (size_t i = 0; i < keys.size(); ++i) {
    const auto found = map_.find(keys[i]);
    visit(i, found != map_.end(), found != map_.end() ? orbit::Bytes(found->second) : orbit::Bytes());
  }
  return {};
}

orbit::Result<> Engine::scan(const orbit::StorageSnapshot*, orbit::Bytes from, orbit::Bytes to, bool reverse,
                             orbit::VisitEntry visit) {
  const std::shared_lock lock(mutex_);
  if (!to.empty() && to <= from) return {};
  const auto first = map_.lower_bound(from);
  const auto last = to.empty() ? map_.end() : map_.lower_bound(to);
  if (reverse) {
    for (auto at = last; at != first;) {
      --at;
      if (!visit(at->first, at->second)) break;
    }
  } else {
    for (auto at = first; at != last; ++at)
      if (!visit(at->first, at->second)) break;
  }
  return {};
}

orbit::Result<> Engine::write(orbit::WriteOps ops, bool) {
  const std::unique_lock lock(mutex_);
  // Checked before anything is changed, so that a batch is applied whole or not at all.
  uint64_t added = 0;
  for (size_t i = 0; i < ops.size(); ++i)
    if (ops[i].kind == orbit::WriteKind::put) added += ops[i].key.size() + ops[i].value.size();
  if (added != 0 && bytes_ + added > bytes_max_) {
    return orbit::fail(orbit::Code::resource_exhausted,
                       "the write would exceed bytes_max = " + std::to_string(bytes_max_));
  }
  // Out of memory in the middle would tear the batch: better to end here than to go on with half of it.
  [&]() noexcept {
    for (size_t i = 0; i < ops.size(); ++i) apply(ops[i]);
  }();
  return {};
}

uint64_t Engine::size_bytes() {
  const std::shared_lock lock(mutex_);
  return bytes_;
}

void Engine::apply(const orbit::WriteOp& op) {
  const auto at = map_.lower_bound(op.key);
  const bool here = at != map_.end() && at->first == op.key;
  switch (op.kind) {
    case orbit::WriteKind::put:
      if (here) {
        bytes_ += op.value.size() - at->second.size();
        at->second.assign(op.value);
      } else {
        map_.emplace_hint(at, op.key, op.value);
        bytes_ += op.key.size() + op.value.size();
      }
      break;
    case orbit::WriteKind::erase:
      if (here) erase(at, std::next(at));
      break;
    case orbit::WriteKind::erase_range:
      if (op.value.empty())
        erase(at, map_.end());
      else if (op.key < op.value)
        erase(at, map_.lower_bound(op.value));
      break;
  }
}

void Engine::erase(Map::iterator first, Map::iterator last) {
  for (auto at = first; at != last; ++at) bytes_ -= at->first.size() + at->second.size();
  map_.erase(first, last);
}

}  // namespace @name@
