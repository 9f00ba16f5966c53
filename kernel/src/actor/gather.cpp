// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "actor/gather.hpp"

#include "actor/runtime.hpp"

namespace orbit::kernel {

namespace {

constexpr uint64_t kLookInsideNs = 100'000'000;

}  // namespace

Gather::Gather(Runtime& runtime, uint32_t home, Part part, Then then)
    : runtime_(runtime),
      home_(home),
      part_(std::move(part)),
      then_(std::move(then)),
      parts_(runtime.workers()),
      seen_(runtime.workers()),
      answered_(runtime.workers()),
      left_(runtime.workers()) {}

void Gather::start(Runtime& runtime, Part part, Then then) {
  const auto self = std::make_shared<Gather>(runtime, this_scheduler()->worker(), std::move(part), std::move(then));
  for (uint32_t worker = 0; worker < runtime.workers(); ++worker) go_on(self, worker);
  arm(self);
}

void Gather::go_on(const Ptr& self, uint32_t worker) {
  self->runtime_.post(worker, [self, worker] {
    if (self->over_.load(std::memory_order_relaxed)) return;
    const bool all = self->part_(self->runtime_.scheduler(worker));
    self->parts_[worker].fetch_add(1, std::memory_order_relaxed);
    if (!all) return go_on(self, worker);
    self->runtime_.post(self->home_, [self, worker] { arrived(self, worker); });
  });
}

void Gather::arrived(const Ptr& self, uint32_t worker) {
  if (self->over_.load(std::memory_order_relaxed)) return;
  self->answered_[worker] = true;
  if (--self->left_ == 0) self->finish();
}

void Gather::arm(const Ptr& self) {
  self->timers_ptr_ = std::make_unique<Ptr>(self);
  self->timer_ = self->runtime_.executor().after(
      kPatienceNs,
      [](void* ctx) {
        const Ptr gather = *static_cast<Ptr*>(ctx);
        gather->timer_ = 0;
        look(gather);
      },
      self->timers_ptr_.get());
}

void Gather::look(const Ptr& self) {
  bool goes_on = false;
  for (uint32_t worker = 0; worker < self->parts_.size(); ++worker) {
    const uint32_t done = self->parts_[worker].load(std::memory_order_relaxed);
    if (!self->answered_[worker] && done != self->seen_[worker]) goes_on = true;
    self->seen_[worker] = done;
  }
  if (goes_on)
    arm(self);
  else
    self->finish();
}

void Gather::finish() {
  over_.store(true, std::memory_order_relaxed);
  if (timer_ != 0) runtime_.executor().cancel(timer_);
  timer_ = 0;
  std::vector<uint32_t> silent;
  for (uint32_t worker = 0; worker < answered_.size(); ++worker)
    if (!answered_[worker]) silent.push_back(worker);
  const Then then = std::move(then_);
  const auto keep = std::move(timers_ptr_);  // ends this object, perhaps
  then(silent);
}

void look_inside(Runtime& runtime, std::vector<uint32_t> workers, std::function<void(std::vector<Running>)> then) {
  struct Look {
    Runtime& runtime;
    uint32_t home;
    std::vector<uint32_t> workers;
    std::vector<Running> running;
    std::function<void(std::vector<Running>)> then;
  };
  struct One {
    const Scheduler* scheduler;
    Running* out;
  };
  std::vector<Running> nothing(workers.size());
  if (workers.empty()) return then(std::move(nothing));
  const uint32_t home = this_scheduler()->worker();
  auto look = std::make_unique<Look>(Look{runtime, home, std::move(workers), std::move(nothing), std::move(then)});
  // It waits for them: not here.
  const bool queued = runtime.executor().blocking(
      [](void* ctx) {
        auto* self = static_cast<Look*>(ctx);
        for (size_t i = 0; i < self->workers.size(); ++i) {
          One one{&self->runtime.scheduler(self->workers[i]), &self->running[i]};
          const bool seen = self->runtime.executor().interrupt(
              self->workers[i],
              [](void* raw) {
                const auto* of = static_cast<One*>(raw);
                of->scheduler->look_at_running(*of->out);
              },
              &one, kLookInsideNs);
          if (!seen) self->running[i] = Running();
        }
        self->runtime.post(self->home, [self] {
          const std::unique_ptr<Look> owned(self);
          owned->then(std::move(owned->running));
        });
      },
      look.get());
  if (queued)
    static_cast<void>(look.release());
  else
    look->then(std::move(look->running));
}

}  // namespace orbit::kernel
