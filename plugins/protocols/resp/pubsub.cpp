// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "pubsub.hpp"

#include <algorithm>
#include <memory>

#include "glob.hpp"
#include "session.hpp"

namespace orbit::resp {
namespace {

constexpr size_t at(SubscriptionKind kind) noexcept { return static_cast<size_t>(kind); }

// A message on its way to another worker.
struct Delivery {
  Server& server;
  SubscriptionKind kind;
  std::string channel;
  std::string payload;
};

void deliver_posted(void* ctx) {
  const std::unique_ptr<Delivery> delivery(static_cast<Delivery*>(ctx));
  delivery->server.current_worker().subscriptions.deliver(delivery->kind, delivery->channel, delivery->payload);
}

// One message as each protocol writes it, made when first needed.
class Frames {
 public:
  Frames(std::string_view word, std::string_view pattern, std::string_view channel, std::string_view payload)
      : word_(word), pattern_(pattern), channel_(channel), payload_(payload) {}
  std::string_view of(int protocol) {
    OutputBuffer& out = protocol >= 3 ? resp3_ : resp2_;
    if (out.empty()) {
      Reply reply(out, protocol);
      const bool by_pattern = !pattern_.empty() || word_ == "pmessage";
      reply.push(by_pattern ? 4 : 3);
      reply.bulk(word_);
      if (by_pattern) reply.bulk(pattern_);
      reply.bulk(channel_);
      reply.bulk(payload_);
    }
    return out.view();
  }

 private:
  std::string_view word_, pattern_, channel_, payload_;
  OutputBuffer resp2_, resp3_;
};

}  // namespace

void PubSubIndex::add(SubscriptionKind kind, std::string_view name, uint32_t worker) {
  const std::lock_guard lock(mutex_);
  Entry& entry = entries_[at(kind)].try_emplace(std::string(name)).first->second;
  entry.by_worker.resize(workers_);
  ++entry.by_worker[worker];
  ++entry.total;
  total_.fetch_add(1, std::memory_order_release);
}

void PubSubIndex::remove(SubscriptionKind kind, std::string_view name, uint32_t worker) {
  const std::lock_guard lock(mutex_);
  auto& entries = entries_[at(kind)];
  const auto found = entries.find(name);
  if (found == entries.end()) return;
  --found->second.by_worker[worker];
  if (--found->second.total == 0) entries.erase(found);
  total_.fetch_sub(1, std::memory_order_release);
}

uint64_t PubSubIndex::match(SubscriptionKind kind, std::string_view channel, std::vector<uint8_t>& targets) const {
  if (total_.load(std::memory_order_acquire) == 0) return 0;
  const std::lock_guard lock(mutex_);
  uint64_t receivers = 0;
  const auto include = [&](const Entry& entry) {
    receivers += entry.total;
    for (size_t i = 0; i < entry.by_worker.size(); ++i) targets[i] |= entry.by_worker[i] != 0 ? 1 : 0;
  };
  const auto& entries = entries_[at(kind)];
  if (const auto found = entries.find(channel); found != entries.end()) include(found->second);
  if (kind == SubscriptionKind::kChannel) {
    for (const auto& [pattern, entry] : entries_[at(SubscriptionKind::kPattern)]) {
      if (glob_match(pattern, channel)) include(entry);
    }
  }
  return receivers;
}

std::vector<std::string> PubSubIndex::channels(SubscriptionKind kind, std::string_view pattern) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> out;
  for (const auto& [name, entry] : entries_[at(kind)]) {
    if (pattern.empty() || glob_match(pattern, name)) out.push_back(name);
  }
  return out;
}

uint64_t PubSubIndex::subscribers(SubscriptionKind kind, std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_[at(kind)].find(name);
  return found == entries_[at(kind)].end() ? 0 : found->second.total;
}

uint64_t PubSubIndex::patterns() const {
  const std::lock_guard lock(mutex_);
  return entries_[at(SubscriptionKind::kPattern)].size();
}

void LocalSubscriptions::add(SubscriptionKind kind, std::string_view name, Session* session) {
  sessions_[at(kind)].try_emplace(std::string(name)).first->second.push_back(session);
}

void LocalSubscriptions::remove(SubscriptionKind kind, std::string_view name, Session* session) {
  auto& names = sessions_[at(kind)];
  const auto found = names.find(name);
  if (found == names.end()) return;
  std::erase(found->second, session);
  if (found->second.empty()) names.erase(found);
}

// Pushing to a session never changes the registries: a connection that is closed for being slow is removed by a later
// event.
void LocalSubscriptions::deliver(SubscriptionKind kind, std::string_view channel, std::string_view payload) {
  const auto& names = sessions_[at(kind)];
  if (const auto found = names.find(channel); found != names.end()) {
    Frames frames(kind == SubscriptionKind::kShard ? "smessage" : "message", {}, channel, payload);
    for (Session* session : found->second) session->publish(frames.of(session->protocol()));
  }
  if (kind != SubscriptionKind::kChannel) return;
  for (const auto& [pattern, sessions] : sessions_[at(SubscriptionKind::kPattern)]) {
    if (!glob_match(pattern, channel)) continue;
    Frames frames("pmessage", pattern, channel, payload);
    for (Session* session : sessions) session->publish(frames.of(session->protocol()));
  }
}

bool SessionSubscriptions::contains(SubscriptionKind kind, std::string_view name) const {
  return names_.contains({kind, std::string(name)});
}

bool SessionSubscriptions::add(Session& session, SubscriptionKind kind, std::string_view name) {
  if (!names_.emplace(kind, std::string(name)).second) return false;
  ++counts_[at(kind)];
  session.worker().subscriptions.add(kind, name, &session);
  session.server().pubsub.add(kind, name, session.worker().index);
  return true;
}

bool SessionSubscriptions::remove(Session& session, SubscriptionKind kind, std::string_view name) {
  if (names_.erase({kind, std::string(name)}) == 0) return false;
  --counts_[at(kind)];
  session.worker().subscriptions.remove(kind, name, &session);
  session.server().pubsub.remove(kind, name, session.worker().index);
  return true;
}

std::vector<std::string> SessionSubscriptions::names(SubscriptionKind kind) const {
  std::vector<std::string> out;
  for (const auto& [of_kind, name] : names_) {
    if (of_kind == kind) out.push_back(name);
  }
  return out;
}

void SessionSubscriptions::drop_all(Session& session) {
  for (const auto kind : {SubscriptionKind::kChannel, SubscriptionKind::kPattern, SubscriptionKind::kShard}) {
    for (const auto& name : names(kind)) remove(session, kind, name);
  }
}

uint64_t publish(Session& from, SubscriptionKind kind, std::string_view channel, std::string_view payload) {
  Server& server = from.server();
  Worker& here = from.worker();
  std::vector<uint8_t> targets(server.worker_count(), 0);
  const uint64_t receivers = server.pubsub.match(kind, channel, targets);
  if (receivers == 0) return 0;
  const Interfaces& node = server.interfaces();
  for (uint32_t i = 0; i < targets.size(); ++i) {
    if (targets[i] == 0 || i == here.index) continue;
    auto* delivery = new Delivery{server, kind, std::string(channel), std::string(payload)};
    node.workers->post(node.host, i, &deliver_posted, delivery);
  }
  if (targets[here.index] != 0) here.subscriptions.deliver(kind, channel, payload);
  return receivers;
}

}  // namespace orbit::resp
