// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "range_set.hpp"

#include <algorithm>
#include <functional>
#include <set>

namespace orbit::lsm {

std::vector<KeyRange> joined(std::vector<KeyRange> ranges) {
  std::sort(ranges.begin(), ranges.end(), [](const KeyRange& a, const KeyRange& b) { return a.from < b.from; });
  std::vector<KeyRange> out;
  for (KeyRange& range : ranges) {
    if (out.empty() || !out.back().to.after(range.from))
      out.push_back(std::move(range));
    else if (before(out.back().to, range.to))
      out.back().to = std::move(range.to);
  }
  return out;
}

RangeSet::RangeSet(const std::vector<ErasedRange>& ranges) {
  std::vector<const ErasedRange*> begins;
  std::vector<std::string_view> cuts;
  for (const ErasedRange& range : ranges) {
    if (!range.to.after(range.from)) continue;
    begins.push_back(&range);
    cuts.push_back(range.from);
    if (!range.to.infinite) cuts.push_back(range.to.key);
  }
  if (begins.empty()) return;
  std::sort(begins.begin(), begins.end(), [](const auto* a, const auto* b) { return a->from < b->from; });
  std::vector<const ErasedRange*> ends = begins;
  std::sort(ends.begin(), ends.end(), [](const auto* a, const auto* b) { return before(a->to, b->to); });
  std::sort(cuts.begin(), cuts.end());
  cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());

  std::multiset<uint64_t, std::greater<>> open;
  size_t begin = 0;
  size_t end = 0;
  for (size_t i = 0; i < cuts.size(); ++i) {
    for (; begin < begins.size() && begins[begin]->from == cuts[i]; ++begin) open.insert(begins[begin]->sequence);
    for (; end < ends.size() && !ends[end]->to.infinite && ends[end]->to.key <= cuts[i]; ++end)
      open.erase(open.find(ends[end]->sequence));
    if (open.empty()) continue;
    Fragment fragment;
    fragment.from = cuts[i];
    if (i + 1 < cuts.size()) {
      fragment.to.key = cuts[i + 1];
    } else {
      fragment.to.infinite = true;
    }
    fragment.sequences.assign(open.begin(), open.end());
    fragment.sequences.erase(std::unique(fragment.sequences.begin(), fragment.sequences.end()),
                             fragment.sequences.end());
    memory_bytes_ += sizeof(Fragment) + fragment.from.size() + fragment.to.key.size() + fragment.sequences.size() * 8;
    if (!fragments_.empty() && fragments_.back().sequences == fragment.sequences &&
        fragments_.back().to == RangeEnd{fragment.from, false}) {
      fragments_.back().to = std::move(fragment.to);
    } else {
      fragments_.push_back(std::move(fragment));
    }
  }
}

const RangeSet::Fragment* RangeSet::at(Bytes key) const noexcept {
  if (fragments_.empty()) return nullptr;
  const auto next = std::upper_bound(fragments_.begin(), fragments_.end(), key,
                                     [](Bytes wanted, const Fragment& fragment) { return wanted < fragment.from; });
  if (next == fragments_.begin()) return nullptr;
  const Fragment& fragment = *(next - 1);
  return fragment.to.after(key) ? &fragment : nullptr;
}

uint64_t RangeSet::cover(Bytes key, uint64_t sequence) const noexcept {
  const Fragment* const fragment = at(key);
  if (fragment == nullptr) return 0;
  for (const uint64_t one : fragment->sequences)
    if (one <= sequence) return one;
  return 0;
}

std::vector<ErasedRange> RangeSet::ranges() const {
  std::vector<ErasedRange> out;
  for (const Fragment& fragment : fragments_)
    for (const uint64_t sequence : fragment.sequences) out.push_back({fragment.from, fragment.to, sequence});
  return out;
}

}  // namespace orbit::lsm
