// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "actor/unique_claims.hpp"

#include <memory>

#include "actor/runtime.hpp"
#include "orbit/index_key.hpp"
#include "state/record_format.hpp"

namespace orbit::kernel {

namespace {

std::string owner_of(const orbit_type& type, std::string_view key) {
  std::string owner;
  append_type(owner, type.name);
  owner.append(key);
  return owner;
}

}  // namespace

struct UniqueClaims::Claim {
  Scheduler* scheduler;
  orbit_activation* a;
  orbit_envelope* turn;
  void (*done)(void* ctx, orbit_code code, const char* message);
  void* ctx;
  std::vector<std::string> entries;  // stored keys without the actor's key
  bool held = false;
  bool tried_again = false;
  // Filled on the I/O pool.
  size_t taken = SIZE_MAX;  // which of the entries another actor has
  std::string by;
  orbit_code code = ORBIT_OK;
  std::string message;
};

void UniqueClaims::claim(Scheduler& scheduler, orbit_activation* a, std::span<const orbit_index_entry> entries,
                         void (*done)(void*, orbit_code, const char*), void* ctx) {
  auto owned = std::make_unique<Claim>(Claim{&scheduler, a, scheduler.turn(), done, ctx, {}});
  for (const orbit_index_entry& entry : entries) {
    std::string& key = owned->entries.emplace_back(a->type->index_prefix);
    append_u32_be(key, entry.number);
    key.append(from_c(entry.value));
  }
  attempt(owned.release());
}

void UniqueClaims::attempt(Claim* claim) {
  claim->taken = SIZE_MAX;
  if (claim->held || take_all(*claim))
    look_at_storage(claim);
  else
    runtime_.post(claim->scheduler->worker(), [this, claim] { looked(claim); });
}

bool UniqueClaims::take_all(Claim& claim) {
  const std::string_view key = claim.a->key();
  const std::lock_guard lock(mutex_);
  for (size_t i = 0; i < claim.entries.size(); ++i) {
    const auto found = held_.find(claim.entries[i]);
    if (found == held_.end() || found->second.owner == key) continue;
    claim.taken = i;
    claim.by = found->second.owner;
    return false;
  }
  for (const std::string& entry : claim.entries)
    ++held_.try_emplace(entry, Held{std::string(key), 0}).first->second.count;
  return claim.held = true;
}

void UniqueClaims::look_at_storage(Claim* claim) {
  struct Look {
    UniqueClaims* claims;
    Claim* claim;
  };
  auto* look = new Look{this, claim};
  const bool queued = runtime_.executor().blocking(
      [](void* ctx) {
        const std::unique_ptr<Look> self(static_cast<Look*>(ctx));
        UniqueClaims* claims = self->claims;
        Claim* its = self->claim;
        const Engine& engine = claims->runtime_.store(its->a->version->store).committer.engine();
        for (size_t i = 0; i < its->entries.size() && its->taken == SIZE_MAX && its->code == ORBIT_OK; ++i) {
          const std::string& from = its->entries[i];
          const std::string to = prefix_end(from);
          std::string owner;
          bool found = false;
          struct Found {
            size_t prefix_size;
            std::string_view mine;
            std::string* owner;
            bool* found;
          } out{from.size(), its->a->key(), &owner, &found};
          ErrorOut error;
          its->code = engine.table->scan(
              engine.self, nullptr, to_c(from), to_c(to), 0,
              [](void* raw, orbit_bytes key, orbit_bytes) -> int {
                auto* to_fill = static_cast<Found*>(raw);
                const std::string_view of = from_c(key).substr(to_fill->prefix_size);
                if (of == to_fill->mine) return 1;
                *to_fill->owner = of;
                *to_fill->found = true;
                return 0;
              },
              &out, &error);
          if (its->code != ORBIT_OK) its->message = error.take(its->code).message;
          if (!found) continue;
          its->taken = i;
          its->by = owner;
        }
        claims->runtime_.post(its->scheduler->worker(), [claims, its] { claims->looked(its); });
      },
      look);
  if (queued) return;
  delete look;
  claim->code = ORBIT_RESOURCE_EXHAUSTED;
  claim->message = "io_queue_max: the I/O pool's queue is full; try again later";
  runtime_.post(claim->scheduler->worker(), [this, claim] { looked(claim); });
}

void UniqueClaims::looked(Claim* claim) {
  const orbit_activation* a = claim->a;
  if (claim->code == ORBIT_OK && claim->taken == SIZE_MAX) {
    {
      const std::lock_guard lock(mutex_);
      auto& granted = granted_[owner_of(*a->type, a->key())];
      granted.insert(granted.end(), claim->entries.begin(), claim->entries.end());
    }
    answer(claim, ORBIT_OK, {});
    return;
  }
  // The other actor may have given the value up, acknowledged that, and not stored it yet.
  if (claim->code == ORBIT_OK && !claim->tried_again && a->version->def->durability != ORBIT_DURABILITY_SYNC) {
    claim->tried_again = true;
    runtime_.flush_everywhere(claim->scheduler->worker(), Stores{1} << a->version->store, [this, claim] { attempt(claim); });
    return;
  }
  if (claim->held) drop(claim->entries);
  if (claim->code != ORBIT_OK) {
    answer(claim, claim->code, claim->message);
    return;
  }
  std::string_view value = claim->entries[claim->taken];
  value.remove_prefix(a->type->index_prefix.size());
  const uint32_t number = take_u32_be(value).value_or(0);
  const orbit_index* index = a->version->index(number);
  answer(claim, ORBIT_ALREADY_EXISTS,
         "unique index " + std::string(index != nullptr ? index->name : "?") + " of " + a->type->name + ": " +
             index_value_shown(index != nullptr ? index->kind : ORBIT_INDEX_BYTES, value) + " is taken by actor \"" +
             claim->by + "\"");
}

void UniqueClaims::answer(Claim* claim, orbit_code code, const std::string& message) {
  const std::unique_ptr<Claim> owned(claim);
  owned->scheduler->end_wait(owned->turn, kWaitsForClaim);
  owned->scheduler->continue_turn(owned->a, owned->turn, [&] { owned->done(owned->ctx, code, message.c_str()); });
}

std::vector<std::string> UniqueClaims::take(const orbit_type& type, std::string_view key) {
  const std::lock_guard lock(mutex_);
  const auto found = granted_.find(owner_of(type, key));
  if (found == granted_.end()) return {};
  std::vector<std::string> claims = std::move(found->second);
  granted_.erase(found);
  return claims;
}

void UniqueClaims::drop(const std::vector<std::string>& claims) {
  const std::lock_guard lock(mutex_);
  for (const std::string& claim : claims) {
    const auto found = held_.find(claim);
    if (found != held_.end() && --found->second.count == 0) held_.erase(found);
  }
}

}  // namespace orbit::kernel
