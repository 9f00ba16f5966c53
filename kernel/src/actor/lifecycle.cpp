// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Activation (reading state), deactivation, bounds on memory.
#include <algorithm>

#include "actor/runtime.hpp"
#include "actor/scheduler.hpp"
#include "observe/assert.hpp"
#include "state/record_format.hpp"

namespace orbit::kernel {

namespace {

constexpr uint64_t kTickNs = 50'000'000;
constexpr uint64_t kTickMinNs = 1'000'000;
constexpr size_t kSweepPerTick = 4096;
constexpr size_t kPressureSweep = 4096;
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
  std::string main_key;
  std::string sub_prefix;
  uint64_t bytes_max;
  // Filled on the pool.
  orbit_code code = ORBIT_OK;
  std::string message;
  std::string main;
  std::string bytes;  // of all sub-records: key, value, key, value
  std::vector<std::pair<size_t, size_t>> sizes;
  Job job;

  void read(const Committer& committer) {
    const orbit_storage_v1* storage = committer.storage();
    ErrorOut error;
    code = storage->get(committer.storage_self(), nullptr, to_c(main_key), append_to(main), &error);
    if (code == ORBIT_NOT_FOUND) {
      code = ORBIT_OK;
      main.clear();
      return;
    }
    std::string_view rest = main;
    bool has_subrecords = false;
    if (code == ORBIT_OK) {
      const auto header = take_main_header(rest);
      has_subrecords = header && header->has_subrecords;  // a broken header is told by complete_load
    }
    if (code == ORBIT_OK && has_subrecords) {
      const std::string end = prefix_end(sub_prefix);
      code = storage->scan(
          committer.storage_self(), nullptr, to_c(sub_prefix), to_c(end), 0,
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
  if (table_.size() >= limits_.activations_max) {
    sweep(kPressureSweep, true);
    if (table_.size() >= limits_.activations_max) {
      error = {Code::resource_exhausted, "activations_max: this worker holds " + std::to_string(table_.size()) +
                                             " activations, its limit, and none may leave now; try again later"};
      return nullptr;
    }
  }
  if (held_bytes() > limits_.memory_bytes_max) sweep(kPressureSweep, true);
  if (over_memory() && (waiting_ >= kWaitingMax || !committer_.writable())) {
    error = {Code::resource_exhausted, memory_error()};
    return nullptr;
  }
  orbit_activation* a = table_.insert(type, hash, mixed, key);
  a->last_used = now_tick_;
  activating_ = a;
  start_load(a);
  if (activating_ != nullptr) {
    activating_ = nullptr;
    return a;
  }
  error = std::move(activating_error_);
  return nullptr;
}

void Scheduler::start_load(orbit_activation* a) noexcept {
  a->stage = Stage::loading;
  if (frozen(a->type)) return;
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
    a->scheduled = true;
    a->run_next = nullptr;
    (wait_tail_ != nullptr ? wait_tail_->run_next : wait_head_) = a;
    wait_tail_ = a;
    ++waiting_;
    return;
  }
  load(a);
}

void Scheduler::load(orbit_activation* a) noexcept {
  if (const auto* cached = runtime_.cached_storage()) {
    std::string main;
    ErrorOut error;
    const orbit_code code =
        cached->get(committer_.storage_self(), to_c(main_record_key(a, kMainSpace)), append_to(main), &error);
    if (code == ORBIT_OK || code == ORBIT_NOT_FOUND) {
      std::string_view rest = main;
      const auto header = take_main_header(rest);
      if (code == ORBIT_NOT_FOUND || !header || !header->has_subrecords) {
        complete_load(a, {}, code == ORBIT_OK ? std::string_view(main) : std::string_view(), ORBIT_OK, {});
        return;
      }
    }
  }
  read_on_pool(a);
}

// Begins the loads that wait, as far as the bounds allow; gives up those that waited too long.
void Scheduler::resume_waiting() noexcept {
  while (wait_head_ != nullptr) {
    orbit_activation* next = wait_head_;
    const bool too_long = static_cast<uint64_t>(now_tick_ - next->last_used) << 24 > kWaitMaxNs;
    if (!too_long && (loading_ >= limits_.loads_max || over_memory())) return;
    wait_head_ = next->run_next;
    if (wait_head_ == nullptr) wait_tail_ = nullptr;
    --waiting_;
    next->scheduled = false;
    if (over_memory())
      fail_mailbox(next, ORBIT_RESOURCE_EXHAUSTED, memory_error());
    else
      load(next);
  }
}

std::string Scheduler::memory_error() const {
  return "memory_bytes_max: this worker's actors hold " + std::to_string(held_bytes()) + " bytes, its limit is " +
         std::to_string(limits_.memory_bytes_max) + ", and none may leave now; try again later";
}

void Scheduler::read_on_pool(orbit_activation* a) noexcept {
  auto* load = new Load{this, a, main_record_key(a, kMainSpace), main_record_key(a, kSubSpace), limits_.load_bytes_max};
  ++loading_;
  const bool queued = executor_.blocking(
      [](void* ctx) {
        auto* self = static_cast<Load*>(ctx);
        self->read(self->scheduler->committer_);
        self->job.run = [](Job* job) noexcept {
          auto* done = reinterpret_cast<Load*>(reinterpret_cast<char*>(job) - offsetof(Load, job));
          done->scheduler->loaded(done);
        };
        self->scheduler->executor_.post(self->scheduler->worker_, &self->job, &self->job);
      },
      load);
  if (queued) return;
  --loading_;
  delete load;
  fail_mailbox(a, ORBIT_RESOURCE_EXHAUSTED, "io_queue_max: the I/O pool's queue is full; try again later");
}

void Scheduler::loaded(Load* load) noexcept {
  now_ns_ = executor_.coarse_monotonic_ns();
  const std::unique_ptr<Load> owned(load);
  --loading_;
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
    fail_mailbox(a, code, message);
    return;
  }
  MainHeader header;
  std::vector<orbit_record> records;
  if (!main.empty()) {
    auto read = take_main_header(main);
    if (!read) {
      fail_mailbox(a, ORBIT_DATA_LOSS, a->type->name + "/" + std::string(a->key()) + ": " + read.error().message);
      return;
    }
    header = *read;
    records.reserve(subrecords.size() + 1);
    records.push_back({{"", 0}, to_c(main)});
    records.insert(records.end(), subrecords.begin(), subrecords.end());
  }
  a->record_version = header.version;
  a->epoch = header.epoch;
  a->expires_at_ms = header.expires_at_ms;
  a->has_main = !records.empty();
  a->gate = 0;

  invariant(a->actor == nullptr, "an activation is loaded once");
  const orbit_actor_type* def = a->version->def;
  ErrorOut error;
  a->actor = def->create(def->type_self, a, to_c(a->key()), &error);
  if (a->actor == nullptr) {
    fail_mailbox(a, error.code != ORBIT_OK ? error.code : ORBIT_INTERNAL, error.message);
    return;
  }
  a->version->activations.fetch_add(1, std::memory_order_relaxed);
  tallies_.activations.add();
  orbit_activation* const outer = current_;
  orbit_envelope* const outer_turn = turn_;
  current_ = a;
  turn_ = nullptr;
  const orbit_code load_code = def->load(a->actor, records.data(), records.size(), header.version, &error);
  current_ = outer;
  turn_ = outer_turn;
  if (load_code != ORBIT_OK) {
    drop_actor(a);
    fail_mailbox(a, load_code, error.message);
    return;
  }
  a->stage = Stage::active;
  account_memory(a);
  if (frozen(a->type))
    leave(a);
  else if (!a->mailbox.empty())
    schedule(a);
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
  // It failed before anybody could wait for it: activation() tells.
  if (activating_ == a) {
    activating_ = nullptr;
    activating_error_ = {static_cast<Code>(code), text};
  }
  if (a->linked == 0) {
    table_.erase(a);
  } else {
    a->leaving = true;
    leaving_.push_back(a);
  }
  for (orbit_envelope* envelope : refused) refuse(envelope, code, text);
}

void Scheduler::drop_actor(orbit_activation* a) noexcept {
  a->dirty = 0;
  a->doomed = false;
  memory_bytes_ -= static_cast<uint64_t>(a->memory_bytes) * 16;
  a->memory_bytes = 0;
  if (a->has_timers) timers_.drop(a);
  if (a->actor == nullptr) return;
  a->version->def->destroy(a->actor);
  a->version->activations.fetch_sub(1, std::memory_order_relaxed);
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
  tallies_.deactivations.add();
  drop_actor(a);
  a->version = nullptr;
  a->gate = 0;
  a->leaving = false;
  a->stage = Stage::loading;
  if (a->mailbox.empty())
    table_.erase(a);
  else
    start_load(a);
}

void Scheduler::leave(orbit_activation* a) noexcept {
  if (a->leaving || a->stage == Stage::free) return;
  if (a->stage == Stage::loading) return;
  a->leaving = true;
  leaving_.push_back(a);
}

void Scheduler::leave_all(const std::function<bool(const orbit_activation&)>& match) noexcept {
  table_.for_each([&](orbit_activation* a) {
    if (match(*a)) leave(a);
  });
}

void Scheduler::try_leave_all() noexcept {
  deliver_hinted();
  std::vector<orbit_activation*> waiting;
  waiting.swap(leaving_);
  for (orbit_activation* a : waiting) {
    if (a->dirty != 0 || a->linked != 0)
      for (FlushClass& cls : classes_) cls.due = true;
    if (a->scheduled && a->stage == Stage::active) {
      leaving_.push_back(a);  // still in the run queue; the next step takes it out
      continue;
    }
    if (may_leave(a, false))
      vacate(a);
    else
      leaving_.push_back(a);
  }
  if (!when_empty_.empty()) {
    auto conditions = std::move(when_empty_);
    when_empty_.clear();
    for (auto& [type, then] : conditions) when_empty(type, std::move(then));
  }
}

bool Scheduler::frozen(const orbit_type* type) const noexcept {
  return std::find(frozen_.begin(), frozen_.end(), type) != frozen_.end();
}

void Scheduler::freeze(orbit_type* type) {
  frozen_.push_back(type);
  refuse_holds(type);
}

void Scheduler::unfreeze(orbit_type* type) {
  frozen_.erase(std::find(frozen_.begin(), frozen_.end(), type));
  if (frozen(type)) return;
  std::vector<orbit_activation*> waiting;
  table_.for_each([&](orbit_activation* a) {
    if (a->type == type && a->stage == Stage::loading && a->actor == nullptr && !a->scheduled && !a->leaving) waiting.push_back(a);
  });
  for (orbit_activation* a : waiting) {
    if (a->mailbox.empty())
      table_.erase(a);
    else
      start_load(a);
  }
}

void Scheduler::when_empty(orbit_type* type, std::function<void()> then) {
  bool empty = true;
  table_.for_each([&](const orbit_activation* a) {
    if (a->type == type && (a->actor != nullptr || a->scheduled || a->leaving)) empty = false;
  });
  // A load that began before the freeze has no actor yet.
  if (empty && loading_ == 0)
    then();
  else
    when_empty_.emplace_back(type, std::move(then));
}

// The clock hand: lets go of what was not used for its idle timeout, or, under pressure, since the last visits.
void Scheduler::sweep(size_t most, bool under_pressure) noexcept {
  deliver_hinted();
  const size_t slots = table_.slots();
  const uint64_t goal = limits_.memory_bytes_max - limits_.memory_bytes_max / 16;
  for (size_t i = 0; i < std::min(most, slots); ++i) {
    if (sweep_at_ >= slots) sweep_at_ = 0;
    orbit_activation* a = table_.slot(sweep_at_++);
    if (a->stage != Stage::active || !a->mailbox.empty() || a->leaving) continue;
    const uint64_t idle_ns = static_cast<uint64_t>(now_tick_ - a->last_used) << 24;
    if (!under_pressure && idle_ns < a->version->idle_timeout_ns) continue;
    if (under_pressure && idle_ns == 0) continue;
    if (a->dirty != 0 || a->linked != 0) {
      flush_class(a->version->flush_class).due = true;
      continue;
    }
    if (may_leave(a, true)) vacate(a);
    if (under_pressure && held_bytes() < goal && table_.size() < limits_.activations_max) return;
  }
}

void Scheduler::arm_tick() noexcept {
  if (table_.size() == 0 && committer_.writable()) return;
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
  const bool pressure = held_bytes() > limits_.memory_bytes_max;
  sweep(kSweepPerTick, pressure);
  resume_waiting();
  // Work outside a step ends here, so that what it closed goes out.
  end_of_round();
}

}  // namespace orbit::kernel
