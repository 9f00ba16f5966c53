// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Holds: one piece of code over several actors, in one commit. Activations are taken in one global order (worker, mixed hash,
// type, key), so that holds never wait for each other in a circle.
//
// Committing. When everything lies on the granting worker and the changed actors share a flush class, they are marked dirty
// together: a cut is atomic, so that is enough. Otherwise the changes are collected at once into one submission of their own;
// what these actors had changed before has been submitted before the hold is granted. For SYNC types the actors stay closed
// until it is stored, because a failure has to undo all of them.
#include <algorithm>
#include <atomic>

#include "actor/hold.hpp"
#include "actor/runtime.hpp"
#include "state/record_format.hpp"

using namespace orbit::kernel;

namespace {

constexpr uint64_t kBackOffNs = 1'000'000;

// In the room of a hold's envelope.
struct Ticket {
  orbit_hold* hold;
};

std::string several_storages(Runtime& runtime, const orbit_type& one, const orbit_type& other) {
  return "actors of " + one.name + " and " + other.name + " cannot be held together: the storage '" +
         runtime.store_of(one).name() + "' has the first and '" + runtime.store_of(other).name() +
         "' the second, so that a change of both would not be atomic; use them one by one, or bind both types to one storage";
}

// Answers a hold's envelope that was refused (a full mailbox, an activation that failed) on the home worker.
void refused(void* ctx, orbit_envelope* envelope) {
  auto* hold = static_cast<orbit_hold*>(ctx);
  const orbit_code code = envelope->code;
  const std::string message = envelope->message != nullptr ? envelope->message : "";
  hold->home->free_envelope(envelope);
  if (code == kHoldMeetsFrozen)
    hold->back_off();
  else
    hold->give_up(code, message);
}

}  // namespace

void orbit_hold::advance() noexcept {
  while (next < items.size()) {
    Item& item = items[next];
    if (deadline_ns != 0 && deadline_ns <= home->now_ns()) {
      give_up(ORBIT_DEADLINE_EXCEEDED, "the deadline passed while waiting for " + item.type->name + "/" + std::string(item.key));
      return;
    }
    if (item.worker == home->worker() && home->frozen(item.type)) {
      back_off();
      return;
    }
    if (item.worker == home->worker()) {
      orbit_activation* a = home->table().find(item.type, item.mixed, item.key);
      if (a == nullptr) {
        orbit::Error error;
        a = home->activation(item.type, item.hash, item.key, error);
        if (a == nullptr) {
          give_up(static_cast<orbit_code>(error.code), error.message);
          return;
        }
      }
      if (a->idle() && a->version == a->type->current.load(std::memory_order_acquire)) {
        a->current = mark_of(this);
        a->no_holds = erasing != nullptr;
        a->last_used = home->now_tick_;
        take(a);
        continue;
      }
    }
    // Wait in its mailbox, in turn with everyone else.
    own_keys();
    orbit_envelope* envelope = home->allocate();
    new (envelope->room) Ticket{this};
    envelope->type = item.type;
    envelope->hash = item.hash;
    envelope->key = orbit::to_c(item.key);
    envelope->method = kMethodHold;
    envelope->on_reply = &refused;
    envelope->reply_ctx = this;
    home->send(envelope, nullptr);
    return;
  }
  home->submit_before(*this);
  grant();
}

void orbit_hold::grant() noexcept {
  for (size_t i = 0; i < item_of.size(); ++i) actors[i] = items[item_of[i]].a->actor;
  ++home->granted_holds_;
  // `home` outlives this hold, which granted may release.
  Scheduler* const scheduler = home;
  const Store* const outer = scheduler->held_in_;
  if (erasing != nullptr) scheduler->held_in_ = erasing->store;
  else if (!items.empty()) scheduler->held_in_ = &scheduler->store_of(items[0].a);
  granted(ctx, this, actors.data(), actors.size(), ORBIT_OK, "");
  scheduler->held_in_ = outer;
}

void orbit_hold::own_keys() {
  for (Item& item : items) {
    if (!item.owned_key.empty() || item.key.empty()) continue;
    item.owned_key = item.key;
    item.key = item.owned_key;
  }
}

