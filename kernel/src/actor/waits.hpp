// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What a worker tells about its turns that wait, and about what runs. See wait_graph.hpp for what is made of it.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "actor/hot_actors.hpp"
#include "orbit/ext/actors.h"

namespace orbit::kernel {

inline constexpr const char* kWaitsForSave = "save";
inline constexpr const char* kWaitsForRead = "read";
inline constexpr const char* kWaitsForClaim = "claim";

// A turn's wait for storage. Of the other waits only calls are known to the kernel.
struct StorageWait {
  const char* what;
  uint64_t since_ns;
};
using StorageWaits = std::unordered_multimap<const orbit_envelope*, StorageWait>;

// What a thread runs at this moment.
struct Running {
  HotActors::Actor actor;  // type is null: nothing of an actor
  bool in_turn = false;    // the next two are known
  uint32_t method = 0;
  uint64_t since_ns = 0;   // coarse: when the round began in which the turn did
};

// An open turn, for people.
struct TurnView {
  struct Step {
    std::string type;  // empty: a hold
    std::string key;
    std::string method;
  };
  std::string method;
  uint64_t since_ns = 0;  // 0: unknown
  std::vector<Step> calls;
  std::vector<StorageWait> storage;
  std::vector<Step> chain;  // who waits for this turn, from near to far
  bool chain_is_longer = false;
};

// The name of a method as people know it; "(timer)" and the like for the kernel's own.
std::string method_name(const orbit_type* type, uint32_t method);

// Addresses of envelopes and holds name turns and calls; they are compared and never followed by another worker.
using TurnId = const void*;

struct WaitingTurn {
  TurnId id = nullptr;
  std::string method;
  uint64_t since_ns = 0;  // 0: unknown
  struct Call {
    TurnId id;
    const orbit_type* type;
    std::string key;
    std::string method;
  };
  std::vector<Call> calls;
  std::vector<StorageWait> storage;
};

// An activation with open turns, or with calls of other turns in its mailbox.
struct WaitingActor {
  const orbit_type* type = nullptr;
  std::string key;
  uint32_t mailbox = 0;
  bool loading = false;
  std::vector<WaitingTurn> turns;
  struct Queued {
    TurnId id;                    // a call that a turn awaits; the hold, of a hold's
    std::vector<size_t> behind;   // which of the turns must end first
  };
  std::vector<Queued> queued;
};

// What one worker tells, slot by slot.
struct WaitsOfWorker {
  uint64_t now_ns = 0;
  size_t slot = 0;
  size_t turns_max = 0;
  bool truncated = false;
  bool only_count = false;
  uint64_t turns = 0;    // open ones
  uint64_t queued = 0;   // messages in mailboxes
  std::vector<WaitingActor> actors;
};

}  // namespace orbit::kernel
