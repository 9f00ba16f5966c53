// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "keeper.hpp"

#include <algorithm>

#include "core.hpp"
#include "orbit/v1/actor_service.pb.h"

namespace orbit::client::detail {

namespace {

using Time = HeldActor::Time;

constexpr std::chrono::milliseconds kRetryMin{200};
constexpr std::chrono::milliseconds kRetryMax{5000};
// Leases that are due so soon after the first one go with it.
constexpr std::chrono::milliseconds kTogether{100};

Request request_for(const std::vector<std::shared_ptr<HeldActor>>& actors) {
  v1::LeaseRequest message;
  std::chrono::milliseconds longest{0};
  for (const auto& actor : actors) {
    v1::ActorRef* ref = message.add_actors();
    ref->set_type(actor->type);
    ref->set_key(actor->key);
    longest = std::max(longest, actor->duration);
  }
  message.set_duration_ms(static_cast<uint64_t>(longest.count()));
  return {.path = "/orbit.v1.ActorService/Lease", .key = {}, .bytes = message.SerializeAsString(), .repeatable = true};
}

// What the node said of the i-th actor.
Answer<std::chrono::milliseconds> result_of(const v1::LeaseReply& reply, int i) {
  if (i >= reply.results_size())
    return tl::unexpected(own_failure(Code::internal, "the node's answer has no result for the actor"));
  const v1::LeaseResult& result = reply.results(i);
  if (result.status().code() == 0) return std::chrono::milliseconds(result.duration_ms());
  Failure failure = own_failure(static_cast<Code>(result.status().code()), result.status().message());
  failure.attempts = 1;
  return tl::unexpected<Failure>(std::move(failure));
}

}  // namespace

HeldActor::~HeldActor() {
  if (const auto core = core_.lock(); core != nullptr && id_ != 0) core->keeper.let_go(id_);
}

void HeldActor::granted(Time from, std::chrono::milliseconds for_so_long) {
  const std::lock_guard lock(mutex_);
  until_ = from + for_so_long;
  failure_.reset();
}

void HeldActor::refused(Failure failure) {
  const std::lock_guard lock(mutex_);
  failure_ = std::move(failure);
}

HeldActor::Time HeldActor::until() const {
  const std::lock_guard lock(mutex_);
  return until_;
}

std::optional<Failure> HeldActor::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

HeldActor::Time renewal_after(Time granted_at, std::chrono::milliseconds granted_for) {
  return granted_at + granted_for / 3;
}

HeldActor::Time renewal_after_failure(Time now, std::chrono::milliseconds duration) {
  return now + std::clamp<std::chrono::milliseconds>(duration / 6, kRetryMin, kRetryMax);
}

Answer<std::shared_ptr<HeldActor>> Keeper::hold(std::string type, std::string key, std::chrono::milliseconds duration) {
  if (duration.count() <= 0)
    return tl::unexpected(own_failure(Code::invalid_argument,
                                      "a lease of " + std::to_string(duration.count()) + " ms, expected more than 0"));
  auto actor = std::make_shared<HeldActor>(std::move(type), std::move(key), duration);
  {
    const std::lock_guard lock(mutex_);
    if (held_.size() >= core_.options.leases_max)
      return tl::unexpected(own_failure(
          Code::resource_exhausted,
          "the client's bound: " + std::to_string(core_.options.leases_max) + " actors are held (leases_max)"));
    actor->core_ = core_.weak_from_this();
    actor->id_ = ++last_id_;
    // Not due before it was granted.
    held_.emplace(actor->id_, Entry{actor, Time::max()});
  }
  const Time sent = std::chrono::steady_clock::now();
  const auto exchange = core_.start(request_for({actor}));
  exchange->wait();
  if (!exchange->answer()) return tl::unexpected<Failure>(exchange->answer().error());
  v1::LeaseReply reply;
  reply.ParseFromString(*exchange->answer());
  const auto granted = result_of(reply, 0);
  if (!granted) return tl::unexpected<Failure>(granted.error());
  actor->granted(sent, *granted);
  const std::lock_guard lock(mutex_);
  held_[actor->id_].due = renewal_after(sent, *granted);
  arm_for(renewal_after(sent, *granted));
  return actor;
}

void Keeper::let_go(uint64_t id) {
  const std::lock_guard lock(mutex_);
  held_.erase(id);
}

// Under mutex_.
void Keeper::arm() {
  Time first = Time::max();
  for (const auto& [id, entry] : held_) first = std::min(first, entry.due);
  arm_for(first);
}

void Keeper::arm_for(Time first) {
  if (first == Time::max() || (timer_ != 0 && armed_for_ <= first)) return;
  if (timer_ != 0) core_.loop.cancel(timer_);
  armed_for_ = first;
  timer_ = core_.loop.at(first, [this] { renew_due(); });
}

// On the loop, which ends before the keeper.
void Keeper::renew_due() {
  std::vector<Actors> requests;
  {
    const std::lock_guard lock(mutex_);
    timer_ = 0;
    const Time now = std::chrono::steady_clock::now() + kTogether;
    for (auto& [id, entry] : held_) {
      if (entry.due > now) continue;
      auto actor = entry.actor.lock();
      if (actor == nullptr) continue;  // its destructor waits for mutex_
      entry.due = Time::max();         // until it was answered
      // Of one duration in one request.
      const auto fits = [&](const Actors& request) {
        return request.size() < kActorsPerRequest && request.front()->duration == actor->duration;
      };
      const auto found = std::find_if(requests.begin(), requests.end(), fits);
      if (found != requests.end())
        found->push_back(std::move(actor));
      else
        requests.push_back({std::move(actor)});
    }
    arm();
  }
  for (Actors& actors : requests) renew(std::move(actors));
}

void Keeper::renew(Actors actors) {
  const Time sent = std::chrono::steady_clock::now();
  const auto exchange = core_.start(request_for(actors));
  // A call's end comes before its core's.
  exchange->on_done([this, exchange = exchange.get(), actors = std::move(actors), sent] {
    renewed(actors, sent, exchange->answer());
  });
}

void Keeper::renewed(const Actors& actors, Time sent, Answer<std::string>& answer) {
  v1::LeaseReply reply;
  if (answer) reply.ParseFromString(*answer);
  const std::lock_guard lock(mutex_);
  for (size_t i = 0; i < actors.size(); ++i) {
    const auto granted = answer ? result_of(reply, static_cast<int>(i)) : tl::unexpected<Failure>(answer.error());
    Time due;
    if (granted) {
      actors[i]->granted(sent, *granted);
      due = renewal_after(sent, *granted);
    } else {
      actors[i]->refused(granted.error());
      due = renewal_after_failure(std::chrono::steady_clock::now(), actors[i]->duration);
    }
    if (const auto found = held_.find(actors[i]->id_); found != held_.end()) found->second.due = due;
  }
  arm();
}

}  // namespace orbit::client::detail
