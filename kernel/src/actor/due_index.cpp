// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "actor/due_index.hpp"

#include <algorithm>
#include <memory>

#include "actor/hold.hpp"
#include "actor/runtime.hpp"
#include "state/record_format.hpp"

namespace orbit::kernel {

namespace {

constexpr uint64_t kNever = UINT64_MAX;
constexpr uint64_t kFailedScanMs = 1000;
constexpr char kDueToken = 0;
constexpr orbit_payload_ops kDueOps = {sizeof(orbit_payload_ops), 0, &kDueToken, nullptr, nullptr, nullptr};

struct Parsed {
  uint64_t due_ms;
  ActorAddress actor;
  std::string_view name;
};
Result<Parsed> parse(std::string_view key) {
  key.remove_prefix(1);
  auto at = take_u64_be(key);
  if (!at) return tl::unexpected<Error>(at.error());
  auto actor = take_actor(key);
  if (!actor) return tl::unexpected<Error>(actor.error());
  return Parsed{*at, *actor, key};
}

uint64_t time_of(std::string_view key) noexcept {
  key.remove_prefix(std::min<size_t>(key.size(), 1));
  const auto at = key.size() >= 8 ? take_u64_be(key) : Result<uint64_t>(0);
  return at ? *at : 0;
}

}  // namespace

// A tick on its way, and what its payload points to.
struct DueIndex::Delivery {
  DueIndex* index;
  Entry entry;
  orbit_type* type;
  std::string_view actor_key;  // in entry.key
  std::string_view name;
};

DueIndex::~DueIndex() {
  for (Delivery* delivery : in_flight_) delete delivery;
}

void DueIndex::start() {
  known_to_.assign(1, kDueSpace);
  publish_border();
  pump();
}

void DueIndex::types_changed() {
  runtime_.post(0, [this] {
    if (!std::exchange(nobody_, false)) return;
    read_again();
    pump();
  });
}

void DueIndex::added(uint64_t at_ms) noexcept {
  if (at_ms > border_.load()) return;
  uint64_t earliest = added_.load();
  while (at_ms < earliest && !added_.compare_exchange_weak(earliest, at_ms)) {
  }
  if (added_posted_.exchange(true)) return;
  runtime_.post(0, [this] {
    added_posted_.store(false);
    if (scanning_) return;  // scanned() looks
    move_border_back(added_.exchange(kNever));
    pump();
  });
}

uint64_t DueIndex::border_ms() const noexcept { return known_all_ ? kNever : time_of(known_to_); }

void DueIndex::publish_border() noexcept { border_.store(scanning_ ? kNever : border_ms()); }

void DueIndex::move_border_back(uint64_t at_ms) {
  if (at_ms == kNever) return;
  std::string key(1, kDueSpace);
  append_u64_be(key, at_ms);
  if (!known_all_ && known_to_ <= key) return;
  known_all_ = false;
  known_to_ = std::move(key);
  while (!window_.empty() && window_.back().key >= known_to_) window_.pop_back();
  publish_border();
}

void DueIndex::read_again() {
  read_again_at_ms_ = kNever;
  window_.clear();
  known_all_ = false;
  known_to_.assign(1, kDueSpace);
  publish_border();
}

uint64_t DueIndex::next_look_ms() const noexcept {
  uint64_t next = read_again_at_ms_;
  if (!window_.empty() && in_flight_.size() < kInFlightMax) next = std::min(next, window_.front().due_ms);
  if (window_.empty() && !scanning_) next = std::min(next, border_ms());
  if (!retries_.empty() && in_flight_.size() < kInFlightMax) next = std::min(next, retries_.begin()->first);
  return next;
}

void DueIndex::arm() {
  const uint64_t next_ms = next_look_ms();
  if (next_ms == kNever || (timer_ != 0 && timer_at_ms_ <= next_ms)) return;
  if (timer_ != 0) runtime_.executor().cancel(timer_);
  const uint64_t now_ms = runtime_.executor().unix_ms();
  const RuntimeOptions& options = runtime_.options();
  const uint64_t delay_ms = std::clamp(next_ms > now_ms ? next_ms - now_ms : 0, options.due_rest_ms, options.due_look_ms);
  timer_at_ms_ = now_ms + delay_ms;
  timer_ = runtime_.executor().after(delay_ms * 1'000'000,
                                     [](void* self) {
                                       auto* index = static_cast<DueIndex*>(self);
                                       index->timer_ = 0;
                                       index->timer_at_ms_ = kNever;
                                       index->pump();
                                     },
                                     this);
}

// Sends what is due, reads on when the window does not reach far enough, and sleeps until the next moment.
void DueIndex::pump() {
  if (stopped_.load(std::memory_order_relaxed) || pumping_) return;
  pumping_ = true;  // a turn may end inside deliver
  const uint64_t now_ms = runtime_.executor().unix_ms();
  if (read_again_at_ms_ <= now_ms) read_again();
  while (in_flight_.size() < kInFlightMax && !retries_.empty() && retries_.begin()->first <= now_ms) {
    Entry entry = std::move(retries_.begin()->second);
    retries_.erase(retries_.begin());
    taken_.erase(entry.key);
    deliver(std::move(entry));
  }
  while (in_flight_.size() < kInFlightMax && !window_.empty() && window_.front().due_ms <= now_ms) {
    Entry entry = std::move(window_.front());
    window_.pop_front();
    deliver(std::move(entry));
  }
  if (!scanning_ && window_.empty() && border_ms() <= now_ms) begin_scan();
  counters_.waiting.store(window_.size() + taken_.size(), std::memory_order_relaxed);
  pumping_ = false;
  arm();
}

void DueIndex::begin_scan() {
  scanning_ = true;
  publish_border();
  scan_from_ = known_to_;
  found_.clear();
  const bool queued = runtime_.executor().blocking([](void* self) { static_cast<DueIndex*>(self)->scan(); }, this);
  if (queued) return;
  scanning_ = false;  // tried again at the next look
  publish_border();
}

void DueIndex::scan() {
  const std::string to(1, static_cast<char>(kDueSpace + 1));
  const Engine& engine = store_.committer.engine();
  ErrorOut error;
  const orbit_code code = engine.table->scan(
      engine.self, nullptr, to_c(scan_from_), to_c(to), 0,
      [](void* ctx, orbit_bytes key, orbit_bytes) -> int {
        auto& found = *static_cast<std::vector<std::string>*>(ctx);
        found.emplace_back(from_c(key));
        return found.size() < kWindow ? 1 : 0;
      },
      &found_, &error);
  scan_failed_ = code != ORBIT_OK;
  runtime_.post(0, [this] { scanned(); });
}

void DueIndex::scanned() {
  scanning_ = false;
  counters_.scans.fetch_add(1, std::memory_order_relaxed);
  counters_.read.fetch_add(found_.size(), std::memory_order_relaxed);
  if (scan_failed_) {
    read_again_at_ms_ = std::min(read_again_at_ms_, runtime_.executor().unix_ms() + kFailedScanMs);
    known_all_ = true;  // until then
  } else if (known_to_ == scan_from_ && !known_all_) {
    known_all_ = found_.size() < kWindow;
    if (!known_all_) known_to_ = found_.back() + '\0';
    for (std::string& key : found_) {
      if (taken_.contains(key)) continue;
      const uint64_t due_ms = time_of(key);
      window_.push_back({std::move(key), due_ms, 0});
    }
  }
  publish_border();
  move_border_back(added_.exchange(kNever));
  pump();
}

void DueIndex::deliver(Entry entry) {
  const auto parsed = parse(entry.key);
  if (!parsed) return;  // not one of ours; nobody can say whose
  orbit_type* type = runtime_.types().find(parsed->actor.type);
  if (type == nullptr || type->current.load(std::memory_order_acquire) == nullptr) {
    nobody_ = true;
    return;
  }
  auto* delivery = new Delivery{this, std::move(entry), type, {}, {}};
  const auto at = parse(delivery->entry.key);
  delivery->actor_key = at->actor.key;
  delivery->name = at->name;
  taken_.insert(delivery->entry.key);
  in_flight_.insert(delivery);
  counters_.sent.fetch_add(1, std::memory_order_relaxed);

  Scheduler& scheduler = runtime_.scheduler(0);
  orbit_envelope* envelope = scheduler.allocate();
  envelope->type = type;
  envelope->key = to_c(delivery->actor_key);
  envelope->reply_ctx = delivery;
  if (delivery->name.empty()) {
    envelope->method = ORBIT_METHOD_EXPIRE;
  } else {
    envelope->method = ORBIT_METHOD_DUE;
    envelope->ops = &kDueOps;
    envelope->payload = new (envelope->room)
        orbit_due_tick{sizeof(orbit_due_tick), 0, to_c(delivery->name), at->due_ms, runtime_.executor().unix_ms()};
  }
  envelope->on_reply = [](void* ctx, orbit_envelope* reply) {
    auto* told = static_cast<Delivery*>(ctx);
    const orbit_code code = reply->code;
    this_scheduler()->free_envelope(reply);
    told->index->done(told, code);
  };
  scheduler.send(envelope, nullptr);
}

void DueIndex::done(Delivery* delivery, orbit_code code) {
  if (code == ORBIT_OK && delivery->name.empty()) {
    check_expired(delivery);
    return;
  }
  const bool nobody = code == ORBIT_NOT_FOUND && delivery->type->current.load(std::memory_order_acquire) == nullptr;
  ended(delivery, code == ORBIT_OK, nobody);
}

// The actor erases itself if it agrees that it has expired, and its commit removes the index entry. An entry that its actor's
// record does not have (the type was erased as a whole) is removed here.
void DueIndex::check_expired(Delivery* delivery) {
  const uint64_t mixed = ActivationTable::mix(delivery->type, key_hash(delivery->actor_key));
  const uint32_t owner = runtime_.worker_of(mixed);
  runtime_.post(owner, [this, delivery, mixed, owner] {
    Scheduler& its = runtime_.scheduler(owner);
    const orbit_activation* a = its.table().find(delivery->type, mixed, delivery->actor_key);
    const bool at_rest = a != nullptr && a->stage == Stage::active && a->dirty == 0;
    // Another worker may be writing the record of a held one: it is asked again.
    const bool held = at_rest && is_mark(a->current);
    const bool disagrees = held || (at_rest && a->expires_at_ms() == delivery->entry.due_ms);
    if (at_rest && !disagrees) {
      Pending* pending = its.make_submission(store_, false, true);
      pending->batch.remove(delivery->entry.key);
      its.submit(pending);
    }
    runtime_.post(0, [this, delivery, disagrees] { ended(delivery, !disagrees, false); });
  });
}

void DueIndex::ended(Delivery* delivery, bool good, bool nobody) {
  in_flight_.erase(delivery);
  Entry entry = std::move(delivery->entry);
  delete delivery;
  taken_.erase(entry.key);
  nobody_ = nobody_ || nobody;
  if (!good && !nobody) {
    counters_.failed.fetch_add(1, std::memory_order_relaxed);
    const uint64_t now_ms = runtime_.executor().unix_ms();
    const uint64_t wait_ms = std::min(kRetryMinMs << std::min<uint32_t>(entry.failures, 20), kRetryMaxMs);
    if (retries_.size() < kRetriesMax) {
      ++entry.failures;
      taken_.insert(entry.key);
      retries_.emplace(now_ms + wait_ms, std::move(entry));
    } else {
      read_again_at_ms_ = std::min(read_again_at_ms_, now_ms + kRetryMaxMs);
    }
  }
  pump();
}

}  // namespace orbit::kernel
