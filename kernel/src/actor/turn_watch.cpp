// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "actor/turn_watch.hpp"

#include <algorithm>

#include "actor/names.hpp"
#include "actor/runtime.hpp"

namespace orbit::kernel {

namespace {

constexpr uint64_t kWatchInterruptNs = 20'000'000;
constexpr uint64_t kLogEveryNs = 1'000'000'000;

}  // namespace

TurnWatch::TurnWatch(Runtime& runtime, uint64_t slow_turn_ms, Logger* logger)
    : runtime_(runtime), slow_ns_(slow_turn_ms * 1'000'000), logger_(logger), watched_(runtime.workers()) {}

void TurnWatch::look() {
  const uint64_t now_ns = runtime_.executor().monotonic_ns();
  for (uint32_t worker = 0; worker < watched_.size(); ++worker) {
    Watched& watched = watched_[worker];
    const uint64_t progress = runtime_.executor().progress(worker);
    const uint64_t turns = runtime_.scheduler(worker).tallies().turns.get();
    if (progress == watched.progress && progress % 2 != 0) runtime_.scheduler(worker).look_at_clock_soon();
    if (progress != watched.progress || turns != watched.turns || progress % 2 == 0) {
      if (watched.kept) ended(watched);
      watched.progress = progress;
      watched.turns = turns;
      watched.since_ns = now_ns;
      watched.looked_at = watched.kept = false;
      continue;
    }
    if (now_ns - watched.since_ns < slow_ns_) continue;
    if (!watched.looked_at) {
      watched.looked_at = true;
      look_at(worker, watched, now_ns);
    } else if (watched.kept) {
      const std::lock_guard lock(mutex_);
      watched.slow.back().duration_ms = (now_ns - watched.since_ns + look_every_ns() / 2) / 1'000'000;
    }
  }
}

void TurnWatch::look_at(uint32_t worker, Watched& watched, uint64_t now_ns) {
  struct Look {
    Scheduler* scheduler;
    Running running;
    uint64_t turns;
  } look{&runtime_.scheduler(worker), {}, 0};
  const bool seen = runtime_.executor().interrupt(
      worker,
      [](void* ctx) {
        auto* self = static_cast<Look*>(ctx);
        self->scheduler->look_at_running(self->running);
        self->turns = self->scheduler->tallies().turns.get();
      },
      &look, kWatchInterruptNs);
  // It may have ended just now, or be busy with something that is no actor's.
  if (!seen || look.running.actor.type == nullptr || look.turns != watched.turns) return;
  if (runtime_.executor().progress(worker) != watched.progress) return;

  SlowTurn slow;
  slow.duration_ms = (now_ns - watched.since_ns + look_every_ns() / 2) / 1'000'000;
  slow.began_unix_ms = runtime_.executor().unix_ms() - slow.duration_ms;
  slow.worker = worker;
  slow.type = look.running.actor.type->name;
  slow.key = shown_key(look.running.actor.shown());
  if (look.running.in_turn) slow.method = method_name(look.running.actor.type, look.running.method);
  slow.running = true;
  watched.found.add();
  watched.kept = true;
  watched.logged = may_log(watched, now_ns);
  if (watched.logged)
    logger_->warn("a turn keeps its worker for too long", {{"actor", slow.type + "/" + slow.key},
                                                           {"method", slow.method},
                                                           {"worker", std::to_string(worker)},
                                                           {"ms_so_far", std::to_string(slow.duration_ms)},
                                                           {"not_logged_since", std::to_string(watched.unlogged)}});
  if (watched.logged) watched.unlogged = 0;
  const std::lock_guard lock(mutex_);
  if (watched.slow.size() == kKeptMax) watched.slow.pop_front();
  watched.slow.push_back(std::move(slow));
}

bool TurnWatch::may_log(Watched& watched, uint64_t now_ns) {
  if (logger_ == nullptr) return false;
  if (watched.logged_ns != 0 && now_ns - watched.logged_ns < kLogEveryNs) {
    ++watched.unlogged;
    return false;
  }
  watched.logged_ns = now_ns;
  return true;
}

void TurnWatch::ended(Watched& watched) {
  const std::lock_guard lock(mutex_);
  SlowTurn& slow = watched.slow.back();
  slow.running = false;
  if (!watched.logged) return;
  logger_->warn("a slow turn has ended", {{"actor", slow.type + "/" + slow.key},
                                          {"method", slow.method},
                                          {"worker", std::to_string(slow.worker)},
                                          {"ms", std::to_string(slow.duration_ms)}});
}

std::vector<SlowTurn> TurnWatch::slow_turns(size_t limit) const {
  std::vector<SlowTurn> out;
  {
    const std::lock_guard lock(mutex_);
    for (const Watched& watched : watched_) out.insert(out.end(), watched.slow.begin(), watched.slow.end());
  }
  std::sort(out.begin(), out.end(),
            [](const SlowTurn& a, const SlowTurn& b) { return a.began_unix_ms > b.began_unix_ms; });
  if (out.size() > limit) out.resize(limit);
  return out;
}

}  // namespace orbit::kernel
