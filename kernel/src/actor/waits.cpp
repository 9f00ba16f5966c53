// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A worker looks at its own turns. Envelopes of calls that are away on other workers are looked at only where nobody changes
// them: type, key and method (as cancelling does); what is up a chain stays as it is (chain.hpp).
#include "actor/waits.hpp"

#include <algorithm>

#include "actor/hold.hpp"
#include "actor/names.hpp"
#include "actor/runtime.hpp"
#include "actor/scheduler.hpp"

namespace orbit::kernel {

namespace {

constexpr size_t kStepsShownMax = 32;
constexpr size_t kCallsShownMax = 64;
constexpr size_t kQueuedLookedAtMax = 1000;  // messages of one mailbox

std::string key_text(orbit_bytes key) { return short_key(from_c(key)); }

uint64_t began_ns(const orbit_envelope* turn) { return is_mark(turn) ? 0 : turn->hash; }

std::string method_of(const orbit_envelope* turn) {
  return is_mark(turn) ? "(hold)" : method_name(turn->type, turn->method);
}

template <class Visit>
void each_call(const FanOuts& fan_outs, const orbit_envelope* turn, Visit visit) {
  if (is_mark(turn) || children_of(turn) == 0) return;
  const auto several = fan_outs.find(turn);
  if (several == fan_outs.end()) return visit(static_cast<const orbit_envelope*>(turn->target));
  size_t shown = 0;
  for (const Child& child : several->second)
    if (shown++ < kCallsShownMax) visit(child.call);
}

}  // namespace

std::string method_name(const orbit_type* type, uint32_t method) {
  switch (method) {
    case ORBIT_METHOD_EXPIRE:
      return "(expiry)";
    case ORBIT_METHOD_TIMER:
      return "(timer)";
    case ORBIT_METHOD_DUE:
      return "(reminder)";
    case ORBIT_METHOD_EVENTS:
      return "(events)";
    case ORBIT_METHOD_REINDEX:
      return "(reindex)";
    case kMethodHold:
      return "(hold)";
    default:
      break;
  }
  const TypeVersion* version = type != nullptr ? type->current.load(std::memory_order_acquire) : nullptr;
  const orbit_method* known = version != nullptr ? version->method(method) : nullptr;
  return known != nullptr ? known->name : "#" + std::to_string(method);
}

void Scheduler::look_at_running(Running& out) const noexcept {
  const orbit_activation* a = current_;
  if (a == nullptr) return;
  out.actor = HotActors::Actor(a);
  // A turn that has just ended may be somebody else's envelope by now; that of an open turn is not.
  const orbit_envelope* turn = turn_;
  if (turn == nullptr || turn != a->current || a->several) return;
  out.in_turn = true;
  out.method = turn->method;
  out.since_ns = turn->hash;
}

void Scheduler::begin_wait(const orbit_envelope* turn, const char* what) noexcept {
  if (turn != nullptr) storage_waits_.emplace(turn, StorageWait{what, executor_.coarse_monotonic_ns()});
}

void Scheduler::end_wait(const orbit_envelope* turn, const char* what) noexcept {
  const auto [first, last] = storage_waits_.equal_range(turn);
  const auto found = std::find_if(first, last, [what](const auto& entry) { return entry.second.what == what; });
  if (found != last) storage_waits_.erase(found);
}

void Scheduler::describe_turns(const orbit_activation* a, std::vector<TurnView>& out) const {
  const auto describe = [&](const orbit_envelope* turn) {
    TurnView& view = out.emplace_back();
    view.method = method_of(turn);
    view.since_ns = began_ns(turn);
    each_call(fan_outs_, turn, [&view](const orbit_envelope* call) {
      view.calls.push_back({call->type->name, key_text(call->key), method_name(call->type, call->method)});
    });
    const auto [first, last] = storage_waits_.equal_range(turn);
    for (auto at = first; at != last; ++at) view.storage.push_back(at->second);
    if (is_mark(turn)) return;
    for (const orbit_envelope* step = turn; step->chain != 0; step = awaiting_turn(step)) {
      if (view.chain.size() == kStepsShownMax) {
        view.chain_is_longer = true;
        break;
      }
      const orbit_activation* who = step->caller;
      view.chain.push_back({who->type->name, key_text(to_c(who->key())), method_of(awaiting_turn(step))});
    }
  };
  if (a->several) {
    for (const orbit_envelope* turn : open_turns_.find(a)->second) describe(turn);
  } else if (a->current != nullptr) {
    describe(a->current);
  }
}

bool Scheduler::look_at_waits(WaitsOfWorker& out, size_t visits) {
  settle();  // what is not in a mailbox yet may have no key
  out.now_ns = now_ns_;
  for (; out.slot < table_.slots() && visits != 0; ++out.slot, --visits) {
    const orbit_activation* a = table_.slot(out.slot);
    if (a->stage == Stage::free || (a->current == nullptr && a->mailbox.empty())) continue;
    std::vector<orbit_envelope*> open;
    if (a->several)
      open = open_turns_.find(a)->second;
    else if (a->current != nullptr)
      open.push_back(a->current);
    out.queued += a->queued;
    out.turns += open.size();
    if (out.only_count) continue;
    if (out.turns > out.turns_max) {
      out.truncated = true;
      continue;
    }
    WaitingActor actor;
    actor.type = a->type;
    actor.mailbox = a->queued;
    actor.loading = a->stage == Stage::loading;
    for (const orbit_envelope* turn : open) {
      WaitingTurn& waiting = actor.turns.emplace_back();
      waiting.id = turn;
      waiting.method = method_of(turn);
      waiting.since_ns = began_ns(turn);
      each_call(fan_outs_, turn, [&waiting](const orbit_envelope* call) {
        waiting.calls.push_back({call, call->type, key_text(call->key), method_name(call->type, call->method)});
      });
      const auto [first, last] = storage_waits_.equal_range(turn);
      for (auto at = first; at != last; ++at) waiting.storage.push_back(at->second);
    }
    size_t looked_at = 0;
    for (const orbit_envelope* each = a->mailbox.head; each != nullptr; each = each->next) {
      if (++looked_at > kQueuedLookedAtMax) {
        out.truncated = true;
        break;
      }
      const bool hold = each->method == kMethodHold;
      if (!hold && each->chain == 0) continue;
      WaitingActor::Queued& queued = actor.queued.emplace_back();
      queued.id = hold ? hold_of(each) : each;
      for (size_t i = 0; i < open.size(); ++i)
        if (hold || !may_pass(a, open[i], each)) queued.behind.push_back(i);
      // It may pass the turns, but not what waits before it.
      if (queued.behind.empty())
        for (size_t i = 0; i < open.size(); ++i) queued.behind.push_back(i);
    }
    if (actor.turns.empty() && actor.queued.empty()) continue;
    actor.key = key_text(to_c(a->key()));
    out.actors.push_back(std::move(actor));
  }
  return out.slot >= table_.slots();
}

}  // namespace orbit::kernel
