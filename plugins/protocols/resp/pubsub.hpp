// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Who listens to what. Each worker keeps the subscriptions of its own connections; the index over all workers says
// which workers a message must reach, and how many receive it. Only subscribing and publishing take its lock.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace orbit::resp {

class Session;

enum class SubscriptionKind : uint8_t { kChannel, kPattern, kShard };
inline constexpr size_t kSubscriptionKinds = 3;

struct StringHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
};
template <class T>
using StringMap = std::unordered_map<std::string, T, StringHash, std::equal_to<>>;

// [any thread]
class PubSubIndex {
 public:
  // Before any other call.
  void resize(uint32_t workers) { workers_ = workers; }
  void add(SubscriptionKind kind, std::string_view name, uint32_t worker);
  void remove(SubscriptionKind kind, std::string_view name, uint32_t worker);
  // How many subscriptions the message matches; sets targets[w] for each worker that has one. targets has one entry a
  // worker.
  uint64_t match(SubscriptionKind kind, std::string_view channel, std::vector<uint8_t>& targets) const;
  // Names of channels of that kind that match the glob pattern; empty: all.
  std::vector<std::string> channels(SubscriptionKind kind, std::string_view pattern) const;
  uint64_t subscribers(SubscriptionKind kind, std::string_view name) const;
  uint64_t patterns() const;

 private:
  struct Entry {
    uint64_t total = 0;
    std::vector<uint32_t> by_worker;
  };
  mutable std::mutex mutex_;
  uint32_t workers_ = 1;
  std::array<StringMap<Entry>, kSubscriptionKinds> entries_;
  std::atomic<uint64_t> total_{0};
};

// The subscriptions of one worker's connections. [worker]
class LocalSubscriptions {
 public:
  void add(SubscriptionKind kind, std::string_view name, Session* session);
  void remove(SubscriptionKind kind, std::string_view name, Session* session);
  // Hands the message to every connection here that subscribed to it. kind: kChannel or kShard.
  void deliver(SubscriptionKind kind, std::string_view channel, std::string_view payload);

 private:
  std::array<StringMap<std::vector<Session*>>, kSubscriptionKinds> sessions_;
};

// What one connection subscribed to; keeps the worker's and the node's registries in step. [worker]
class SessionSubscriptions {
 public:
  bool empty() const noexcept { return names_.empty(); }
  size_t count(SubscriptionKind kind) const noexcept { return counts_[static_cast<size_t>(kind)]; }
  size_t total() const noexcept { return names_.size(); }
  bool contains(SubscriptionKind kind, std::string_view name) const;
  // False: it was (not) subscribed already.
  bool add(Session& session, SubscriptionKind kind, std::string_view name);
  bool remove(Session& session, SubscriptionKind kind, std::string_view name);
  std::vector<std::string> names(SubscriptionKind kind) const;
  void drop_all(Session& session);

 private:
  std::set<std::pair<SubscriptionKind, std::string>> names_;
  std::array<uint32_t, kSubscriptionKinds> counts_{};
};

// Sends a message to every subscriber on the node; how many there are. [worker]
uint64_t publish(Session& from, SubscriptionKind kind, std::string_view channel, std::string_view payload);

}  // namespace orbit::resp
