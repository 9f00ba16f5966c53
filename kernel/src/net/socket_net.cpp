// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "net/socket_net.hpp"

#include <algorithm>
#include <latch>

#include "net/net_worker.hpp"
#include "net/socket_listener.hpp"

namespace orbit::kernel {

namespace {

struct CloseAllJob : Job {
  NetWorker* worker = nullptr;
  std::latch* done = nullptr;
};

void run_close_all(Job* job) noexcept {
  auto* const mine = static_cast<CloseAllJob*>(job);
  mine->worker->close_all();
  mine->done->count_down();
}

}  // namespace

SocketNet::SocketNet(AsioExecutor& executor, SocketNetOptions options)
    : executor_(executor), options_(std::move(options)) {
  for (uint32_t i = 0; i < executor.workers(); ++i) {
    workers_.push_back(std::make_unique<NetWorker>(*this, i));
    executor.attach_output(i, workers_.back().get());
  }
}

SocketNet::~SocketNet() = default;

Result<Listener*> SocketNet::listen(const orbit_listen_options& options, const orbit_connection_handler& handler,
                                    void* self) {
  auto made = SocketListener::open(*this, options, handler, self);
  if (!made) return tl::unexpected<Error>(made.error());
  const std::lock_guard lock(listeners_mutex_);
  listeners_.push_back(std::move(*made));
  listeners_.back()->start();
  return static_cast<Listener*>(listeners_.back().get());
}

void SocketNet::reload_certificates(bool all) {
  std::vector<SocketListener*> with_tls;
  {
    const std::lock_guard lock(listeners_mutex_);
    for (const auto& listener : listeners_)
      if (listener->tls() != nullptr) with_tls.push_back(listener.get());
  }
  for (SocketListener* listener : with_tls) {
    std::string news;
    const auto result = listener->tls()->reload(all, news);
    if (result == TlsServer::Reload::done && options_.tell) options_.tell(listener->address() + ": " + news);
    if (result == TlsServer::Reload::failed) warn(listener->address() + ": " + news);
  }
}

bool SocketNet::has_tls() const {
  const std::lock_guard lock(listeners_mutex_);
  return std::any_of(listeners_.begin(), listeners_.end(), [](const auto& listener) { return listener->tls() != nullptr; });
}

std::vector<NetCounters> SocketNet::counters() const {
  std::vector<NetCounters> out;
  for (const auto& worker : workers_) out.push_back(worker->counters());
  return out;
}

void SocketNet::stop() noexcept {
  if (stopped_) return;
  stopped_ = true;
  {
    const std::lock_guard lock(listeners_mutex_);
    for (const auto& listener : listeners_) listener->stop();
  }
  std::latch done(static_cast<std::ptrdiff_t>(workers_.size()));
  std::vector<CloseAllJob> jobs(workers_.size());
  for (uint32_t i = 0; i < workers_.size(); ++i) {
    jobs[i].run = &run_close_all;
    jobs[i].worker = workers_[i].get();
    jobs[i].done = &done;
    executor_.post(i, &jobs[i], &jobs[i]);
  }
  done.wait();
}

bool SocketNet::admit() noexcept {
  if (connections_.fetch_add(1, std::memory_order_relaxed) < options_.connections_max) return true;
  release();
  return false;
}

void SocketNet::warn(std::string_view message) const {
  if (options_.warn) options_.warn(message);
}

}  // namespace orbit::kernel
