// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Unique index values that turns have taken and storage does not show yet. A turn that ends with a new unique value
// claims it first: against the claims of others in this node, then against what is stored. The claim lasts until the
// batch with the value is stored (then storage shows it) or refused.
#pragma once

#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "orbit/ext/actors.h"

namespace orbit::kernel {

class Runtime;
class Scheduler;

class UniqueClaims {
 public:
  explicit UniqueClaims(Runtime& runtime) : runtime_(runtime) {}

  // See claim of orbit.actors/1. [the activation's worker]
  void claim(Scheduler& scheduler, orbit_activation* a, std::span<const orbit_index_entry> entries,
             void (*done)(void* ctx, orbit_code code, const char* message), void* ctx);
  // The granted claims of an actor whose changes are being collected or dropped. Whoever takes them drops them. [any
  // thread]
  std::vector<std::string> take(const orbit_type& type, std::string_view key);
  void drop(const std::vector<std::string>& claims);

 private:
  struct Claim;
  struct Held {
    std::string owner;  // its key
    uint32_t count;     // the same actor may claim a value again before the first claim's batch is stored
  };
  // Takes all or none; false: the claim's conflict is filled.
  bool take_all(Claim& claim);
  void attempt(Claim* claim);
  void look_at_storage(Claim* claim);
  void looked(Claim* claim);
  void answer(Claim* claim, orbit_code code, const std::string& message);

  Runtime& runtime_;
  std::mutex mutex_;
  std::unordered_map<std::string, Held> held_;                         // by index entry without the actor's key
  std::unordered_map<std::string, std::vector<std::string>> granted_;  // by type and key
};

}  // namespace orbit::kernel
