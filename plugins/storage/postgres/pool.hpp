// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The connections of an engine: a bounded number for readers, and what to do while the server is away. All functions may be
// called by several threads at once.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <random>
#include <vector>

#include "connection.hpp"

namespace orbit::storage_postgres {

using Clock = std::chrono::steady_clock;

class Pool {
 public:
  struct Options {
    ServerOptions server;
    const char* bound = "connections_max";  // what the bound is called
    size_t connections_max = 8;
    std::chrono::milliseconds retry_timeout{5000};  // how long one call waits for a server that is away
  };
  Pool(Options options, const Statements& statements, Events& events);

  // A connection in use; goes back when this goes away, unless it is broken.
  class Lease {
   public:
    Lease(Pool& pool, std::unique_ptr<Connection> connection) noexcept : pool_(&pool), connection_(std::move(connection)) {}
    Lease(Lease&&) noexcept = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
      if (connection_) pool_->give_back(std::move(connection_));
    }
    Connection& operator*() const noexcept { return *connection_; }
    Connection* operator->() const noexcept { return connection_.get(); }

   private:
    Pool* pool_;
    std::unique_ptr<Connection> connection_;
  };
  // RESOURCE_EXHAUSTED: all were in use until the deadline, or, without `wait`, are. UNAVAILABLE: the server is away.
  Result<Lease> acquire(Clock::time_point deadline, bool wait = true);
  // One more that the caller keeps and counts: the writer's.
  Result<std::unique_ptr<Connection>> connect(Clock::time_point deadline);
  Clock::time_point deadline() const { return Clock::now() + options_.retry_timeout; }

 private:
  void give_back(std::unique_ptr<Connection> connection) noexcept;
  Result<std::unique_ptr<Connection>> connect_locked(std::unique_lock<std::mutex>& lock, Clock::time_point deadline);
  Result<std::unique_ptr<Connection>> try_to_connect() const;

  const Options options_;
  const Statements& statements_;
  Events& events_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::vector<std::unique_ptr<Connection>> idle_;
  size_t open_ = 0;  // idle, in use or being opened
  // While attempts fail: since when, when the next one may be made, and what the last one said.
  size_t failures_ = 0;
  Clock::time_point away_since_;
  Clock::time_point retry_at_;
  Error why_;
  std::minstd_rand random_;
};

}  // namespace orbit::storage_postgres
