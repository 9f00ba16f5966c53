// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The plugins that see every call; see orbit/ext/call_filter.h.
#include "actor/runtime.hpp"
#include "actor/scheduler.hpp"

namespace orbit::kernel {

namespace {

orbit_call_info info_of(const orbit_envelope* envelope) {
  const TypeVersion* version = envelope->type->current.load(std::memory_order_acquire);
  const orbit_method* method = version != nullptr ? version->method(envelope->method) : nullptr;
  return {sizeof(orbit_call_info), envelope->method, envelope->type->name.c_str(), envelope->key,
          method != nullptr ? method->name : nullptr, envelope->deadline_ns, envelope->on_reply == nullptr,
          envelope->caller != nullptr};
}

bool watched(const orbit_envelope* envelope) { return envelope->type != nullptr && envelope->method < ORBIT_METHOD_SYSTEM; }

}  // namespace

// False: it was refused.
bool Scheduler::filter_outgoing(orbit_envelope* envelope) noexcept {
  if (!watched(envelope)) return true;
  const orbit_call_info info = info_of(envelope);
  for (const CallFilter& filter : *filters_) {
    if (filter.table->outgoing == nullptr) continue;
    ErrorOut error;
    if (const orbit_code code = filter.table->outgoing(filter.self, &info, envelope, &error); code != ORBIT_OK) {
      refuse(envelope, code, error.message);
      return false;
    }
  }
  return true;
}

bool Scheduler::filter_incoming(orbit_activation* a, orbit_envelope* envelope) noexcept {
  if (!watched(envelope)) return true;
  orbit_call_info info = info_of(envelope);
  info.key = to_c(a->key());
  orbit_envelope* const outer_turn = turn_;
  for (const CallFilter& filter : *filters_) {
    if (filter.table->incoming == nullptr) continue;
    ErrorOut error;
    turn_ = envelope;
    const orbit_code code = filter.table->incoming(filter.self, &info, &error);
    turn_ = outer_turn;
    if (code == ORBIT_OK) continue;
    refuse(envelope, code, error.message);
    return false;
  }
  return true;
}

void Scheduler::filter_ended(orbit_activation* a, orbit_envelope* envelope) noexcept {
  if (!watched(envelope)) return;
  orbit_call_info info = info_of(envelope);
  info.key = to_c(a->key());
  orbit_envelope* const outer_turn = turn_;
  turn_ = envelope;
  for (const CallFilter& filter : *filters_)
    if (filter.table->ended != nullptr) filter.table->ended(filter.self, &info, envelope->code, now_ns_ - std::min(now_ns_, envelope->hash));
  turn_ = outer_turn;
}

void Runtime::set_filters(std::vector<CallFilter> filters) {
  filters_ = std::move(filters);
  for (const auto& scheduler : schedulers_) scheduler->set_filters(filters_.empty() ? nullptr : &filters_);
}

}  // namespace orbit::kernel
