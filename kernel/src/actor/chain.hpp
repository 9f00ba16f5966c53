// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Chains of calls. A call that a turn awaits points to that turn's envelope, which points to the turn that awaits it in turn,
// and so on to where the chain came in. Nothing is copied: a turn ends only after the calls that it awaits, so that everything
// on the way up stays as it is, on whichever workers it lies, and may be read from there. The walk is made only when a call
// finds its target closed.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "orbit/ext/actors.h"

namespace orbit::kernel {

inline constexpr uint32_t kHopsMax = 256;  // length of a chain

// orbit_envelope.hops: the length of the chain, and while the turn runs the number of calls that it awaits.
inline constexpr uint32_t kChildShift = 12;
inline constexpr uint32_t kOneChild = 1u << kChildShift;
static_assert(kHopsMax < kOneChild - 1);

// Set in the flags of a running turn whose caller has cancelled.
inline constexpr uint16_t kCancelled = 0x400;

// orbit_envelope.chain: the awaiting turn, and in the low bits of its address what must be readable wherever the call is.
inline constexpr uint64_t kShielded = 1;
inline constexpr uint64_t kReentry = 2;
inline constexpr uint64_t kChainBits = 15;

inline orbit_envelope* awaiting_turn(const orbit_envelope* call) noexcept {
  return reinterpret_cast<orbit_envelope*>(call->chain & ~kChainBits);
}
inline uint32_t hops_of(const orbit_envelope* envelope) noexcept { return envelope->hops & (kOneChild - 1); }
inline uint32_t children_of(const orbit_envelope* turn) noexcept { return turn->hops >> kChildShift; }

// A turn that awaits one call has it in `target`. One that awaits several has them here.
struct Child {
  orbit_envelope* call;
  bool cancelled;
};
using FanOuts = std::unordered_map<const orbit_envelope*, std::vector<Child>>;

}  // namespace orbit::kernel
