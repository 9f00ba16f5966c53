// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Cuts, submissions and what waits for them; see the head of scheduler.hpp.
#include <algorithm>
#include <bit>

#include "actor/due_index.hpp"
#include "actor/runtime.hpp"
#include "actor/scheduler.hpp"
#include "actor/unique_claims.hpp"
#include "observe/assert.hpp"
#include "state/record_format.hpp"

namespace orbit::kernel {

namespace {

constexpr size_t kSlice = 128;  // activations collected per round while a cut closes
// A commit takes as much of the processor as many requests do. So when many wait for one, and others just arrive, these are
// let in; for few it would only be a delay (docs/performance.md).
constexpr uint32_t kJoinFrom = 12;
constexpr uint64_t kJoinNs = 50'000;
constexpr size_t kMembersKept = 65'536;  // of a cut, whose list keeps its memory for the next one

// What orbit_writer's functions need.
struct Collect {
  Pending* pending;
  WriteBatch* batch;
  Scheduler* scheduler;
  orbit_activation* a;
  std::string main_key;
  std::string sub_key;  // the prefix of all sub-records; put and remove append and cut again
  std::string value;
  size_t sub_prefix;
};

// To be answered. Their actors' keys go: an actor may leave memory before all are.
EnvelopeQueue take_parked(Pending& pending) noexcept {
  for (orbit_envelope* envelope = pending.parked.head; envelope != nullptr; envelope = envelope->next)
    if ((envelope->flags & kOwnsKey) == 0) envelope->key = {nullptr, 0};
  return std::exchange(pending.parked, EnvelopeQueue());
}

// No name: the expiry of the state.
void change_due(Collect& c, std::string_view name, uint64_t at_ms, bool add) {
  std::string key(1, kDueSpace);
  append_u64_be(key, at_ms);
  append_actor(key, c.a->type->name, c.a->hash, c.a->key());
  key.append(name);
  if (add) {
    c.batch->put(key, {});
    c.batch->note_due(at_ms);
  } else {
    c.batch->remove(key);
  }
}

void set_expiry(Collect& c, uint64_t expires_at_ms) {
  orbit_activation* a = c.a;
  if (a->expires_at_ms() == expires_at_ms) return;
  for (const bool add : {false, true}) {
    const uint64_t at = add ? expires_at_ms : a->expires_at_ms();
    if (at == 0) continue;
    change_due(c, {}, at, add);
  }
  a->stored_with(a->epoch(), expires_at_ms);
}

void put_main(Collect& c, orbit_bytes value, const MainHeader& header) {
  c.value.clear();
  append_main_header(c.value, header);
  c.value.append(from_c(value));
  c.batch->put(c.main_key, c.value);
  if (!c.a->has_main) c.batch->count(&c.a->type->name, 1);
  c.a->has_main = true;
  set_expiry(c, header.expires_at_ms);
}

std::string index_key(const Collect& c, uint32_t number, orbit_bytes value) {
  std::string key = c.a->type->index_prefix;
  append_u32_be(key, number);
  key.append(from_c(value));
  key.append(c.a->key());
  return key;
}

constexpr orbit_writer kWriterFunctions = {
    nullptr,
    [](void* ctx, orbit_bytes value, uint64_t expires_at_ms, int has_subrecords) {
      auto& c = *static_cast<Collect*>(ctx);
      put_main(c, value, {c.a->record_version, c.a->epoch(), expires_at_ms, has_subrecords != 0});
    },
    [](void* ctx, orbit_bytes subkey, orbit_bytes value) {
      auto& c = *static_cast<Collect*>(ctx);
      c.sub_key.resize(c.sub_prefix);
      c.sub_key.append(from_c(subkey));
      c.batch->put(c.sub_key, from_c(value));
    },
    [](void* ctx, orbit_bytes subkey) {
      auto& c = *static_cast<Collect*>(ctx);
      c.sub_key.resize(c.sub_prefix);
      c.sub_key.append(from_c(subkey));
      c.batch->remove(c.sub_key);
    },
    [](void* ctx) {
      auto& c = *static_cast<Collect*>(ctx);
      c.sub_key.resize(c.sub_prefix);
      c.batch->remove_range(c.sub_key, prefix_end(c.sub_key));
    },
    [](void* ctx) {
      auto& c = *static_cast<Collect*>(ctx);
      if (c.a->has_main) {
        c.batch->remove(c.main_key);
        c.batch->count(&c.a->type->name, -1);
      }
      c.a->has_main = false;
      set_expiry(c, 0);
    },
    [](void* ctx, orbit_bytes name, uint64_t was_ms, uint64_t at_ms) {
      auto& c = *static_cast<Collect*>(ctx);
      invariant(name.size != 0 && name.size <= ORBIT_DUE_NAME_MAX, "the name given to set_due has 1 to ORBIT_DUE_NAME_MAX bytes");
      if (was_ms == at_ms) return;
      if (was_ms != 0) change_due(c, from_c(name), was_ms, false);
      if (at_ms != 0) change_due(c, from_c(name), at_ms, true);
    },
    [](void* ctx, uint64_t cookie) {
      auto& c = *static_cast<Collect*>(ctx);
      // A hold collects activations of other workers too, whose tables only they may read.
      const bool here = c.a->worker == c.scheduler->worker();
      c.pending->stored.push_back({c.a, here ? c.scheduler->table().tag(c.a) : 0, c.a->actor, cookie});
    },
    [](void* ctx, orbit_bytes value, const orbit_main_record* with) {
      auto& c = *static_cast<Collect*>(ctx);
      put_main(c, value, {c.a->record_version, c.a->epoch(), with->expires_at_ms, with->has_subrecords != 0,
                          with->schema_version, from_c(with->load_from)});
    },
    [](void* ctx, orbit_bytes from, orbit_bytes to) {
      auto& c = *static_cast<Collect*>(ctx);
      c.sub_key.resize(c.sub_prefix);
      const std::string end = to.size == 0 ? prefix_end(c.sub_key) : c.sub_key + std::string(from_c(to));
      c.sub_key.append(from_c(from));
      c.batch->remove_range(c.sub_key, end);
    },
    [](void* ctx, uint32_t number, orbit_bytes value) {
      const auto& c = *static_cast<Collect*>(ctx);
      c.batch->put(index_key(c, number, value), {});
    },
    [](void* ctx, uint32_t number, orbit_bytes value) {
      const auto& c = *static_cast<Collect*>(ctx);
      c.batch->remove(index_key(c, number, value));
    },
};

// Modules built before there was `stored` have a shorter table.
bool hears_of_storing(const orbit_actor_type* def) noexcept {
  return def->struct_size >= offsetof(orbit_actor_type, stored) + sizeof def->stored && def->stored != nullptr;
}

}  // namespace

void Scheduler::collect(orbit_activation* a, Pending& pending) noexcept {
  // Reused: a worker collects one activation at a time.
  thread_local Collect c;
  c.pending = &pending;
  c.batch = &pending.batch;
  c.scheduler = this;
  c.a = a;
  c.main_key.assign(1, kMainSpace);
  append_actor(c.main_key, a->type->name, a->hash, a->key());
  c.sub_key.assign(c.main_key);
  c.sub_key[0] = kSubSpace;
  c.sub_prefix = c.sub_key.size();
  orbit_writer writer = kWriterFunctions;
  writer.ctx = &c;
  a->version->def->collect(a->actor, &writer);
  if (a->version->has_unique) [[unlikely]]
    pending.batch.hold_claims(runtime_.claims().take(*a->type, a->key()));
}

Scheduler::FlushClass& Scheduler::flush_class(uint32_t index) {
  while (classes_.size() <= index) {
    FlushClass cls;
    cls.rule = runtime_.types().flush_rule(static_cast<uint32_t>(classes_.size()));
    cls.store = &runtime_.store(cls.rule.store);
    classes_.push_back(std::move(cls));
  }
  return classes_[index];
}

void Scheduler::mark_dirty(orbit_activation* a) noexcept {
  FlushClass& cls = flush_class(a->version->flush_class);
  const uint32_t p = FlushClass::parity(cls.cut);
  ++a->record_version;
  if ((a->dirty & (1u << p)) == 0) {
    a->dirty = static_cast<uint8_t>(a->dirty | (1u << p));
    if ((a->linked & (1u << p)) == 0) {
      a->linked = static_cast<uint8_t>(a->linked | (1u << p));
      if (cls.members[p].empty() && cls.then_open.empty()) cls.oldest_ns = now_ns_;
      cls.members[p].push_back(a);
    }
  }
  account_memory(a);
}

void Scheduler::before_change(orbit_activation* a) noexcept {
  FlushClass& cls = flush_class(a->version->flush_class);
  if (cls.closing == nullptr) return;
  const uint32_t closed = FlushClass::parity(cls.cut - 1);
  if ((a->dirty & (1u << closed)) == 0) return;
  collect(a, *cls.closing);
  a->gate = cls.closing->seq;
  a->dirty = static_cast<uint8_t>(a->dirty & ~(1u << closed));
}

Store& Scheduler::store_of(const orbit_activation* a) const noexcept { return runtime_.store(a->version->store); }

Pending* Scheduler::make_submission(Store& store, bool sync, bool keep_trying) {
  Pending* pending = nullptr;
  if (spare_pending_.empty()) {
    pending = new Pending;
  } else {
    pending = spare_pending_.back();
    spare_pending_.pop_back();
  }
  pending->store = &store;
  pending->sync = sync;
  pending->keep_trying = keep_trying;
  pending->worker = worker_;
  pending->seq = next_seq_++;
  pending->owner = this;
  pending->done = [](Submission* submission) noexcept {
    auto* done = static_cast<Pending*>(submission);
    static_cast<Scheduler*>(done->owner)->pending_done(done);
  };
  return pending;
}

void Scheduler::submit(Pending* pending) noexcept {
  in_flight_.push_back(pending);
  pending->failures_seen = failures_seen_[pending->store->number];
  pending->store->committer.submit(pending);
}

bool Scheduler::gathers() const noexcept {
  // A flush that nobody waits for (ASYNC) is no reason.
  return std::any_of(in_flight_.begin(), in_flight_.end(), [](const Pending* pending) { return !pending->parked.empty(); });
}

Pending* Scheduler::open_sync(FlushClass& cls) {
  if (cls.open == nullptr) cls.open = make_submission(*cls.store, true, false);
  return cls.open;
}

// The open cut becomes the closing one; later changes go to the next cut.
void Scheduler::close_cut(FlushClass& cls) noexcept {
  if (cls.rule.durability == ORBIT_DURABILITY_SYNC) {
    cls.closing = open_sync(cls);
    cls.open = nullptr;
    cls.waiting = 0;
    cls.join_until_ns = 0;
  } else {
    cls.closing = make_submission(*cls.store, cls.rule.durability == ORBIT_DURABILITY_ASYNC || std::exchange(cls.save, false),
                                  true);
    cls.closing->then.swap(cls.then_open);
  }
  cls.due = false;
  ++cls.cut;
}

// Collects up to `most` activations of the closing cut; submits it and returns true when none is left.
bool Scheduler::collect_slice(FlushClass& cls, size_t most) noexcept {
  const uint32_t p = FlushClass::parity(cls.cut - 1);
  const bool sync = cls.rule.durability == ORBIT_DURABILITY_SYNC;
  std::vector<orbit_activation*>& members = cls.members[p];
  while (cls.collected != members.size() && most-- != 0) {
    orbit_activation* a = members[cls.collected++];
    if (cls.collected + 1 < members.size()) __builtin_prefetch(members[cls.collected + 1]);
    if (cls.collected < members.size()) __builtin_prefetch(members[cls.collected]->actor);
    a->linked = static_cast<uint8_t>(a->linked & ~(1u << p));
    if ((a->dirty & (1u << p)) != 0) {
      a->dirty = static_cast<uint8_t>(a->dirty & ~(1u << p));
      collect(a, *cls.closing);
      a->gate = cls.closing->seq;
      if (sync) cls.closing->members.push_back({a, table_.tag(a)});
    }
  }
  if (cls.collected != members.size()) return false;
  cls.collected = 0;
  members.clear();
  if (members.capacity() > kMembersKept) members.shrink_to_fit();
  ++cls.in_flight;
  Pending* pending = cls.closing;
  pending->then.insert(pending->then.begin(), [&cls](orbit_code, const std::string&) { --cls.in_flight; });
  cls.closing = nullptr;
  submit(pending);
  return true;
}

// Whether the open cut of a SYNC class is put off.
bool Scheduler::lets_join(FlushClass& cls) noexcept {
  if (cls.waiting >= kJoinFrom && executor_.arrivals()) {
    if (cls.join_until_ns == 0) cls.join_until_ns = now_ns_ + kJoinNs;
    if (now_ns_ < cls.join_until_ns) return joining_ = true;
  }
  return false;
}

void Scheduler::commit_round() noexcept {
  joining_ = false;
  if (granted_holds_ != 0) return;
  for (FlushClass& cls : classes_) {
    if (cls.closing == nullptr) {
      const bool waits = cls.open != nullptr || !cls.unchanged() || !cls.then_open.empty();
      if (!waits || cls.in_flight != 0) continue;
      switch (cls.rule.durability) {
        case ORBIT_DURABILITY_SYNC:
          if (lets_join(cls)) continue;
          break;
        case ORBIT_DURABILITY_ASYNC:
          // Half the promised delay is left for collecting and for the engine.
          if (!cls.due && now_ns_ < cls.oldest_ns + cls.rule.delay_ns / 2) continue;
          break;
        default:
          if (!cls.due) continue;
      }
      close_cut(cls);
    }
    // A SYNC cut goes out whole: its callers wait.
    collect_slice(cls, cls.rule.durability == ORBIT_DURABILITY_SYNC ? SIZE_MAX : kSlice);
  }
}

void Scheduler::close_all_cuts(Stores stores) noexcept {
  for (FlushClass& cls : classes_) {
    if ((stores >> cls.rule.store & 1) == 0) continue;
    if (cls.closing != nullptr) collect_slice(cls, SIZE_MAX);
    if (cls.open == nullptr && cls.unchanged() && cls.then_open.empty()) continue;
    close_cut(cls);
    collect_slice(cls, SIZE_MAX);
  }
}

void Scheduler::flush(Stores stores, std::function<void(orbit_code, const std::string&)> then) {
  close_all_cuts(stores);
  Stores waits_for = 0;
  for (const Pending* pending : in_flight_) waits_for |= Stores{1} << pending->store->number;
  waits_for &= stores;
  if (waits_for == 0) {
    then(ORBIT_OK, {});
    return;
  }
  struct Wait {
    uint32_t left;
    orbit_code code;
    std::string message;
    std::function<void(orbit_code, const std::string&)> then;
  };
  auto wait = std::make_shared<Wait>(Wait{static_cast<uint32_t>(std::popcount(waits_for)), ORBIT_OK, {}, std::move(then)});
  // An empty submission behind everything else: a committer keeps the order.
  for (const auto& store : runtime_.stores()) {
    if ((waits_for >> store->number & 1) == 0) continue;
    Pending* barrier = make_submission(*store, false, true);
    barrier->then.emplace_back([wait](orbit_code code, const std::string& message) {
      if (code != ORBIT_OK) wait->code = code, wait->message = message;
      if (--wait->left == 0) wait->then(wait->code, wait->message);
    });
    submit(barrier);
  }
}

void Scheduler::sync_soon(FlushClass& cls) {
  if (cls.unchanged() && cls.then_open.empty()) cls.oldest_ns = now_ns_;
  if (cls.then_open.empty()) cls.then_open.emplace_back([](orbit_code, const std::string&) {});
}

Pending* Scheduler::find_pending(uint64_t seq) noexcept {
  for (Pending* pending : in_flight_)
    if (pending->seq == seq) return pending;
  for (FlushClass& cls : classes_)
    if (cls.closing != nullptr && cls.closing->seq == seq) return cls.closing;
  return nullptr;
}

bool Scheduler::stored(const orbit_activation* a) const noexcept {
  if (a->dirty != 0) return false;
  if (a->gate == 0) return true;
  return const_cast<Scheduler*>(this)->find_pending(a->gate) == nullptr;
}

void Scheduler::pending_done(Pending* pending) noexcept {
  now_ns_ = executor_.coarse_monotonic_ns();
  in_flight_.erase(std::find(in_flight_.begin(), in_flight_.end(), pending));
  const bool failed = pending->code != ORBIT_OK;
  Store& store = *pending->store;
  failures_seen_[store.number] += failed;
  // Taken out first: what runs below may reuse everything else.
  EnvelopeQueue parked = take_parked(*pending);
  auto then = std::move(pending->then);
  pending->then.clear();
  auto members = std::move(pending->members);
  pending->members.clear();
  const orbit_code code = pending->code;
  const std::string message = std::move(pending->message);
  auto stored = std::move(pending->stored);
  pending->stored.clear();
  if (!failed && pending->batch.earliest_due_ms() != WriteBatch::kNoDue)
    store.due->added(pending->batch.earliest_due_ms());
  if (!pending->batch.claims().empty()) runtime_.claims().drop(pending->batch.claims());
  if (pending->batch.bytes() < (1u << 20) && spare_pending_.size() < 16) {
    pending->batch.clear();
    spare_pending_.push_back(pending);
  } else {
    delete pending;
  }

  if (failed) {
    // Memory is ahead of storage: these actors start again from what is stored.
    for (const auto& [a, tag] : members) {
      // An earlier failure may have dropped it already; it may even have left since.
      if (!table_.holds(tag) || a->actor == nullptr) continue;
      a->dirty = 0;
      a->doomed = true;
    }
    for (FlushClass& cls : classes_)
      if (cls.store == &store && cls.rule.durability == ORBIT_DURABILITY_SYNC) fail_sync(cls, code, message);
    for (const auto& [a, tag] : members) {
      if (!table_.holds(tag) || !a->doomed || a->current != nullptr) continue;
      drop_actor(a);
      start_load(a);
    }
  }
  while (!parked.empty()) {
    orbit_envelope* envelope = parked.pop();
    if (failed) set_error(envelope, code, message);
    reply(envelope);
  }
  for (auto& function : then) function(code, message);
  if (!failed)
    for (const Pending::Stored& one : stored) tell_stored(one);
  if (waiting_ != 0) {
    // What was stored now may make room.
    if (held_bytes() > limits_.memory_bytes_max) sweep(table_.slots(), true);
    resume_waiting();
  }
}

void Scheduler::tell_stored(const Pending::Stored& one) noexcept {
  if (one.a->worker != worker_) {
    runtime_.post(one.a->worker, [&there = runtime_.scheduler(one.a->worker), one] { there.tell_stored(one); });
    return;
  }
  if ((one.tag != 0 && !table_.holds(one.tag)) || one.a->actor != one.actor || !hears_of_storing(one.a->version->def)) return;
  orbit_activation* const outer = std::exchange(current_, nullptr);
  orbit_envelope* const outer_turn = std::exchange(turn_, nullptr);
  one.a->version->def->stored(one.actor, one.cookie);
  current_ = outer;
  turn_ = outer_turn;
}

// A commit failed: turns that ran after it, on the memory that it left, fail with it.
void Scheduler::fail_sync(FlushClass& cls, orbit_code code, const std::string& message) noexcept {
  const uint32_t p = FlushClass::parity(cls.cut);
  std::vector<orbit_activation*> ahead;
  for (orbit_activation* a : cls.members[p]) {
    if ((a->dirty & (1u << p)) == 0) continue;
    a->dirty = 0;
    a->doomed = true;
    ahead.push_back(a);
  }
  const std::unique_ptr<Pending> open(std::exchange(cls.open, nullptr));
  EnvelopeQueue parked = open != nullptr ? take_parked(*open) : EnvelopeQueue();
  cls.waiting = 0;
  cls.join_until_ns = 0;
  for (orbit_activation* a : ahead) {
    if (!a->doomed || a->current != nullptr) continue;
    drop_actor(a);
    start_load(a);
  }
  if (open == nullptr) return;
  while (!parked.empty()) {
    orbit_envelope* envelope = parked.pop();
    set_error(envelope, code, message);
    reply(envelope);
  }
  for (auto& function : open->then) function(code, message);
}

}  // namespace orbit::kernel
