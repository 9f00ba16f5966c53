// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Activation (reading state), deactivation, bounds on memory.
#include <algorithm>
#include <array>
#include <functional>
#include <span>

#include "actor/runtime.hpp"
#include "actor/scheduler.hpp"
#include "actor/unique_claims.hpp"
#include "observe/assert.hpp"
#include "state/record_format.hpp"

namespace orbit::kernel {

namespace {

constexpr uint64_t kTickNs = 50'000'000;
constexpr uint64_t kTickMinNs = 1'000'000;
constexpr size_t kSweepPerTick = 4096;
constexpr size_t kPressureSweep = 4096;
constexpr size_t kLeavePerSweep = 1024;           // the stream of those that leave is bounded
constexpr size_t kSpareRecordMax = 65'536;
constexpr size_t kAgeSamples = 512;
constexpr size_t kLeastShare = 64;                // under pressure at least one in so many leaves
constexpr size_t kWaitingMax = 65'536;            // activations that wait for memory or for a place among the loads
constexpr uint64_t kWaitMaxNs = 5'000'000'000;

orbit_sink append_to(std::string& out) {
  return {&out, [](void* ctx, orbit_bytes part) { static_cast<std::string*>(ctx)->append(part.data, part.size); }};
}

std::string main_record_key(const orbit_activation* a, char space) {
  std::string key(1, space);
  append_actor(key, a->type->name, a->hash, a->key());
  return key;
}

}  // namespace

// A reading of one actor's records on the I/O pool.
struct Scheduler::Load {
  Scheduler* scheduler;
  orbit_activation* a;
  const Committer* committer;
  std::string main_key;
  std::string sub_prefix;
  uint64_t bytes_max;
  std::string_view type_load_from;
  // Filled on the pool.
  orbit_code code = ORBIT_OK;
  std::string message;
  std::string main;
  std::string bytes;  // of all sub-records: key, value, key, value
  std::vector<std::pair<size_t, size_t>> sizes;
  Job job;

