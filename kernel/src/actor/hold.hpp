// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A hold on its way: hold.cpp, and erasing.cpp for those that may erase.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "actor/scheduler.hpp"

namespace orbit::kernel {

// What a hold has that may erase whole types.
struct Erasing {
  Store* store;
  std::vector<orbit_type*> types;
  std::vector<orbit_type*> erased;  // of them, once it is released
  bool in_turn = false;             // see ErasingTurns
};

// Why a hold is undone whose ground has failed.
inline constexpr const char* kHoldDoomed =
    "an earlier change of one of the actors could not be stored; nothing was changed";

// What `current` of a held activation is. It tells holds apart and is never followed: an activation of another worker
// hears of a hold's end later than its home, where the memory may be another's by then. Null: a hold whose change is
// being undone.
inline orbit_envelope* mark_of(const orbit_hold* hold) noexcept {
  return reinterpret_cast<orbit_envelope*>(reinterpret_cast<uintptr_t>(hold) | 1);
}
inline bool is_mark(const orbit_envelope* open) noexcept { return (reinterpret_cast<uintptr_t>(open) & 1) != 0; }

}  // namespace orbit::kernel

struct orbit_hold {
  struct Item {
    orbit_type* type = nullptr;
    uint64_t hash = 0;
    uint64_t mixed = 0;
    uint32_t worker = 0;
    bool dirty = false;
    bool collected = false;    // into a submission of the hold's own
    uint64_t gate_before = 0;  // the activation's, where the hold's worker owns it
    std::string_view key;
    std::string owned_key;
    orbit_activation* a = nullptr;
  };

  orbit::kernel::Scheduler* home = nullptr;
  std::vector<Item> items;        // sorted, unique
  std::vector<uint32_t> item_of;  // refs[i] is items[item_of[i]]
  std::vector<void*> actors;
  std::vector<uint32_t> order;
  size_t next = 0;      // items before it are held
  bool remote = false;  // its changes may be a submission of their own
  bool kept = false;    // stays open after it was granted, see Scheduler::keep
  uint64_t deadline_ns = 0;
  orbit_hold_granted granted = nullptr;
  void* ctx = nullptr;
  orbit_hold_committed committed = nullptr;
  void* committed_ctx = nullptr;
  std::unique_ptr<orbit::kernel::Erasing> erasing;

  // Takes as many of the remaining items as possible; the last one taken grants the hold.
  void advance() noexcept;
  void take(orbit_activation* a) noexcept {
    items[next].a = a;
    ++next;
  }
  void grant() noexcept;
  void own_keys();
  // Lets go of everything and begins again a moment later.
  void back_off() noexcept;
  void give_up(orbit_code code, std::string_view message) noexcept;
  // Opens what is held, each on its own worker.
  void give_back(bool failed) noexcept;
  // Of a hold whose types are frozen everywhere: gives everything back and says so.
  void end_erasing(orbit_code code, const std::string& message) noexcept;
};
