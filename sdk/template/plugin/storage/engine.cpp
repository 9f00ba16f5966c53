#include "engine.hpp"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

namespace @name@ {

orbit::Result<bool> Engine::get(const orbit::StorageSnapshot*, orbit::Bytes key, orbit::ValueSink value) {
  const auto lock = lock_shared();
  const auto found = map_.find(key);
  if (found == map_.end()) return false;
  value.append(found->second);
  return true;
}

orbit::Result<> Engine::multi_get(const orbit::StorageSnapshot*, orbit::KeyList keys, orbit::VisitValue visit) {
  const auto lock = lock_shared();
  for (size_t i = 0; i < keys.size(); ++i) {
    const auto found = map_.find(keys[i]);
    visit(i, found != map_.end(), found != map_.end() ? orbit::Bytes(found->second) : orbit::Bytes());
  }
  return {};
}

orbit::Result<> Engine::scan(const orbit::StorageSnapshot*, orbit::Bytes from, orbit::Bytes to, bool reverse,
                             orbit::VisitEntry visit) {
  if (!to.empty() && to <= from) return {};
  // Copied before the first visit: the visitor may take its time, and may write. A real engine visits a snapshot instead.
  std::vector<std::pair<std::string, std::string>> found;
  {
    const auto lock = lock_shared();
    found.assign(map_.lower_bound(from), to.empty() ? map_.end() : map_.lower_bound(to));
  }
  if (reverse) std::reverse(found.begin(), found.end());
  for (const auto& [key, value] : found)
    if (!visit(key, value)) break;
  return {};
}

orbit::Result<> Engine::write(orbit::WriteOps ops, bool) {
  const auto lock = lock_exclusive();
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
  const auto lock = lock_shared();
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
