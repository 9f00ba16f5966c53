// SPDX-License-Identifier: MIT OR BSD-3-Clause
// How types are erased together with what a hold changes. The types are frozen on every worker: activations that the
// hold does not have are saved and leave, none is made. Then one batch removes all that is stored of the types and has
// the hold's changes behind that, so that a crash finds all of it or nothing. Only when it is stored do actors come
// back. A hold that waits for an actor of such a hold lets go of what it has (deliver, hold_arrived): it may have one
// that has to leave.
//
// Expiry index entries stay behind; the sweeper finds their actors gone and removes them.
#include "actor/erasing.hpp"

#include <algorithm>
#include <atomic>

#include "actor/hold.hpp"
#include "actor/runtime.hpp"
#include "state/record_format.hpp"

using namespace orbit::kernel;

void orbit_hold::end_erasing(orbit_code code, const std::string& message) noexcept {
  give_back(code != ORBIT_OK);
  home->runtime().on_all_workers(
      home->worker(),
      [this](Scheduler& scheduler, std::function<void()> finished) {
        scheduler.unfreeze(erasing->erased);
        finished();
      },
      [this, code, message] {
        if (committed != nullptr) committed(committed_ctx, code, message.c_str());
        home->recycle(this);
      });
}

namespace orbit::kernel {

void ErasingTurns::enter(orbit_hold* hold) {
  {
    const std::lock_guard lock(mutex_);
    if (taken_) return waiting_.push_back(hold);
    taken_ = true;
  }
  hold->erasing->in_turn = true;
  hold->advance();
}

void ErasingTurns::leave() {
  const std::lock_guard lock(mutex_);
  taken_ = !waiting_.empty();
  if (!taken_) return;
  orbit_hold* next = waiting_.front();
  waiting_.pop_front();
  next->erasing->in_turn = true;
  next->home->runtime().post(next->home->worker(), [next] {
    next->home->settle();
    next->advance();
  });
}

void Scheduler::hold_erasing(const orbit_actor_ref* refs, size_t count, std::span<const orbit_type* const> types,
                             uint64_t deadline_ns, orbit_hold_granted granted, void* ctx) noexcept {
  orbit_hold* hold = prepare_hold(refs, count, types, deadline_ns, granted, ctx);
  if (hold == nullptr) return;
  if (count == 0 && types.empty()) {
    hold->give_up(ORBIT_INVALID_ARGUMENT, "neither actors to hold nor types to erase were named");
    return;
  }
  Store& store = runtime_.store_of(count != 0 ? *refs[0].type : *types[0]);
  if (!store.committer.writable()) {
    hold->give_up(ORBIT_UNAVAILABLE, store.committer.reason());
    return;
  }
  hold->erasing = std::make_unique<Erasing>(Erasing{&store, {}, {}});
  for (const orbit_type* type : types) hold->erasing->types.push_back(const_cast<orbit_type*>(type));
  hold->remote = true;
  hold->own_keys();
  runtime_.erasing_turns().enter(hold);
}

void Scheduler::release_erasing(orbit_hold* hold, const uint8_t* dirty, const uint8_t* erase,
                                orbit_hold_committed committed, void* ctx) noexcept {
  Erasing& erasing = *hold->erasing;
  for (size_t i = 0; i < erasing.types.size(); ++i)
    if (erase != nullptr && erase[i] != 0) erasing.erased.push_back(erasing.types[i]);
  if (erasing.erased.empty()) return release(hold, dirty, committed, ctx);
  if (!hold->kept) --granted_holds_;
  for (size_t i = 0; i < hold->item_of.size(); ++i) {
    orbit_hold::Item& item = hold->items[hold->item_of[i]];
    item.dirty = item.dirty || (dirty != nullptr && dirty[i] != 0);
  }
  hold->committed = committed;
  hold->committed_ctx = ctx;
  runtime_.on_all_workers(
      worker_,
      [hold](Scheduler& scheduler, std::function<void()> finished) {
        const std::vector<orbit_type*>& types = hold->erasing->erased;
        scheduler.freeze(types);
        scheduler.leave_all(
            [hold, &types](const orbit_activation& a) {
              return a.current != mark_of(hold) && std::find(types.begin(), types.end(), a.type) != types.end();
            },
            ORBIT_DEACTIVATION_ERASED);
        scheduler.when_empty(types, mark_of(hold), std::move(finished));
      },
      [this, hold] { commit_erasing(hold); });
}

void Scheduler::commit_erasing(orbit_hold* hold) noexcept {
  // Known only now: a change from before the hold may have failed while turns of the types were waited for.
  for (const orbit_hold::Item& item : hold->items)
    if (item.worker == worker_ && item.a->doomed) return hold->end_erasing(ORBIT_ABORTED, kHoldDoomed);
  const Erasing& erasing = *hold->erasing;
  Pending* pending = make_submission(*erasing.store, true, false);
  for (const orbit_type* type : erasing.erased) {
    pending->batch.remove_range(type->main_prefix, prefix_end(type->main_prefix));
    pending->batch.remove_range(type->sub_prefix, prefix_end(type->sub_prefix));
    pending->batch.remove_range(type->index_prefix, prefix_end(type->index_prefix));
    pending->batch.count_none(&type->name);
  }
  for (size_t i = 0; i < hold->items.size(); ++i) {
    const orbit_hold::Item& item = hold->items[i];
    const bool erased = std::find(erasing.erased.begin(), erasing.erased.end(), item.type) != erasing.erased.end();
    if (erased) item.a->has_main = false;
    if (item.dirty) collect_held(hold, i, *pending);
  }
  pending->then.push_back([hold](orbit_code code, const std::string& message) { hold->end_erasing(code, message); });
  submit(pending);
}

void erase_all_actors(const orbit_type* type, void (*done)(void*, orbit_code, const char*), void* ctx) {
  struct Waiting {
    void (*done)(void*, orbit_code, const char*);
    void* ctx;
  };
  this_scheduler()->hold_erasing(
      nullptr, 0, {&type, 1}, 0,
      [](void* waiting, orbit_hold* hold, void* const*, size_t, orbit_code code, const char* message) {
        const auto end = [](void* raw, orbit_code ended, const char* why) {
          const std::unique_ptr<Waiting> its(static_cast<Waiting*>(raw));
          its->done(its->ctx, ended, why);
        };
        if (code != ORBIT_OK) return end(waiting, code, message);
        const uint8_t erase = 1;
        this_scheduler()->release_erasing(hold, nullptr, &erase, end, waiting);
      },
      new Waiting{done, ctx});
}

const orbit_erasing_v1* erasing_table() noexcept {
  static constexpr orbit_erasing_v1 kTable = {
      .struct_size = sizeof(orbit_erasing_v1),
      .reserved = 0,
      .hold =
          [](const orbit_actor_ref* refs, size_t count, const orbit_type* const* types, size_t type_count,
             uint64_t deadline_ns, orbit_hold_granted granted, void* ctx) {
            this_scheduler()->hold_erasing(refs, count, {types, type_count}, deadline_ns, granted, ctx);
          },
      .release = [](orbit_hold* hold, const uint8_t* dirty, const uint8_t* erase, orbit_hold_committed committed,
                    void* ctx) { this_scheduler()->release_erasing(hold, dirty, erase, committed, ctx); },
  };
  return &kTable;
}

}  // namespace orbit::kernel
