// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "pool.hpp"

#include <algorithm>

namespace orbit::storage_postgres {
namespace {

constexpr std::chrono::milliseconds kBackoffMin{20};
constexpr std::chrono::milliseconds kBackoffMax{2000};

}  // namespace

Pool::Pool(Options options, const Statements& statements, Events& events)
    : options_(std::move(options)), statements_(statements), events_(events), random_(std::random_device{}()) {
  idle_.reserve(options_.connections_max);
}

Result<Pool::Lease> Pool::acquire(Clock::time_point deadline, bool wait) {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (!idle_.empty()) {
      auto connection = std::move(idle_.back());
      idle_.pop_back();
      return Lease(*this, std::move(connection));
    }
    if (open_ < options_.connections_max) {
      ++open_;
      auto made = connect_locked(lock, deadline);
      if (made) return Lease(*this, std::move(*made));
      --open_;
      changed_.notify_one();
      return tl::unexpected<Error>(made.error());
    }
    const bool late = !wait || changed_.wait_until(lock, deadline) == std::cv_status::timeout;
    if (late && idle_.empty() && open_ >= options_.connections_max)
      return fail(Code::resource_exhausted, std::string(options_.bound) + " = " + std::to_string(options_.connections_max) +
                                                " connections to the PostgreSQL server are all in use");
  }
}

void Pool::give_back(std::unique_ptr<Connection> connection) noexcept {
  std::vector<std::unique_ptr<Connection>> closed;
  {
    const std::lock_guard lock(mutex_);
    if (connection->broken()) {
      // What happened to this one has most likely happened to those that nobody looks at.
      open_ -= 1 + idle_.size();
      closed.swap(idle_);
      idle_.reserve(options_.connections_max);
    } else {
      idle_.push_back(std::move(connection));
    }
  }
  changed_.notify_all();
}

Result<std::unique_ptr<Connection>> Pool::connect(Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  return connect_locked(lock, deadline);
}

Result<std::unique_ptr<Connection>> Pool::connect_locked(std::unique_lock<std::mutex>& lock, Clock::time_point deadline) {
  for (;;) {
    const auto now = Clock::now();
    if (failures_ == 0 || now >= retry_at_) {
      // The next one to ask does not try at the same time.
      if (failures_ > 0) retry_at_ = now + kBackoffMax;
      lock.unlock();
      auto made = try_to_connect();
      lock.lock();
      if (made) {
        failures_ = 0;
        changed_.notify_all();
        return made;
      }
      const auto after = Clock::now();
      if (failures_++ == 0) away_since_ = after;
      const auto longest = std::min(kBackoffMax, kBackoffMin * (1 << std::min<size_t>(failures_, 10)));
      retry_at_ = after + longest / 2 + std::chrono::milliseconds(random_() % static_cast<unsigned>(longest.count() / 2 + 1));
      why_ = made.error();
      changed_.notify_all();  // others wait for the moment after which this attempt would have been given up
      // Waiting helps only against what waiting can change.
      if (why_.code != Code::unavailable && why_.code != Code::resource_exhausted) return made;
      continue;
    }
    if (now >= deadline || now - away_since_ > options_.retry_timeout) return tl::unexpected<Error>(why_);
    changed_.wait_until(lock, std::min(deadline, retry_at_));
  }
}

Result<std::unique_ptr<Connection>> Pool::try_to_connect() const {
  auto connection = Connection::open(options_.server, events_);
  if (!connection) return connection;
  if (auto prepared = (*connection)->prepare(statements_); !prepared) return tl::unexpected<Error>(prepared.error());
  return connection;
}

}  // namespace orbit::storage_postgres