void orbit_hold::back_off() noexcept {
  own_keys();
  give_back(false);
  home->executor_.after(kBackOffNs, [](void* self) {
    auto* hold = static_cast<orbit_hold*>(self);
    hold->home->now_ns_ = hold->home->executor_.coarse_monotonic_ns();
    hold->advance();
  }, this);
}

void orbit_hold::give_up(orbit_code code, std::string_view message) noexcept {
  const std::string text(message);
  give_back(false);
  granted(ctx, nullptr, nullptr, 0, code, text.c_str());
  home->recycle(this);
}

void orbit_hold::give_back(bool failed) noexcept {
  for (size_t i = 0; i < next; ++i) {
    Item& item = items[i];
    const bool drop = failed && item.dirty;
    if (item.worker == home->worker()) {
      if (drop && item.collected) item.a->gate = item.gate_before;
      home->unhold(item.a, drop);
      continue;
    }
    Scheduler* owner = &home->runtime().scheduler(item.worker);
    const bool changed = !failed && item.dirty;
    home->runtime().post(item.worker, [owner, a = item.a, drop, changed] {
      if (changed) owner->gate_behind_hold(a);
      owner->unhold(a, drop);
    });
  }
  next = 0;
}

namespace orbit::kernel {

void Scheduler::hold(const orbit_actor_ref* refs, size_t count, uint64_t deadline_ns, orbit_hold_granted granted,
                     void* ctx) noexcept {
  if (orbit_hold* hold = prepare_hold(refs, count, {}, deadline_ns, granted, ctx)) hold->advance();
}

// Null: it was refused, and `granted` said so.
orbit_hold* Scheduler::prepare_hold(const orbit_actor_ref* refs, size_t count, std::span<const orbit_type* const> erased,
                                    uint64_t deadline_ns, orbit_hold_granted granted, void* ctx) noexcept {
  deliver_hinted();  // goes before it
  orbit_hold* hold = nullptr;
  if (spare_holds_.empty()) {
    hold = new orbit_hold;
  } else {
    hold = spare_holds_.back();
    spare_holds_.pop_back();
  }
  hold->home = this;
  hold->granted = granted;
  hold->ctx = ctx;
  hold->deadline_ns = deadline_ns;
  hold->remote = false;
  hold->kept = false;
  hold->next = 0;
  hold->items.resize(count);
  hold->item_of.resize(count);
  hold->actors.resize(count);
  hold->order.resize(count);
  uint32_t store = 0;
  for (size_t i = 0; i < count; ++i) {
    orbit_hold::Item& item = hold->items[i];
    item.type = const_cast<orbit_type*>(refs[i].type);
    item.key = from_c(refs[i].key);
    item.owned_key.clear();
    item.hash = key_hash(item.key);
    item.mixed = ActivationTable::mix(item.type, item.hash);
    item.worker = runtime_.worker_of(item.mixed);
    item.dirty = item.collected = false;
    item.a = nullptr;
    hold->remote = hold->remote || item.worker != worker_;
    const TypeVersion* version = item.type->current.load(std::memory_order_acquire);
    if (version != nullptr && version->stateless_copies != 0) {
      granted(ctx, nullptr, nullptr, 0, ORBIT_FAILED_PRECONDITION,
              ("actors of the stateless type " + item.type->name + " cannot be held").c_str());
      recycle(hold);
      return nullptr;
    }
    // Two engines cannot be written as one: better refused than torn.
    const uint32_t its_store = version != nullptr ? version->store : runtime_.store_of(*item.type).number;
    if (i == 0) store = its_store;
    if (its_store != store) {
      granted(ctx, nullptr, nullptr, 0, ORBIT_FAILED_PRECONDITION,
              several_storages(runtime_, *hold->items[0].type, *item.type).c_str());
      recycle(hold);
      return nullptr;
    }
    hold->order[i] = static_cast<uint32_t>(i);
    if (item.key.size() > ORBIT_ACTOR_KEY_MAX) {
      granted(ctx, nullptr, nullptr, 0, ORBIT_INVALID_ARGUMENT,
              ("an actor key has " + std::to_string(item.key.size()) + " bytes, at most " + std::to_string(ORBIT_ACTOR_KEY_MAX) +
               " are allowed").c_str());
      recycle(hold);
      return nullptr;
    }
  }
  for (const orbit_type* type : erased) {
    const orbit_type& first = count != 0 ? *refs[0].type : *erased[0];
    if (&runtime_.store_of(*type) == &runtime_.store_of(first)) continue;
    granted(ctx, nullptr, nullptr, 0, ORBIT_FAILED_PRECONDITION, several_storages(runtime_, first, *type).c_str());
    recycle(hold);
    return nullptr;
  }
  auto& items = hold->items;
  std::sort(hold->order.begin(), hold->order.end(), [&items](uint32_t x, uint32_t y) {
    const auto& a = items[x];
    const auto& b = items[y];
    if (a.worker != b.worker) return a.worker < b.worker;
    if (a.mixed != b.mixed) return a.mixed < b.mixed;
    if (a.type != b.type) return a.type->index < b.type->index;
    return a.key < b.key;
  });
  std::vector<orbit_hold::Item> sorted;
  sorted.reserve(count);
  for (const uint32_t i : hold->order) {
    if (sorted.empty() || sorted.back().type != items[i].type || sorted.back().key != items[i].key)
      sorted.push_back(items[i]);
    hold->item_of[i] = static_cast<uint32_t>(sorted.size() - 1);
  }
  items.swap(sorted);
  return hold;
}

// Whether all changes of an activation are on their way: a closing cut has what it has collected, but goes out later.
bool Scheduler::submitted(const orbit_activation* a) noexcept {
  if (a->dirty != 0) return false;
  const Pending* closing = flush_class(a->version->flush_class).closing;
  return closing == nullptr || closing->seq != a->gate;
}

// What is changed from the grant on goes out together: none of it in a cut that closed while the hold waited for others of its
// actors. Changes that may go out in a submission of their own must not be joined with older ones that wait for a cut either:
// the cut would take one actor's part of them, without the others'.
void Scheduler::submit_before(const orbit_hold& hold) noexcept {
  for (const orbit_hold::Item& item : hold.items)
    if (item.worker == worker_ && item.a->dirty != 0) before_change(item.a);
  const bool one_class = std::all_of(hold.items.begin(), hold.items.end(), [&](const orbit_hold::Item& item) {
    return item.a->version->flush_class == hold.items[0].a->version->flush_class;
  });
  if (hold.remote || !one_class) submit_held(hold);
}

void Scheduler::submit_held(const orbit_hold& hold) noexcept {
  const bool all = std::all_of(hold.items.begin(), hold.items.end(), [this](const orbit_hold::Item& item) {
    return item.worker != worker_ || submitted(item.a);
  });
  if (!all) close_all_cuts(kAllStores);
}

// A cut that is collected while the hold is open finds none of its actors in it.
void Scheduler::keep(orbit_hold* hold) noexcept {
  submit_held(*hold);
  hold->kept = true;
  --granted_holds_;
}

TurnId Scheduler::hold_of(const orbit_envelope* envelope) noexcept {
  return mark_of(reinterpret_cast<const Ticket*>(envelope->room)->hold);
}

// What freezes a type waits for its actors; a hold that waits for one of them while it holds another would never end.
void Scheduler::refuse_holds(const std::vector<orbit_type*>& types) noexcept {
  std::vector<orbit_envelope*> refused;
  table_.for_each([&](orbit_activation* a) {
    if (!a->mailbox.empty() && std::find(types.begin(), types.end(), a->type) != types.end()) take_holds_out(a, refused);
  });
  for (orbit_envelope* envelope : refused) refuse_hold(envelope);
}

// Of its mailbox.
void Scheduler::take_holds_out(orbit_activation* a, std::vector<orbit_envelope*>& out) {
  EnvelopeQueue kept;
  while (!a->mailbox.empty()) {
    orbit_envelope* envelope = a->mailbox.pop();
    if (envelope->method == kMethodHold) {
      --a->queued;
      out.push_back(envelope);
    } else {
      kept.push(envelope);
    }
  }
  a->mailbox = kept;
}

void Scheduler::refuse_hold(orbit_envelope* envelope) noexcept {
  set_error(envelope, kHoldMeetsFrozen, {});
  reply(envelope);
}

void Scheduler::hold_arrived(orbit_activation* a, orbit_envelope* envelope) noexcept {
  orbit_hold* hold = reinterpret_cast<Ticket*>(envelope->room)->hold;
  free_envelope(envelope);
  // What was changed before must reach the engine before the hold's changes, which the other worker submits.
  if (hold->home != this && !submitted(a)) close_all_cuts(kAllStores);
  a->current = mark_of(hold);
  a->last_used = now_tick_;
  a->no_holds = hold->erasing != nullptr;
  if (a->no_holds) {
    std::vector<orbit_envelope*> refused;
    take_holds_out(a, refused);
    for (orbit_envelope* other : refused) refuse_hold(other);
  }
  if (hold->home == this) {
    hold->take(a);
    hold->advance();
    return;
  }
  auto arrive = [this, hold, a](orbit_code code, const std::string& message) {
    runtime_.post(hold->home->worker(), [hold, a, code, message] {
      hold->take(a);
      if (code == ORBIT_OK)
        hold->advance();
      else
        hold->give_up(code, message);
    });
  };
  // The other worker answers for what it reads here, so this must be stored first.
  Pending* pending = find_pending(a->gate);
  if (pending != nullptr && a->version->def->durability == ORBIT_DURABILITY_SYNC)
    pending->then.emplace_back(std::move(arrive));
  else
    arrive(ORBIT_OK, {});
}

// Another worker has submitted changes of this activation: it stays in memory until they are stored. The committer keeps the
// order, so an empty submission tells when.
void Scheduler::gate_behind_hold(orbit_activation* a) noexcept {
  if (a->version->def->durability == ORBIT_DURABILITY_SYNC) return;  // it was held until then
  Pending* barrier = make_submission(store_of(a), false, true);
  a->gate = barrier->seq;
  submit(barrier);
}

void Scheduler::unhold(orbit_activation* a, bool failed) noexcept {
  a->no_holds = false;
  // What was acknowledged before may not be stored yet (not SYNC): the actor would start again without it.
  if (Pending* before = failed ? find_pending(a->gate) : nullptr) {
    a->current = mark_of(nullptr);
    before->then.push_back([this, a](orbit_code, const std::string&) { unhold(a, true); });
    return;
  }
  a->current = nullptr;
  if (failed || a->doomed) {
    drop_actor(a);
    start_load(a);
    return;
  }
  if (runnable(a)) schedule(a);
}

void Scheduler::release(orbit_hold* hold, const uint8_t* dirty, orbit_hold_committed committed, void* ctx) noexcept {
  if (!hold->kept) --granted_holds_;
  bool changed = false;
  bool one_class = true;
  uint32_t flush_class_index = 0;
  for (size_t i = 0; i < hold->item_of.size(); ++i) {
    if (dirty == nullptr || dirty[i] == 0) continue;
    orbit_hold::Item& item = hold->items[hold->item_of[i]];
    item.dirty = true;
    const uint32_t index = item.a->version->flush_class;
    if (changed && index != flush_class_index) one_class = false;
    flush_class_index = index;
    changed = true;
  }
  bool doomed = false;
  Pending* before = nullptr;  // a commit in flight that what this hold saw depends on
  bool before_open = false;
  for (const orbit_hold::Item& item : hold->items) {
    if (item.worker != worker_) continue;
    doomed = doomed || item.a->doomed;
    if (item.a->version->def->durability != ORBIT_DURABILITY_SYNC || stored(item.a)) continue;
    if (item.a->dirty != 0) {
      before_open = true;
      if (!changed) flush_class_index = item.a->version->flush_class;
    } else {
      Pending* pending = find_pending(item.a->gate);
      if (before == nullptr || pending->seq > before->seq) before = pending;
    }
  }
  if (doomed) return abort_doomed(hold, committed, ctx);
  if (changed && (hold->remote || !one_class)) {
    // What was there before the grant has been submitted then, see submit_before.
    if (before == nullptr) {
      release_together(hold, committed, ctx);
      return;
    }
    before->then.push_back([this, hold, committed, ctx](orbit_code code, const std::string& message) {
      if (code == ORBIT_OK)
        release_together(hold, committed, ctx);
      else
        abort(hold, committed, ctx, code, message.c_str());
    });
    return;
  }
  bool wait_open = before_open;
  for (orbit_hold::Item& item : hold->items) {
    if (!item.dirty) continue;
    mark_dirty(item.a);
    wait_open = wait_open || item.a->version->def->durability == ORBIT_DURABILITY_SYNC;
  }
  Pending* pending = wait_open ? open_sync(flush_class(flush_class_index)) : before;
  hold->give_back(false);
  recycle(hold);
  if (committed == nullptr) return;
  if (pending == nullptr) {
    committed(ctx, ORBIT_OK, "");
    return;
  }
  pending->then.push_back([committed, ctx](orbit_code code, const std::string& message) { committed(ctx, code, message.c_str()); });
}

// Undoes a hold whose ground has failed: what it changed in memory is dropped.
void Scheduler::abort(orbit_hold* hold, orbit_hold_committed committed, void* ctx, orbit_code code,
                      const char* message) noexcept {
  hold->next = hold->items.size();
  hold->give_back(true);
  if (committed != nullptr) committed(ctx, code, message);
  recycle(hold);
}

void Scheduler::abort_doomed(orbit_hold* hold, orbit_hold_committed committed, void* ctx) noexcept {
  abort(hold, committed, ctx, ORBIT_ABORTED, kHoldDoomed);
}

// Writes what a hold has changed of one actor into a batch that is of its own.
void Scheduler::collect_held(orbit_hold* hold, size_t number, Pending& pending) noexcept {
  orbit_hold::Item& item = hold->items[number];
  orbit_activation* const a = item.a;
  item.gate_before = a->gate;
  item.collected = true;
  // Its owner may be telling it to an operator.
  std::atomic_ref(a->record_version).fetch_add(1, std::memory_order_relaxed);
  collect(a, pending);
  if (a->worker != worker_) return;
  a->gate = pending.seq;
  account_memory(a);
}

void Scheduler::release_together(orbit_hold* hold, orbit_hold_committed committed, void* ctx) noexcept {
  bool sync = false;
  // All of a hold lies in one storage, see hold().
  Store& store = store_of(hold->items[0].a);
  for (const orbit_hold::Item& item : hold->items)
    sync = sync || (item.dirty && item.a->version->def->durability == ORBIT_DURABILITY_SYNC);
  Pending* pending = make_submission(store, sync, !sync);
  for (size_t i = 0; i < hold->items.size(); ++i) {
    const orbit_hold::Item& item = hold->items[i];
    if (!item.dirty) continue;
    collect_held(hold, i, *pending);
    if (item.a->version->def->durability == ORBIT_DURABILITY_ASYNC) sync_soon(flush_class(item.a->version->flush_class));
  }
  if (!sync) {
    submit(pending);
    hold->give_back(false);
    recycle(hold);
    if (committed != nullptr) committed(ctx, ORBIT_OK, "");
    return;
  }
  hold->committed = committed;
  hold->committed_ctx = ctx;
  pending->then.push_back([hold](orbit_code code, const std::string& message) {
    hold->give_back(code != ORBIT_OK);
    if (hold->committed != nullptr) hold->committed(hold->committed_ctx, code, message.c_str());
    hold->home->recycle(hold);
  });
  submit(pending);
}

void Scheduler::recycle(orbit_hold* hold) noexcept {
  if (hold->erasing != nullptr) {
    if (hold->erasing->in_turn) runtime_.erasing_turns().leave();
    hold->erasing.reset();
  }
  if (hold->items.size() <= 256 && spare_holds_.size() < 64)
    spare_holds_.push_back(hold);
  else
    delete hold;
}

void Scheduler::delete_holds() noexcept {
  for (orbit_hold* hold : spare_holds_) delete hold;
}

}  // namespace orbit::kernel