  void read(const Engine& engine) {
    ErrorOut error;
    code = engine.table->get(engine.self, nullptr, to_c(main_key), append_to(main), &error);
    if (code == ORBIT_NOT_FOUND) {
      code = ORBIT_OK;
      main.clear();
      return;
    }
    std::string_view rest = main;
    bool has_subrecords = false;
    std::string from = sub_prefix;
    if (code == ORBIT_OK) {
      const auto header = take_main_header(rest);
      has_subrecords = header && header->has_subrecords;  // a broken header is told by complete_load
      if (has_subrecords) from.append(std::min(header->load_from, type_load_from));
    }
    if (code == ORBIT_OK && has_subrecords) {
      const std::string end = prefix_end(sub_prefix);
      code = engine.table->scan(
          engine.self, nullptr, to_c(from), to_c(end), 0,
          [](void* ctx, orbit_bytes key, orbit_bytes value) -> int {
            auto* load = static_cast<Load*>(ctx);
            load->bytes.append(key.data + load->sub_prefix.size(), key.size - load->sub_prefix.size());
            load->bytes.append(value.data, value.size);
            load->sizes.emplace_back(key.size - load->sub_prefix.size(), value.size);
            return load->bytes.size() <= load->bytes_max ? 1 : 0;
          },
          this, &error);
      if (code == ORBIT_OK && bytes.size() > bytes_max) {
        code = ORBIT_RESOURCE_EXHAUSTED;
        message = "load_bytes_max: the actor's records have more than " + std::to_string(bytes_max) + " bytes";
        return;
      }
    }
    if (code != ORBIT_OK) message = error.take(code).message;
  }
};

orbit_activation* Scheduler::activation(orbit_type* type, uint64_t hash, std::string_view key, Error& error) noexcept {
  const uint64_t mixed = ActivationTable::mix(type, hash);
  if (orbit_activation* found = table_.find(type, mixed, key)) return found;
  if (type->current.load(std::memory_order_acquire) == nullptr) {
    error = {Code::not_found, "no actor type " + type->name + " is loaded on this node"};
    return nullptr;
  }
  if (!failed_loads_.empty() && failed_loads_.refuses(mixed, key, executor_.coarse_monotonic_ns(), &error)) return nullptr;
  if (table_.size() >= limits_.activations_max || held_bytes() > limits_.memory_bytes_max) {
    sweep(kPressureSweep, true);
    // Who left may have had this one activated.
    if (orbit_activation* found = table_.find(type, mixed, key)) return found;
  }
  if (table_.size() >= limits_.activations_max) {
    error = {Code::resource_exhausted, "activations_max: this worker holds " + std::to_string(table_.size()) +
                                           " activations, its limit, and none may leave now; try again later"};
    return nullptr;
  }
  if (over_memory() && (waiting_ >= kWaitingMax || !runtime_.store_of(*type).committer.writable())) {
    error = {Code::resource_exhausted, memory_error()};
    return nullptr;
  }
  if (waiting_ >= kWaitingMax) {
    error = {Code::resource_exhausted, "loads_max: " + std::to_string(waiting_) +
                                           " activations of this worker wait for their state to be read, the limit; try again later"};
    return nullptr;
  }
  orbit_activation* a = table_.insert(type, hash, mixed, key);
  a->last_used = now_tick_;
  // One that is loaded at once may have others activated.
  orbit_activation* const outer = std::exchange(activating_, a);
  start_load(a);
  if (std::exchange(activating_, outer) != nullptr) return a;
  error = std::move(activating_error_);
  return nullptr;
}

void Scheduler::start_load(orbit_activation* a) noexcept {
  a->stage = Stage::loading;
  // The run queue begins the load of one that it has, and one that leaves is loaded only if somebody wants it then (vacate).
  if (a->scheduled || a->leaving || frozen(a->type)) return;
  if (a->version == nullptr) a->version = a->type->current.load(std::memory_order_acquire);
  if (a->version == nullptr) {
    fail_mailbox(a, ORBIT_NOT_FOUND, "no actor type " + a->type->name + " is loaded on this node");
    return;
  }
  if (a->version->stateless_copies != 0) {
    complete_load(a, {}, {}, ORBIT_OK, {});
    return;
  }
  // Over the bound on memory new activations wait until others have been stored and have left.
  if (loading_ >= limits_.loads_max || over_memory()) {
    wait_for_load(a);
    return;
  }
  load(a);
}

void Scheduler::load(orbit_activation* a) noexcept {
  if (!load_cached(a)) read_on_pool(a);
}

// From the engine's memory; false: it would have to look further.
bool Scheduler::load_cached(orbit_activation* a) noexcept {
  const Engine& engine = store_of(a).committer.engine();
  if (engine.cached == nullptr) return false;
  // Borrowed: what is loaded may send a message that has another actor loaded meanwhile.
  std::string main = std::move(spare_record_);
  std::string key = std::move(spare_key_);
  main.clear();
  key.assign(1, kMainSpace);
  append_actor(key, a->type->name, a->hash, a->key());
  ErrorOut error;
  const orbit_code code = engine.cached->get(engine.self, to_c(std::string_view(key)), append_to(main), &error);
  spare_key_ = std::move(key);
  bool done = code == ORBIT_NOT_FOUND;
  if (code == ORBIT_OK) {
    std::string_view rest = main;
    const auto header = take_main_header(rest);
    done = !header || !header->has_subrecords;
  }
  if (done) complete_load(a, {}, code == ORBIT_OK ? std::string_view(main) : std::string_view(), ORBIT_OK, {});
  if (main.capacity() <= kSpareRecordMax) spare_record_ = std::move(main);
  return done;
}

void Scheduler::wait_for_load(orbit_activation* a) {
  a->scheduled = true;
  a->run_next = nullptr;
  ++waiting_;
  for (WaitQueue& queue : waits_) {
    if (queue.type != a->type) continue;
    queue.tail->run_next = a;
    queue.tail = a;
    return;
  }
  waits_.push_back({a->type, a, a});
}

// Takes the first out of a queue, and the queue away when it was the last.
orbit_activation* Scheduler::next_waiting(size_t index) noexcept {
  WaitQueue& queue = waits_[index];
  orbit_activation* a = queue.head;
  queue.head = a->run_next;
  if (queue.head == nullptr) waits_.erase(waits_.begin() + static_cast<ptrdiff_t>(index));
  a->scheduled = false;
  --waiting_;
  return a;
}

// Begins the loads that wait, as far as the bounds allow, of each type in turn; gives up those that waited too long.
void Scheduler::resume_waiting() noexcept {
  for (size_t i = 0; i < waits_.size();) {
    const orbit_activation* first = waits_[i].head;
    if (static_cast<uint64_t>(now_tick_ - first->last_used) << 24 <= kWaitMaxNs) {
      ++i;
      continue;
    }
    fail_mailbox(next_waiting(i), ORBIT_RESOURCE_EXHAUSTED,
                 over_memory() ? memory_error() : "loads_max: the state was not read in time, too many others are; try again later");
    i = 0;
  }
  while (!waits_.empty() && loading_ < limits_.loads_max && !over_memory()) {
    wait_turn_ = wait_turn_ < waits_.size() ? wait_turn_ : 0;
    const size_t queues = waits_.size();
    orbit_activation* a = next_waiting(wait_turn_);
    if (waits_.size() == queues) ++wait_turn_;
    load(a);
  }
}

std::string Scheduler::memory_error() const {
  return "memory_bytes_max: this worker's actors hold " + std::to_string(held_bytes()) + " bytes, its limit is " +
         std::to_string(limits_.memory_bytes_max) + ", and none may leave now; try again later";
}

void Scheduler::read_on_pool(orbit_activation* a) noexcept {
  auto* load = new Load{this, a, &store_of(a).committer, main_record_key(a, kMainSpace), main_record_key(a, kSubSpace),
                         limits_.load_bytes_max, a->version->load_from};
  ++loading_;
  const bool queued = executor_.blocking(
      [](void* ctx) {
        auto* self = static_cast<Load*>(ctx);
        self->read(self->committer->engine());
        self->job.run = [](Job* job) noexcept {
          auto* done = reinterpret_cast<Load*>(reinterpret_cast<char*>(job) - offsetof(Load, job));
          done->scheduler->loaded(done);
        };
        self->scheduler->executor_.post(self->scheduler->worker_, &self->job, &self->job);
      },
      load);
  if (queued) {
    a->being_read = true;
    return;
  }
  --loading_;
  delete load;
  fail_mailbox(a, ORBIT_RESOURCE_EXHAUSTED, "io_queue_max: the I/O pool's queue is full; try again later");
}

void Scheduler::loaded(Load* load) noexcept {
  now_ns_ = executor_.coarse_monotonic_ns();
  const std::unique_ptr<Load> owned(load);
  --loading_;
  load->a->being_read = false;
  std::vector<orbit_record> records;
  records.reserve(load->sizes.size() + 1);
  const char* at = load->bytes.data();
  for (const auto& [key_size, value_size] : load->sizes) {
    records.push_back({{at, key_size}, {at + key_size, value_size}});
    at += key_size + value_size;
  }
  complete_load(load->a, records, load->main, load->code, load->message);
  resume_waiting();
}

void Scheduler::complete_load(orbit_activation* a, const std::vector<orbit_record>& subrecords, std::string_view main,
                              orbit_code code, std::string_view message) noexcept {
  tallies_.loads.add();
  if (code != ORBIT_OK) {
    fail_activation(a, code, message);
    return;
  }
  MainHeader header;
  orbit_record only{};
  std::vector<orbit_record> several;
  std::span<const orbit_record> records;
  if (!main.empty()) {
    auto read = take_main_header(main);
    if (!read) {
      fail_activation(a, ORBIT_DATA_LOSS, a->type->name + "/" + std::string(a->key()) + ": " + read.error().message);
      return;
    }
    header = *read;
    if (header.schema_version > a->version->state_version) {
      fail_mailbox(a, ORBIT_FAILED_PRECONDITION,
                   "the state of " + a->type->name + "/" + std::string(a->key()) + " has version " +
                       std::to_string(header.schema_version) + ", module " + a->version->module->name + " " +
                       a->version->module->version + " reads versions up to " + std::to_string(a->version->state_version));
      return;
    }
    only = {{"", 0}, to_c(main)};
    records = {&only, 1};
    if (!subrecords.empty()) {
      several.reserve(subrecords.size() + 1);
      several.push_back(only);
      several.insert(several.end(), subrecords.begin(), subrecords.end());
      records = several;
    }
  }
  a->record_version = header.version;
  a->stored_with(header.epoch, header.expires_at_ms);
  a->has_main = !records.empty();
  a->gate = 0;

  invariant(a->actor == nullptr, "an activation is loaded once");
  const orbit_actor_type* def = a->version->def;
  ErrorOut error;
  a->actor = def->create(def->type_self, a, to_c(a->key()), &error);
  if (a->actor == nullptr) {
    fail_activation(a, error.code != ORBIT_OK ? error.code : ORBIT_INTERNAL, error.message);
    return;
  }
  a->version->activations.fetch_add(1, std::memory_order_relaxed);
  tallies_.activations.add();
  orbit_code load_code = ORBIT_OK;
  const MainHeader* const outer_header = std::exchange(loading_header_, &header);
  continue_turn(a, nullptr, [&] { load_code = def->load(a->actor, records.data(), records.size(), header.version, &error); });
  loading_header_ = outer_header;
  if (load_code != ORBIT_OK) {
    drop_actor(a);
    fail_activation(a, load_code, error.message);
    return;
  }
  a->stage = Stage::active;
  if (!failed_loads_.empty()) failed_loads_.succeeded(ActivationTable::mix(a->type, a->hash));
  account_memory(a);
  if (frozen(a->type))
    leave(a, ORBIT_DEACTIVATION_ERASED);
  else if (!a->mailbox.empty())
    schedule(a);
}

// Not a bound of the node but the actor's own trouble: it is tried again a while later.
void Scheduler::fail_activation(orbit_activation* a, orbit_code code, std::string_view message) noexcept {
  failed_loads_.failed(ActivationTable::mix(a->type, a->hash), a->key(), {static_cast<Code>(code), std::string(message)},
                       executor_.coarse_monotonic_ns(), executor_.random());
  fail_mailbox(a, code, message);
}

// The activation cannot be made: everyone who waits for it is told, and the next message tries again.
void Scheduler::fail_mailbox(orbit_activation* a, orbit_code code, std::string_view message) noexcept {
  tallies_.load_failures.add();
  deliver_hinted();
  EnvelopeQueue waiting = a->mailbox;
  a->mailbox = EnvelopeQueue();
  a->queued = 0;
  a->version = nullptr;
  a->doomed = false;
  const std::string text(message);
  // The keys of waiting envelopes may point into the slot.
  std::vector<orbit_envelope*> refused;
  while (!waiting.empty()) refused.push_back(waiting.pop());
  for (orbit_envelope* envelope : refused) own_key(envelope);
  if (a->linked == 0) {
    table_.erase(a);
  } else {
    a->leaving = true;
    leaving_.push_back({a, ORBIT_DEACTIVATION_ASKED});
  }
  for (orbit_envelope* envelope : refused) refuse(envelope, code, text);
  // It failed before anybody could wait for it: activation() tells.
  if (activating_ == a) {
    activating_ = nullptr;
    activating_error_ = {static_cast<Code>(code), text};
  }
}

void Scheduler::drop_actor(orbit_activation* a) noexcept {
  a->dirty = 0;
  a->doomed = false;
  memory_bytes_ -= static_cast<uint64_t>(a->memory_bytes) * 16;
  a->memory_bytes = 0;
  if (a->has_timers) timers_.drop(a);
  a->told = false;
  if (a->stays) stays_until_.erase(a);
  a->stays = false;
  if (a->actor == nullptr) return;
  if (a->version->has_unique) [[unlikely]] runtime_.claims().drop(runtime_.claims().take(*a->type, a->key()));
  a->version->def->destroy(a->actor);
  a->version->activations.fetch_sub(1, std::memory_order_relaxed);
  tallies_.deactivations.add();
  a->actor = nullptr;
  a->stage = Stage::loading;
}

void Scheduler::account_memory(orbit_activation* a) noexcept {
  const orbit_actor_type* def = a->version->def;
  if (def->memory_bytes == nullptr) return;
  const auto units = static_cast<uint32_t>(std::min<size_t>((def->memory_bytes(a->actor) + 15) / 16, UINT32_MAX));
  memory_bytes_ += (static_cast<int64_t>(units) - static_cast<int64_t>(a->memory_bytes)) * 16;
  a->memory_bytes = units;
}

// pinned_counts: whether the actor itself may refuse.
bool Scheduler::may_leave(const orbit_activation* a, bool pinned_counts) const noexcept {
  if (a->current != nullptr || a->dirty != 0 || a->linked != 0 || a->scheduled) return false;
  if (a->gate != 0 && const_cast<Scheduler*>(this)->find_pending(a->gate) != nullptr) return false;
  if (a->actor == nullptr) return true;
  return !pinned_counts || a->version->def->may_deactivate == nullptr || a->version->def->may_deactivate(a->actor) != 0;
}

// Frees the actor object. The slot goes too unless messages wait for a new activation.
void Scheduler::vacate(orbit_activation* a) noexcept {
  drop_actor(a);
  a->version = nullptr;
  a->gate = 0;
  a->leaving = false;
  a->stage = Stage::loading;
  deliver_hinted();  // perhaps to this one, by another that leaves
  if (a->mailbox.empty())
    table_.erase(a);
  else
    start_load(a);
}

void Scheduler::leave(orbit_activation* a, orbit_deactivation reason) noexcept {
  if (a->leaving || a->stage == Stage::free) return;
  if (a->stage == Stage::loading) return;
  a->leaving = true;
  leaving_.push_back({a, reason});
}

void Scheduler::stay(orbit_activation* a, uint64_t duration_ns) {
  a->stays = true;
  stays_until_[a].said_ns = executor_.coarse_monotonic_ns() + duration_ns;
}

uint64_t Scheduler::keep(orbit_activation* a, uint64_t duration_ns) {
  a->stays = true;
  uint64_t& until_ns = stays_until_[a].kept_ns;
  const uint64_t now_ns = executor_.coarse_monotonic_ns();
  until_ns = std::max(until_ns, now_ns + duration_ns);
  return until_ns - now_ns;
}

// Before the activation leaves, once. True when it has changed state for that, which must be stored first.
bool Scheduler::tell_leaving(orbit_activation* a, orbit_deactivation reason) noexcept {
  if (a->actor == nullptr || a->told || a->version->deactivating == nullptr) return false;
  a->told = true;
  orbit_activation* const outer = current_;
  orbit_envelope* const outer_turn = turn_;
  current_ = a;
  turn_ = nullptr;
  const int changed = a->version->deactivating(a->actor, reason);
  current_ = outer;
  turn_ = outer_turn;
  if (changed == 0 || a->version->stateless_copies != 0) return false;
  mark_dirty(a);
  return true;
}

void Scheduler::leave_all(const std::function<bool(const orbit_activation&)>& match, orbit_deactivation reason) noexcept {
  table_.for_each([&](orbit_activation* a) {
    if (match(*a)) leave(a, reason);
  });
}

void Scheduler::try_leave_all() noexcept {
  deliver_hinted();
  std::vector<Leaving> waiting;
  waiting.swap(leaving_);
  for (const Leaving& each : waiting) {
    orbit_activation* const a = each.a;
    if (a->dirty != 0 || a->linked != 0)
      for (FlushClass& cls : classes_) cls.due = true;
    if (a->scheduled && a->stage == Stage::active) {
      leaving_.push_back(each);  // still in the run queue; the next step takes it out
      continue;
    }
    if (may_leave(a, false) && !tell_leaving(a, each.reason))
      vacate(a);
    else
      leaving_.push_back(each);
  }
  if (!when_empty_.empty()) {
    auto conditions = std::move(when_empty_);
    when_empty_.clear();
    for (auto& [types, except, then] : conditions) when_empty(std::move(types), except, std::move(then));
  }
}

bool Scheduler::frozen(const orbit_type* type) const noexcept {
  return std::find(frozen_.begin(), frozen_.end(), type) != frozen_.end();
}

void Scheduler::freeze(const std::vector<orbit_type*>& types) {
  frozen_.insert(frozen_.end(), types.begin(), types.end());
  refuse_holds(types);
}

void Scheduler::unfreeze(const std::vector<orbit_type*>& types) {
  for (orbit_type* type : types) frozen_.erase(std::find(frozen_.begin(), frozen_.end(), type));
  std::vector<orbit_activation*> waiting;
  table_.for_each([&](orbit_activation* a) {
    if (a->stage == Stage::loading && a->actor == nullptr && !a->scheduled && !a->leaving &&
        std::find(types.begin(), types.end(), a->type) != types.end() && !frozen(a->type))
      waiting.push_back(a);
  });
  for (orbit_activation* a : waiting) {
    deliver_hinted();  // perhaps to this one
    if (a->mailbox.empty())
      table_.erase(a);
    else
      start_load(a);
  }
}

void Scheduler::when_empty(std::vector<orbit_type*> types, const orbit_envelope* except, std::function<void()> then) {
  const auto is_one = [&](const orbit_activation* a) {
    return std::find(types.begin(), types.end(), a->type) != types.end() && (a->current == nullptr || a->current != except);
  };
  // Those that leave are looked at first: they are the usual reason.
  bool empty = std::none_of(leaving_.begin(), leaving_.end(), [&](const Leaving& each) { return is_one(each.a); });
  if (empty)
    table_.for_each([&](const orbit_activation* a) {
      if ((a->actor != nullptr || a->scheduled || a->leaving || a->being_read) && is_one(a)) empty = false;
    });
  if (empty)
    then();
  else
    when_empty_.push_back({std::move(types), except, std::move(then)});
}

// How long unused an activation must be to leave under pressure: about as many are older as have to leave, judged by a sample.
uint32_t Scheduler::least_age_to_leave() noexcept {
  if (least_age_tick_ == now_tick_) return least_age_;
  least_age_tick_ = now_tick_;
  std::array<uint32_t, kAgeSamples> ages;
  size_t count = 0;
  const size_t slots = table_.slots();
  const size_t stride = std::max<size_t>(slots / kAgeSamples, 1);
  for (size_t at = executor_.random() % stride; at < slots && count < kAgeSamples; at += stride) {
    const orbit_activation* a = table_.slot(at);
    if (a->stage == Stage::active && a->current == nullptr) ages[count++] = now_tick_ - a->last_used;
  }
  if (count == 0) return least_age_ = 1;
  const uint64_t goal = limits_.memory_bytes_max - limits_.memory_bytes_max / 16;
  const uint64_t over = held_bytes() > goal ? held_bytes() - goal : 0;
  const size_t leave = std::clamp<size_t>(static_cast<size_t>(over * count / std::max<uint64_t>(held_bytes(), 1)),
                                          (count + kLeastShare - 1) / kLeastShare, count);
  std::nth_element(ages.begin(), ages.begin() + static_cast<ptrdiff_t>(leave - 1), ages.begin() + static_cast<ptrdiff_t>(count),
                   std::greater<>());
  return least_age_ = std::max(ages[leave - 1], 1u);
}

// The clock hand: lets go of what was not used for its idle timeout, or, under pressure, of what was used least lately.
void Scheduler::sweep(size_t most, bool under_pressure) noexcept {
  if (sweeping_) return;  // who is told that it leaves may have others activated
  sweeping_ = true;
  sweep_once(most, under_pressure);
  sweeping_ = false;
}

void Scheduler::sweep_once(size_t most, bool under_pressure) noexcept {
  deliver_hinted();
  const size_t slots = table_.slots();
  const uint64_t goal = limits_.memory_bytes_max - limits_.memory_bytes_max / 16;
  const uint32_t least_age = under_pressure ? least_age_to_leave() : 0;
  size_t gone = 0;
  for (size_t i = 0; i < std::min(most, slots) && gone < kLeavePerSweep; ++i) {
    if (sweep_at_ >= slots) sweep_at_ = 0;
    orbit_activation* a = table_.slot(sweep_at_++);
    if (a->stage != Stage::active || !a->mailbox.empty() || a->leaving) continue;
    const uint64_t idle_ns = static_cast<uint64_t>(now_tick_ - a->last_used) << 24;
    if (!under_pressure && idle_ns < a->version->idle_timeout_ns) continue;
    if (now_tick_ - a->last_used < least_age) continue;
    if (!under_pressure && a->stays) {
      const StaysUntil& until = stays_until_[a];
      if (std::max(until.said_ns, until.kept_ns) > now_ns_) continue;
      stays_until_.erase(a);
      a->stays = false;
    }
    if (a->dirty != 0 || a->linked != 0) {
      flush_class(a->version->flush_class).due = true;
      continue;
    }
    if (!may_leave(a, true)) continue;
    ++gone;
    const orbit_deactivation reason = under_pressure ? ORBIT_DEACTIVATION_MEMORY : ORBIT_DEACTIVATION_IDLE;
    a->leaving = true;  // what it sends to itself waits
    const bool changed = tell_leaving(a, reason);
    a->leaving = false;
    if (changed)
      leave(a, reason);
    else
      vacate(a);
    if (under_pressure && held_bytes() < goal && table_.size() < limits_.activations_max) return;
  }
}

void Scheduler::arm_tick() noexcept {
  if (table_.size() == 0 && runtime_.writable() && !runtime_.envelope_memory().keeps()) return;
  uint64_t delay_ns = kTickNs;
  for (const FlushClass& cls : classes_)
    if (cls.rule.durability == ORBIT_DURABILITY_ASYNC) delay_ns = std::min(delay_ns, cls.rule.delay_ns / 8);
  tick_timer_ = executor_.after(std::max(delay_ns, kTickMinNs), [](void* self) { static_cast<Scheduler*>(self)->tick(); }, this);
}

void Scheduler::tick() noexcept {
  tick_timer_ = 0;
  now_ns_ = executor_.coarse_monotonic_ns();
  now_tick_ = static_cast<uint32_t>(now_ns_ >> 24);
  tallies_.memory_bytes.set(held_bytes());
  hot_.tick(tallies_.turns.get(), answers_, executor_.monotonic_ns());
  attend_nth(look_every_);
  const bool pressure = held_bytes() > limits_.memory_bytes_max;
  sweep(kSweepPerTick, pressure);
  resume_waiting();
  runtime_.envelope_memory().rest(now_ns_);
  // Work outside a step ends here, so that what it closed goes out.
  end_of_round();
}

}  // namespace orbit::kernel
