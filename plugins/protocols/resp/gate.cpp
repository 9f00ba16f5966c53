// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "gate.hpp"

#include <memory>
#include <utility>

#include "session.hpp"

namespace orbit::resp {

void Gate::enter(Worker& worker, std::function<void()> granted) {
  const std::lock_guard lock(mutex_);
  waiting_.push_back({worker.index, std::move(granted)});
  if (taken_) return;
  taken_ = true;
  close();
}

// Under the mutex, so that every worker sees closing and opening in one order.
void Gate::close() {
  const Interfaces& node = server_.interfaces();
  busy_.store(server_.worker_count(), std::memory_order_relaxed);
  for (uint32_t i = 0; i < server_.worker_count(); ++i) {
    node.workers->post(
        node.host, i, [](void* self) { static_cast<Server*>(self)->current_worker().close_gate(); }, &server_);
  }
}

void Gate::quiet() noexcept {
  if (busy_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  const std::lock_guard lock(mutex_);
  grant();
}

// Under the mutex; somebody waits.
void Gate::grant() {
  Request request = std::move(waiting_.front());
  waiting_.pop_front();
  const Interfaces& node = server_.interfaces();
  node.workers->post(
      node.host, request.worker,
      [](void* ctx) {
        const std::unique_ptr<std::function<void()>> granted(static_cast<std::function<void()>*>(ctx));
        (*granted)();
      },
      new std::function<void()>(std::move(request.granted)));
}

void Gate::leave() {
  const std::lock_guard lock(mutex_);
  if (!waiting_.empty()) return grant();
  taken_ = false;
  const Interfaces& node = server_.interfaces();
  for (uint32_t i = 0; i < server_.worker_count(); ++i) {
    node.workers->post(
        node.host, i, [](void* self) { static_cast<Server*>(self)->current_worker().open_gate(); }, &server_);
  }
}

void exclusively(Session& session, std::function<void(std::function<void()>)> body) {
  if (session.exec() != nullptr) return body([] {});
  Worker& worker = session.worker();
  worker.ran();  // an operation that waits for the gate must not be waited for
  worker.server.gate.enter(worker, [&worker, body = std::move(body)] {
    worker.began();
    worker.refresh_time();
    body([&server = worker.server] { server.gate.leave(); });
  });
}

}  // namespace orbit::resp
