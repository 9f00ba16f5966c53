// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Renews the leases of the actors that a client holds: those that are due together in one RPC.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "orbit/client/lease.hpp"

namespace orbit::client::detail {

class Core;

class HeldActor {
 public:
  using Time = std::chrono::steady_clock::time_point;
  HeldActor(std::string its_type, std::string its_key, std::chrono::milliseconds its_duration)
      : type(std::move(its_type)), key(std::move(its_key)), duration(its_duration) {}
  ~HeldActor();

  const std::string type;
  const std::string key;
  const std::chrono::milliseconds duration;

  void granted(Time from, std::chrono::milliseconds for_so_long);
  void refused(Failure failure);
  Time until() const;
  std::optional<Failure> failure() const;

 private:
  friend class Keeper;
  std::weak_ptr<Core> core_;
  uint64_t id_ = 0;
  mutable std::mutex mutex_;
  Time until_{};
  std::optional<Failure> failure_;
};

// When a lease is to be renewed: after a third of it, so that two renewals may fail.
HeldActor::Time renewal_after(HeldActor::Time granted_at, std::chrono::milliseconds granted_for);
// When one that failed is tried again.
HeldActor::Time renewal_after_failure(HeldActor::Time now, std::chrono::milliseconds duration);

class Keeper {
 public:
  static constexpr size_t kActorsPerRequest = 500;

  explicit Keeper(Core& core) : core_(core) {}
  // Blocks until it is granted.
  Answer<std::shared_ptr<HeldActor>> hold(std::string type, std::string key, std::chrono::milliseconds duration);
  void let_go(uint64_t id);

 private:
  struct Entry {
    std::weak_ptr<HeldActor> actor;
    HeldActor::Time due;
  };
  using Actors = std::vector<std::shared_ptr<HeldActor>>;
  void renew_due();
  void renew(Actors actors);
  void renewed(const Actors& actors, HeldActor::Time sent, Answer<std::string>& answer);
  void arm();
  void arm_for(HeldActor::Time first);

  Core& core_;
  std::mutex mutex_;
  std::unordered_map<uint64_t, Entry> held_;
  uint64_t last_id_ = 0;
  uint64_t timer_ = 0;
  HeldActor::Time armed_for_{};
};

}  // namespace orbit::client::detail
