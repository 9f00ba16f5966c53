// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "worker.hpp"

#include <algorithm>
#include <utility>

#include "multi_key.hpp"
#include "session.hpp"

namespace orbit::resp {

Worker::Worker(Server& owner, uint32_t worker_index, uint64_t seed)
    : server(owner),
      settings(owner.settings()),
      index(worker_index),
      random_state_(seed),
      calls_(std::make_unique<std::atomic<uint64_t>[]>(owner.entries().size())) {}

Worker::~Worker() {
  delete spare_;
  while (free_ != nullptr) delete std::exchange(free_, free_->next);
  for (MultiKeyCall* call : calls_free_) delete call;
}

void Worker::refresh_time() noexcept {
  const Interfaces& node = server.interfaces();
  now_ms_ = node.workers->unix_ms(node.host);
  const uint64_t timeout_ms = settings.command_timeout_ms;
  deadline_ns_ = timeout_ms == 0 ? 0 : node.workers->monotonic_ns(node.host) + timeout_ms * 1'000'000;
}

uint64_t Worker::random() noexcept {
  uint64_t z = random_state_ += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

Slot* Worker::make_slot() {
  if (free_ == nullptr) return new Slot;
  --free_count_;
  Slot* slot = std::exchange(free_, free_->next);
  slot->next = nullptr;
  return slot;
}

void Worker::give_back(Slot* slot) noexcept {
  if (free_count_ >= kKeepSlots) {
    delete slot;
    return;
  }
  slot->recycle();
  slot->next = free_;
  free_ = slot;
  ++free_count_;
}

void Worker::close_gate() {
  if (++gates_ > 0) {
    for (const auto& [id, session] : sessions) session->close_gate();
  }
  if (unexecuted_ == 0) {
    server.gate.quiet();
  } else {
    tells_quiet_ = true;
  }
}

void Worker::tell_quiet() noexcept {
  tells_quiet_ = false;
  server.gate.quiet();
}

void Worker::open_gate() {
  if (--gates_ > 0) return;
  for (const auto& [id, session] : sessions) session->open_gate();
  for (const auto& body : std::exchange(when_open_, {})) body();
}

void Worker::when_open(std::function<void()> body) {
  if (gate_closed()) {
    when_open_.push_back(std::move(body));
  } else {
    body();
  }
}

void Worker::pause(uint64_t until_ns, bool all) {
  all_paused_ = all_paused_ || all;
  paused_until_ns_ = std::max(paused_until_ns_, until_ns);
  for (const auto& [id, session] : sessions) session->pause(all_paused_);
  if (pause_timer_ == 0) arm_pause();
}

void Worker::arm_pause() {
  const Interfaces& node = server.interfaces();
  const uint64_t now_ns = node.workers->monotonic_ns(node.host);
  const uint64_t left_ns = paused_until_ns_ > now_ns ? paused_until_ns_ - now_ns : 0;
  pause_timer_ = node.workers->after(
      node.host, left_ns / 1'000'000 + 1,
      [](void* ctx) {
        auto* const self = static_cast<Worker*>(ctx);
        self->pause_timer_ = 0;
        const Interfaces& interfaces = self->server.interfaces();
        if (interfaces.workers->monotonic_ns(interfaces.host) < self->paused_until_ns_) return self->arm_pause();
        self->unpause();
      },
      this);
}

void Worker::unpause() {
  if (paused_until_ns_ == 0) return;
  paused_until_ns_ = 0;
  all_paused_ = false;
  if (pause_timer_ != 0) server.interfaces().workers->cancel(server.interfaces().host, pause_timer_);
  pause_timer_ = 0;
  for (const auto& [id, session] : sessions) session->unpause();
}

void Worker::admit(Session& session) {
  if (gate_closed()) session.close_gate();
  if (paused_until_ns_ != 0) session.pause(all_paused_);
}

MultiKeyCall* Worker::take_call() {
  if (calls_free_.empty()) return new MultiKeyCall;
  MultiKeyCall* call = calls_free_.back();
  calls_free_.pop_back();
  return call;
}

void Worker::give_back(MultiKeyCall* call) noexcept {
  if (calls_free_.size() >= kKeepCalls || call->big()) {
    delete call;
  } else {
    calls_free_.push_back(call);
  }
}

void Worker::flush_count() noexcept {
  if (counted_ == nullptr) return;
  auto& calls = calls_[counted_->index];
  calls.store(calls.load(std::memory_order_relaxed) + counted_times_, std::memory_order_relaxed);
  server.interfaces().metrics->add(counted_->counter, counted_times_);
  counted_ = nullptr;
  counted_times_ = 0;
}

void Worker::count_error() noexcept {
  server.errors_total.fetch_add(1, std::memory_order_relaxed);
  server.interfaces().metrics->add(server.errors_counter, 1);
}

namespace {

struct Round {
  Server& server;
  std::function<void(Worker&)> part;
  std::function<void()> done;
  uint32_t origin;
  std::atomic<uint32_t> left;
};

void finish_round(void* ctx) {
  const std::unique_ptr<Round> round(static_cast<Round*>(ctx));
  round->done();
}

void run_part(void* ctx) {
  auto* round = static_cast<Round*>(ctx);
  Server& server = round->server;
  round->part(server.current_worker());
  if (round->left.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    const Interfaces& node = server.interfaces();
    node.workers->post(node.host, round->origin, &finish_round, round);
  }
}

}  // namespace

void on_all_workers(Server& server, std::function<void(Worker&)> part, std::function<void()> done) {
  const uint32_t count = server.worker_count();
  auto* round = new Round{server, std::move(part), std::move(done), server.current_worker().index, count};
  const Interfaces& node = server.interfaces();
  for (uint32_t i = 0; i < count; ++i) node.workers->post(node.host, i, &run_part, round);
}

}  // namespace orbit::resp
