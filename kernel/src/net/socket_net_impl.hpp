// SPDX-License-Identifier: MIT OR BSD-3-Clause
// For the files that make a network of sockets.
#pragma once

#include <latch>

#include "net/net_worker_impl.hpp"
#include "net/socket_connection_impl.hpp"
#include "net/socket_listener_impl.hpp"
#include "net/socket_net.hpp"

namespace orbit::kernel {

template <class Sockets>
struct CloseAllJob : Job {
  NetWorker<Sockets>* worker = nullptr;
  std::latch* done = nullptr;

  static void run_it(Job* job) noexcept {
    auto* const mine = static_cast<CloseAllJob*>(job);
    mine->worker->close_all();
    mine->done->count_down();
  }
};

template <class Sockets>
BasicSocketNet<Sockets>::BasicSocketNet(Sockets sockets, SocketNetOptions options)
    : sockets_(std::move(sockets)), options_(std::move(options)) {
  for (uint32_t i = 0; i < executor().workers(); ++i) {
    workers_.push_back(std::make_unique<NetWorker<Sockets>>(*this, i));
    sockets_.attach(i, workers_.back().get());
  }
}

template <class Sockets>
BasicSocketNet<Sockets>::~BasicSocketNet() = default;

template <class Sockets>
Result<Listener*> BasicSocketNet<Sockets>::listen(const orbit_listen_options& options,
                                                  const orbit_connection_handler& handler, void* self) {
  auto made = SocketListener<Sockets>::open(*this, options, handler, self);
  if (!made) return tl::unexpected<Error>(made.error());
  const std::lock_guard lock(listeners_mutex_);
  listeners_.push_back(std::move(*made));
  listeners_.back()->start();
  return static_cast<Listener*>(listeners_.back().get());
}

template <class Sockets>
std::vector<SocketListener<Sockets>*> BasicSocketNet<Sockets>::listeners() const {
  const std::lock_guard lock(listeners_mutex_);
  std::vector<SocketListener<Sockets>*> out;
  for (const auto& listener : listeners_) out.push_back(listener.get());
  return out;
}

template <class Sockets>
std::vector<NetCounters> BasicSocketNet<Sockets>::counters() const {
  std::vector<NetCounters> out;
  for (const auto& worker : workers_) out.push_back(worker->counters());
  return out;
}

template <class Sockets>
void BasicSocketNet<Sockets>::stop() noexcept {
  if (stopped_) return;
  stopped_ = true;
  {
    const std::lock_guard lock(listeners_mutex_);
    for (const auto& listener : listeners_) listener->stop();
  }
  std::latch done(static_cast<std::ptrdiff_t>(workers_.size()));
  std::vector<CloseAllJob<Sockets>> jobs(workers_.size());
  for (uint32_t i = 0; i < workers_.size(); ++i) {
    jobs[i].run = &CloseAllJob<Sockets>::run_it;
    jobs[i].worker = workers_[i].get();
    jobs[i].done = &done;
    executor().post(i, &jobs[i], &jobs[i]);
  }
  sockets_.wait(done);
}

template <class Sockets>
bool BasicSocketNet<Sockets>::admit() noexcept {
  if (connections_.fetch_add(1, std::memory_order_relaxed) < options_.connections_max) return true;
  release();
  return false;
}

template <class Sockets>
void BasicSocketNet<Sockets>::warn(std::string_view message) const {
  if (options_.warn) options_.warn(message);
}

}  // namespace orbit::kernel
