// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "actor/expiry.hpp"

#include <memory>

#include "actor/runtime.hpp"
#include "state/record_format.hpp"

namespace orbit::kernel {

namespace {

constexpr size_t kAtOnce = 1000;

}  // namespace

void ExpirySweeper::arm() {
  runtime_.executor().after(more_ ? 1'000'000 : runtime_.options().expiry_interval_ms * 1'000'000,
                            [](void* self) { static_cast<ExpirySweeper*>(self)->look(); }, this);
}

void ExpirySweeper::look() {
  now_ms_ = runtime_.executor().unix_ms();
  due_.clear();
  more_ = false;
  const bool queued = runtime_.executor().blocking([](void* self) { static_cast<ExpirySweeper*>(self)->scan(); }, this);
  if (!queued) arm();
}

void ExpirySweeper::scan() {
  const std::string from(1, kExpirySpace);
  std::string to = from;
  append_u64_be(to, now_ms_ + 1);
  const Committer& committer = runtime_.committer();
  ErrorOut error;
  const orbit_code code = committer.storage()->scan(
      committer.storage_self(), nullptr, to_c(from), to_c(to), 0,
      [](void* ctx, orbit_bytes key, orbit_bytes) -> int {
        auto* self = static_cast<ExpirySweeper*>(ctx);
        std::string_view in = from_c(key).substr(1);
        Due due;
        due.index_key = std::string(from_c(key));
        if (take_u64_be(in)) {
          if (const auto address = take_actor(in)) {
            due.type = std::string(address->type);
            due.key = std::string(address->key);
          }
        }
        self->due_.push_back(std::move(due));
        return self->due_.size() < kAtOnce ? 1 : 0;
      },
      this, &error);
  if (code != ORBIT_OK) due_.clear();
  runtime_.post(0, [this] { found(); });
}

void ExpirySweeper::found() {
  more_ = due_.size() >= kAtOnce;
  for (const Due& due : due_) expire(due);
  arm();
}

// The actor erases itself if it agrees that it has expired, and its commit removes the index entry. An entry that its
// actor's record does not have (the type was erased as a whole) is removed here.
void ExpirySweeper::expire(const Due& due) {
  Scheduler& scheduler = runtime_.scheduler(0);
  orbit_type* type = runtime_.types().find(due.type);
  if (type == nullptr || type->current.load(std::memory_order_acquire) == nullptr) return;
  struct Told {
    Runtime* runtime;
    Due due;
    orbit_type* type;
  };
  orbit_envelope* envelope = scheduler.allocate();
  envelope->type = type;
  envelope->key = to_c(due.key);
  envelope->method = ORBIT_METHOD_EXPIRE;
  envelope->reply_ctx = new Told{&runtime_, due, type};
  envelope->on_reply = [](void* ctx, orbit_envelope* reply) {
    auto* told = static_cast<Told*>(ctx);
    const bool answered = reply->code == ORBIT_OK;
    this_scheduler()->free_envelope(reply);
    if (!answered) {
      delete told;
      return;
    }
    const uint64_t mixed = ActivationTable::mix(told->type, key_hash(told->due.key));
    const uint32_t owner = told->runtime->worker_of(mixed);
    told->runtime->post(owner, [told, mixed, owner] {
      const std::unique_ptr<Told> owned(told);
      Scheduler& its = told->runtime->scheduler(owner);
      const orbit_activation* a = its.table().find(told->type, mixed, told->due.key);
      std::string_view in(told->due.index_key);
      in.remove_prefix(1);
      const auto at = take_u64_be(in);
      if (a == nullptr || a->dirty != 0 || !at || a->expires_at_ms == *at) return;
      Pending* pending = its.make_submission(false, true);
      pending->batch.remove(told->due.index_key);
      its.submit(pending);
    });
  };
  scheduler.send(envelope, nullptr);
}

}  // namespace orbit::kernel
