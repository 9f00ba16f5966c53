// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A Redis key as an actor: types redis.db0 .. redis.db15 (or another first word), the actor's key is the Redis key, its
// state is one Value. Commands reach it as native payloads (no protobuf form), or through a hold.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "command.hpp"
#include "orbit/ext/actors.h"
#include "orbit/ext/workers.h"
#include "output_buffer.hpp"
#include "value.hpp"

namespace orbit::resp {

inline constexpr uint32_t kMethodCommand = 0;

using Args = std::span<const std::string_view>;
struct Slot;

// The payload of kMethodCommand: one command over one key. Request and reply in one; it lives in its Slot and borrows
// the arguments from the receive buffer until the kernel asks to retain it.
struct Command {
  const CommandSpec* spec = nullptr;
  Args args;
  OutputBuffer* out = nullptr;  // where the reply goes
  Slot* slot = nullptr;
  uint64_t now_ms = 0;
  uint64_t random = 0;
  size_t output_bytes_max = SIZE_MAX;
  std::atomic<size_t>* waiting_bytes = nullptr;  // of the connection: answers that wait for earlier ones
  uint32_t key_index = 0;  // args[key_index] is the key
  uint8_t protocol = 2;
  bool one_of_many = false;  // a command over several keys that are all args[key_index]
  bool failed = false;  // the reply is an error
};

extern const orbit_payload_ops kCommandOps;

// What a key needs of the node. Lives as long as the types.
struct KeyEnvironment {
  const orbit_host* host;
  const orbit_workers_v1* workers;
  const orbit_actors_v1* actors;
  void* server;
  // Tells a client that waits for a key that its value may be there. [any worker]
  void (*wake)(void* server, uint32_t worker, uint64_t client);
};

class KeyActor {
 public:
  explicit KeyActor(const KeyEnvironment& environment) noexcept : environment_(&environment) {}
  KeyActor(const KeyActor&) = delete;
  KeyActor& operator=(const KeyActor&) = delete;
  const KeyEnvironment& environment() const noexcept { return *environment_; }

  // What a client that watches remembers; equal to watch_mark() as long as nothing changed.
  struct WatchMark {
    uint64_t incarnation = 0;
    uint64_t version = 0;
    bool operator==(const WatchMark&) const = default;
  };

  Value value;

  // The value or its expiry changed; whoever watches must see it.
  void touch() noexcept {
    if (watch_ != nullptr) [[unlikely]] touch_watched();
  }
  // Drops an expired value; true if it did (the turn is dirty then).
  bool expire_if_due(uint64_t now_ms) noexcept {
    if (!value.expire_if_due(now_ms)) [[likely]] return false;
    touch();
    return true;
  }
  // One more watches: the actor stays in memory until as many unwatch. A mark of an earlier activation is not counted.
  WatchMark watch();
  void unwatch(const WatchMark& mark) noexcept;
  WatchMark watch_mark() const noexcept { return watch_ != nullptr ? watch_->mark : WatchMark{}; }
  bool watched() const noexcept { return watch_ != nullptr; }

  // A client that waits until the value is of this type; it is woken when it is, the longest waiting one first.
  struct Waiter {
    uint64_t client;
    uint32_t worker;
    ValueType type;
    uint64_t since;  // who has the least waits longest
  };
  // As watch(): the actor stays in memory.
  WatchMark wait(const Waiter& waiter);
  void stop_waiting(uint64_t client, const WatchMark& mark) noexcept;
  // Wakes the first waiter that the value is right for. To be called when one has had its turn.
  void wake_next() const noexcept;
  size_t memory_bytes() const noexcept;

 private:
  struct Watch {
    WatchMark mark;
    uint32_t watchers = 0;
    std::vector<Waiter> waiters;
  };
  void touch_watched() noexcept;

  const KeyEnvironment* environment_;
  std::unique_ptr<Watch> watch_;
};

// The types of the databases and that of their order, as orbit.actor_types/1 wants them. Lives as long as the plugin.
class KeyActorTypes {
 public:
  // family: the first word of their names.
  KeyActorTypes(const KeyEnvironment& environment, const std::string& family, orbit_durability durability,
                uint64_t flush_delay_ms, uint64_t idle_timeout_ms);
  KeyActorTypes(const KeyActorTypes&) = delete;
  KeyActorTypes& operator=(const KeyActorTypes&) = delete;
  const orbit_actor_types_v1* table() const noexcept { return &table_; }
  const char* name(uint32_t database) const noexcept { return names_[database].c_str(); }
  // The actor of this type, with an empty key, keeps which type each database is.
  const char* order_name() const noexcept { return names_[kDatabaseCount].c_str(); }
  // What access control sees the channels as: actors of this type, of which there are none.
  const char* channels_name() const noexcept { return channels_name_.c_str(); }

 private:
  KeyEnvironment environment_;
  static constexpr uint32_t kTypeCount = kDatabaseCount + 1;
  std::array<std::string, kTypeCount> names_;
  std::string channels_name_;
  std::array<orbit_actor_type, kTypeCount> types_{};
  std::array<const orbit_actor_type*, kTypeCount> pointers_{};
  orbit_actor_types_v1 table_{};
};

}  // namespace orbit::resp
