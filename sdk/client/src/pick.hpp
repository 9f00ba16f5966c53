// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Which of several connections takes the next call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace orbit::client::detail {

struct Candidate {
  bool ready = false;
  uint32_t load = 0;  // calls under way
};

// The ready one with the least to do; of equals the first one from `start` on, which the caller moves, so that equals
// take turns.
inline std::optional<size_t> pick_least_loaded(std::span<const Candidate> candidates, size_t start) {
  std::optional<size_t> best;
  for (size_t i = 0; i < candidates.size(); ++i) {
    const size_t at = (start + i) % candidates.size();
    if (!candidates[at].ready) continue;
    if (!best || candidates[at].load < candidates[*best].load) best = at;
  }
  return best;
}

}  // namespace orbit::client::detail
