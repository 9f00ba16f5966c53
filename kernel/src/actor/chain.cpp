// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Chains of calls: cycles and cancellation; see chain.hpp.
#include "actor/chain.hpp"

#include <algorithm>

#include "actor/hold.hpp"
#include "actor/names.hpp"
#include "actor/runtime.hpp"
#include "actor/scheduler.hpp"
#include "observe/assert.hpp"
#include "state/record_format.hpp"

namespace orbit::kernel {

namespace {

constexpr size_t kNamesShownMax = 16;

// In the room of a kMethodCancel envelope; its type and key are those of the call.
struct CancelNotice {
  orbit_envelope* call;
};

// "a -> b -> a"; the middle of a long chain is left out.
std::string path_text(const std::vector<const orbit_activation*>& path) {
  std::string text;
  for (size_t i = 0; i < path.size(); ++i) {
    if (path.size() > kNamesShownMax && i == kNamesShownMax / 2) {
      const size_t skipped = path.size() - kNamesShownMax;
      text += " -> (" + std::to_string(skipped) + " more)";
      i += skipped;
    }
    text += (i == 0 ? "" : " -> ") + actor_name(path[i]->type->name, path[i]->key());
  }
  return text;
}

bool take_out(EnvelopeQueue& queue, const orbit_envelope* wanted) noexcept {
  EnvelopeQueue kept;
  bool found = false;
  while (!queue.empty()) {
    orbit_envelope* envelope = queue.pop();
    if (envelope == wanted)
      found = true;
    else
      kept.push(envelope);
  }
  queue = kept;
  return found;
}

}  // namespace

// The running turn awaits the call.
void Scheduler::join_chain(orbit_envelope* envelope) noexcept {
  orbit_envelope* const turn = turn_;
  envelope->chain = reinterpret_cast<uint64_t>(turn) | ((envelope->flags & ORBIT_ENVELOPE_SHIELDED) != 0 ? kShielded : 0) |
                    ((envelope->flags & ORBIT_ENVELOPE_REENTRY) != 0 ? kReentry : 0);
  envelope->hops = hops_of(turn) + (hops_of(turn) <= kHopsMax);
  if (children_of(turn) == 0) {
    turn->target = envelope;
  } else {
    auto& children = fan_outs_[turn];
    if (children.empty()) children.push_back({static_cast<orbit_envelope*>(turn->target), false});
    children.push_back({envelope, false});
  }
  turn->hops += kOneChild;
}

void Scheduler::leave_chain(orbit_envelope* envelope) noexcept {
  orbit_envelope* const turn = awaiting_turn(envelope);
  turn->hops -= kOneChild;
  turn->target = nullptr;
  if (!fan_outs_.empty()) [[unlikely]] {
    const auto found = fan_outs_.find(turn);
    if (found == fan_outs_.end()) return;
    auto& children = found->second;
    children.erase(std::find_if(children.begin(), children.end(), [&](const Child& each) { return each.call == envelope; }));
    turn->target = children.empty() ? nullptr : children.front().call;
    if (children.empty()) fan_outs_.erase(found);
  }
}

// Whether `call`, which waits for a place in the actor of that open turn, may run while the turn waits.
static bool passes(const TypeVersion& version, const orbit_envelope* open, const orbit_envelope* call) noexcept {
  if (is_mark(open)) return false;
  const orbit_method* method = version.method(open->method);
  const uint32_t flags = method != nullptr ? method->flags : 0;
  if ((flags & ORBIT_METHOD_REENTRANT) != 0) return true;
  if ((flags & ORBIT_METHOD_READ_ONLY) != 0) {
    const orbit_method* its = version.method(call->method);
    if (its != nullptr && (its->flags & ORBIT_METHOD_READ_ONLY) != 0) return true;
  }
  for (const orbit_envelope* step = call; step->chain != 0; step = awaiting_turn(step))
    if (awaiting_turn(step) == open) return (step->chain & kReentry) != 0;
  return false;
}

bool Scheduler::may_pass(const orbit_activation* a, const orbit_envelope* open, const orbit_envelope* call) noexcept {
  return passes(*a->version, open, call);
}

// Whether the first waiting message of an actor with open turns may run now.
bool Scheduler::admits(const orbit_activation* a) const noexcept {
  const orbit_envelope* next = a->mailbox.head;
  if (next->method == kMethodHold || a->doomed) return false;
  if (a->leaving && next->chain == 0) return false;  // it leaves once its open turns have ended, which this may wait for
  if (!a->version->interleaves && next->chain == 0) return false;
  if (!a->several) return passes(*a->version, a->current, next);
  const auto& open = open_turns_.find(a)->second;
  return std::all_of(open.begin(), open.end(), [&](const orbit_envelope* turn) { return passes(*a->version, turn, next); });
}

void Scheduler::open_another(orbit_activation* a, orbit_envelope* envelope) {
  auto& open = open_turns_[a];
  if (open.empty()) open.push_back(a->current);
  open.push_back(envelope);
  a->several = true;
}

void Scheduler::close_one(orbit_activation* a, const orbit_envelope* envelope) noexcept {
  const auto found = open_turns_.find(a);
  auto& open = found->second;
  open.erase(std::find(open.begin(), open.end(), envelope));
  a->current = open.back();
  if (open.size() != 1) return;
  open_turns_.erase(found);
  a->several = false;
}

// A call of a chain that is open on `a` already: refused when it would wait for itself, and else put before what waits there,
// because that waits for the chain. False: the chain has nothing open on `a`.
bool Scheduler::come_back(orbit_activation* a, orbit_envelope* envelope) noexcept {
  if (hops_of(envelope) > kHopsMax) {
    tallies_.cycles.add();
    refuse(envelope, ORBIT_FAILED_PRECONDITION, "the call chain to " + actor_name(a->type->name, a->key()) + " has more than " +
                                                    std::to_string(kHopsMax) + " calls, the limit");
    return true;
  }
  bool open_here = false;
  const orbit_envelope* call = envelope;
  for (; call->chain != 0; call = awaiting_turn(call)) {
    if (call->caller != a) continue;
    if (!passes(*a->version, awaiting_turn(call), envelope)) break;
    open_here = true;
  }
  if (call->chain == 0 && !open_here) return false;
  if (call->chain == 0) {
    retain_payload(envelope);
    a->mailbox.push_front(envelope);
    ++a->queued;
    if (runnable(a)) schedule(a);
    return true;
  }
  std::vector<const orbit_activation*> path = {a};
  for (const orbit_envelope* step = envelope;; step = awaiting_turn(step)) {
    path.push_back(step->caller);
    if (step == call) break;
  }
  std::reverse(path.begin(), path.end());
  tallies_.cycles.add();
  refuse(envelope, ORBIT_FAILED_PRECONDITION, "the call would wait for itself: " + path_text(path));
  return true;
}

void Scheduler::cancel(orbit_envelope* call) noexcept {
  deliver_hinted();
  const std::string_view key = from_c(call->key);
  const uint64_t hash = key_hash(key);
  const TypeVersion* version = call->type->current.load(std::memory_order_acquire);
  if (version != nullptr && version->stateless_copies != 0) {
    for (uint32_t copy = 0; copy < version->stateless_copies; ++copy)
      if (cancel_here(call->type, copy_hash(hash, copy), key, call)) return;
    return;
  }
  const uint32_t owner = runtime_.worker_of(ActivationTable::mix(call->type, hash));
  if (owner == worker_) {
    cancel_here(call->type, hash, key, call);
    return;
  }
  if (take_out_of_outbox(owner, call)) {
    tallies_.cancelled.add();
    set_error(call, ORBIT_CANCELLED, "the call was cancelled before it was made");
    reply(call);
    return;
  }
  // Behind the call on its way, so that it is found there, or has been answered.
  orbit_envelope* notice = pool_.allocate();
  new (notice->room) CancelNotice{call};
  notice->type = call->type;
  notice->key = call->key;
  notice->hash = hash;
  notice->method = kMethodCancel;
  notice->reply_worker = static_cast<uint16_t>(worker_);
  send_away(owner, notice);
}

void Scheduler::cancel_arrived(orbit_envelope* notice) noexcept {
  cancel_here(notice->type, notice->hash, from_c(notice->key), reinterpret_cast<CancelNotice*>(notice->room)->call);
  free_envelope(notice);
}

// The call is touched only if it is found here: otherwise it has been answered, and may be somebody else's by now.
bool Scheduler::cancel_here(const orbit_type* type, uint64_t hash, std::string_view key, orbit_envelope* call) noexcept {
  orbit_activation* a = table_.find(type, ActivationTable::mix(type, hash), key);
  if (a == nullptr) return false;
  bool runs = a->current == call;
  if (a->several) {
    const auto& open = open_turns_.find(a)->second;
    runs = std::find(open.begin(), open.end(), call) != open.end();
  }
  if (runs) {
    cancel_turn(call);
    return true;
  }
  if (!take_out(a->mailbox, call)) return false;
  --a->queued;
  tallies_.cancelled.add();
  set_error(call, ORBIT_CANCELLED, "the call was cancelled before the turn of " + actor_name(type->name, key) + " began");
  reply(call);
  return true;
}

void Scheduler::cancel_turn(orbit_envelope* turn) noexcept {
  if ((turn->flags & kCancelled) != 0) return;
  turn->flags |= kCancelled;
  tallies_.cancelled.add();
  if (children_of(turn) == 0) return;
  const auto several = fan_outs_.find(turn);
  if (several == fan_outs_.end()) {
    auto* call = static_cast<orbit_envelope*>(turn->target);
    if ((call->chain & kShielded) == 0) cancel(call);
    return;
  }
  // Answers that come meanwhile change the list, and the last one may end the turn.
  for (auto found = several; found != fan_outs_.end(); found = fan_outs_.find(turn)) {
    const auto next = std::find_if(found->second.begin(), found->second.end(), [](const Child& each) {
      return !each.cancelled && (each.call->chain & kShielded) == 0;
    });
    if (next == found->second.end()) return;
    next->cancelled = true;
    cancel(next->call);
  }
}

}  // namespace orbit::kernel
