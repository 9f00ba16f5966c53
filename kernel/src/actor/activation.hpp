// SPDX-License-Identifier: MIT OR BSD-3-Clause
// An actor in memory, and the table of a worker's activations.
#pragma once

#include <sys/mman.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "actor/envelope_pool.hpp"
#include "actor/slot_index.hpp"
#include "actor/types.hpp"
#include "observe/assert.hpp"

namespace orbit::kernel {

enum class Stage : uint8_t {
  free,     // the slot is unused
  loading,  // its state is being read, or waits for that; the mailbox collects
  active,
};

}  // namespace orbit::kernel

// Belongs to one worker; only that worker touches it, except that a granted hold of another worker may use the actor object
// and, when it collects, the record fields: has_main, record_version and what is seldom. No bit of theirs shares a byte with
// what the owner's walks over its activations look at.
struct alignas(64) orbit_activation {
  // The first cache line: what every message and turn touches.
  void* actor = nullptr;
  const orbit::kernel::TypeVersion* version = nullptr;
  orbit::kernel::EnvelopeQueue mailbox;
  orbit_envelope* current = nullptr;       // the running or pending turn, or a hold (mark_of in hold.hpp)
  orbit_activation* run_next = nullptr;
  uint32_t queued = 0;
  uint32_t last_used = 0;                  // the worker's coarse tick
  uint32_t key_size : 24 = 0;
  bool scheduled = false;                  // in the run queue, or in the queue of waiting loads; a byte of its own: it is
                                           // written just before the bits below are read together
  orbit::kernel::Stage stage : 2 = orbit::kernel::Stage::free;
  bool leaving : 1 = false;                // takes no more turns until its changes are stored; then leaves memory
  bool doomed : 1 = false;                 // its memory is ahead of a failed commit: drop it when its turn ends
  bool several : 1 = false;                // more than one turn is open; Scheduler::open_turns_ has them
  bool has_timers : 1 = false;             // ActorTimers knows of some
  uint8_t dirty : 2 = 0;                   // bit p: changed in the cut of parity p and not collected yet
  uint8_t linked : 2 = 0;                  // bit p: in the cut list of parity p
  bool told : 1 = false;                   // the actor knows that it leaves
  bool stays : 1 = false;                  // Scheduler::stays_until_ says how long
  bool no_holds : 1 = false;               // held by one that may erase types: other holds must not wait for it
  bool being_read : 1 = false;             // on the I/O pool, before there is an actor
  uint8_t worker = 0;
  bool has_main = false;                   // a main record is stored, or on its way; a byte of its own, see above

  // What activation, commit and listing touch.
  uint64_t gate = 0;                       // the last submission that has changes of this actor
  uint64_t hash = 0;
  orbit_type* type = nullptr;
  uint32_t slot = 0;                       // its number among the worker's slots
  uint32_t memory_bytes = 0;               // of the actor object, in units of 16 bytes
  uint64_t record_version = 0;
  struct Seldom {                          // of the stored record
    uint64_t epoch;
    uint64_t expires_at_ms;
  };
  Seldom* seldom = nullptr;                // null: both are 0
  union {
    char key_here[16];
    const char* key_elsewhere;             // malloc'ed, of a longer key
  };

  // Looking at where a short key is touches the first line only.
  std::string_view key() const noexcept { return {key_size <= sizeof key_here ? key_here : key_elsewhere, key_size}; }
  // As stored.
  uint64_t epoch() const noexcept { return seldom != nullptr ? seldom->epoch : 0; }
  uint64_t expires_at_ms() const noexcept { return seldom != nullptr ? seldom->expires_at_ms : 0; }
  void stored_with(uint64_t epoch, uint64_t expires_at_ms) {
    if (epoch == 0 && expires_at_ms == 0) {
      delete std::exchange(seldom, nullptr);
    } else if (seldom == nullptr) {
      seldom = new Seldom{epoch, expires_at_ms};
    } else {
      *seldom = {epoch, expires_at_ms};
    }
  }
  // Nothing runs, nothing waits, state is there: a turn may run at once.
  bool idle() const noexcept {
    return stage == orbit::kernel::Stage::active && current == nullptr && mailbox.empty() && !leaving;
  }
};

namespace orbit::kernel {

static_assert(sizeof(orbit_activation) == 128 && offsetof(orbit_activation, gate) == 64);
static_assert(ORBIT_ACTOR_KEY_MAX < 1u << 24, "key_size has 24 bits");
static_assert(SlotIndex::kSlotBits <= 24, "a tag has 24 bits for the slot");

class ActivationTable {
 public:
  static constexpr size_t kSlab = 1024;
  static constexpr size_t kSlotsMax = (1u << SlotIndex::kSlotBits) - kSlab;

  explicit ActivationTable(uint32_t worker) : worker_(worker), erasures_mark_(worker + 1) {}
  ActivationTable(const ActivationTable&) = delete;
  ActivationTable& operator=(const ActivationTable&) = delete;
  ~ActivationTable() {
    for_each([this](orbit_activation* a) { free_owned(a); });
    for (void* region : regions_) std::free(region);
  }

  // What the table is keyed by: the key's hash and the type's salt, mixed.
  static uint64_t mix(const orbit_type* type, uint64_t hash) noexcept {
    uint64_t x = (hash ^ type->salt) * 0x9e3779b97f4a7c15ull;
    return x ^ (x >> 32);
  }

  orbit_activation* find(const orbit_type* type, uint64_t mixed, std::string_view key) const noexcept {
    const uint32_t found = by_mixed_.find(mixed, [&](uint32_t slot) {
      const orbit_activation* a = at(slot);
      return a->type == type && a->key() == key;
    });
    return found == SlotIndex::kNone ? nullptr : at(found);
  }
  // Two steps ahead of find(), then one step ahead of it.
  void prefetch_entry(uint64_t mixed) const noexcept { by_mixed_.prefetch(mixed); }
  void prefetch_activation(uint64_t mixed) const noexcept {
    const uint32_t slot = by_mixed_.guess(mixed);
    if (slot == SlotIndex::kNone) return;
    const auto* bytes = reinterpret_cast<const char*>(at(slot));
    __builtin_prefetch(bytes, 1);
    __builtin_prefetch(bytes + 64);
  }

  orbit_activation* insert(orbit_type* type, uint64_t hash, uint64_t mixed, std::string_view key) {
    if (free_ == nullptr) grow();
    orbit_activation* a = free_;
    const uint32_t slot = a->slot;
    char* far_key = nullptr;
    if (key.size() > sizeof(a->key_here) && (far_key = static_cast<char*>(std::malloc(key.size()))) == nullptr)
      throw std::bad_alloc();
    try {
      by_mixed_.insert(mixed, slot);
    } catch (...) {
      std::free(far_key);
      throw;
    }
    free_ = a->run_next;
    new (a) orbit_activation;
    a->slot = slot;
    a->worker = static_cast<uint8_t>(worker_);
    a->type = type;
    a->hash = hash;
    if (far_key != nullptr) {
      a->key_elsewhere = far_key;
      far_key_bytes_ += key.size();
    }
    if (!key.empty()) std::memcpy(far_key != nullptr ? far_key : a->key_here, key.data(), key.size());
    std::atomic_signal_fence(std::memory_order_release);  // Scheduler::look_at_running may look at any time
    a->key_size = static_cast<uint32_t>(key.size());
    a->stage = Stage::loading;
    ++size_;
    return a;
  }

  void erase(orbit_activation* a) noexcept {
    by_mixed_.erase(mix(a->type, a->hash), a->slot);
    free_owned(a);
    a->stage = Stage::free;
    ++generations_[a->slot];
    erasures_mark_ += 1u << 8;
    a->run_next = free_;
    free_ = a;
    --size_;
  }

  // What somebody keeps to know later, without touching an activation, whether it is still there: generation of the slot, number
  // of the slot, worker + 1.
  uint64_t tag(const orbit_activation* a) const noexcept {
    return static_cast<uint64_t>(generations_[a->slot]) << 32 | a->slot << 8 | (worker_ + 1);
  }
  bool holds(uint64_t tag) const noexcept {
    return (tag & 0xff) == worker_ + 1 && generations_[slot_of_tag(tag)] == tag >> 32;
  }
  // What a sender keeps: the tag, and how many activations had been erased by then. While no other one is erased, the generation
  // needs no look.
  void remember(const orbit_activation* a, uint64_t* hint) const noexcept {
    hint[0] = tag(a);
    hint[1] = erasures_mark_;
  }
  // Only while no other one was erased; null says little.
  orbit_activation* recall_soon(const uint64_t* hint) const noexcept {
    return hint[1] == erasures_mark_ ? at(slot_of_tag(hint[0])) : nullptr;
  }
  // Null: it is no activation of this worker, or not any more.
  orbit_activation* recall(uint64_t* hint) const noexcept {
    if (hint[1] != erasures_mark_) [[unlikely]] {
      if ((hint[1] & 0xff) != worker_ + 1 || !holds(hint[0])) return nullptr;
      hint[1] = erasures_mark_;
    }
    return at(slot_of_tag(hint[0]));
  }

  size_t size() const noexcept { return size_; }
  size_t slots() const noexcept { return slabs_.size() * kSlab; }
  orbit_activation* slot(size_t index) noexcept { return &slabs_[index / kSlab][index % kSlab]; }
  size_t memory_bytes() const noexcept {
    return slots() * (sizeof(orbit_activation) + sizeof(uint32_t)) + by_mixed_.memory_bytes() + far_key_bytes_;
  }

  template <class F>
  void for_each(F&& visit) {
    for (size_t i = 0; i < slots(); ++i)
      if (orbit_activation* a = slot(i); a->stage != Stage::free) visit(a);
  }

 private:
  static uint32_t slot_of_tag(uint64_t tag) noexcept {
    return static_cast<uint32_t>(tag >> 8) & ((1u << SlotIndex::kSlotBits) - 1);
  }
  orbit_activation* at(uint32_t slot) const noexcept { return &slabs_[slot / kSlab][slot % kSlab]; }
  void free_owned(orbit_activation* a) noexcept {
    a->stored_with(0, 0);
    const bool elsewhere = a->key_size > sizeof(a->key_here);
    if (elsewhere) far_key_bytes_ -= a->key_size;
    a->key_size = 0;
    std::atomic_signal_fence(std::memory_order_release);
    if (elsewhere) std::free(const_cast<char*>(a->key_elsewhere));
  }
  void grow() {
    invariant(slots() < kSlotsMax, "a worker has at most 2^24 - 1024 activations");
    generations_.resize(slots() + kSlab);
    slabs_.push_back(new_slab());
    for (size_t i = kSlab; i-- > 0;) {
      orbit_activation* a = new (&slabs_.back()[i]) orbit_activation;
      a->slot = static_cast<uint32_t>(slots() - kSlab + i);
      a->run_next = free_;
      free_ = a;
    }
  }

  // Slabs are cut from regions that one huge page can back, so that a message to a random actor costs no page walk. The
  // first region stays small pages: a small node touches little of it.
  orbit_activation* new_slab() {
    constexpr size_t kRegionBytes = 2u << 20;
    constexpr size_t kSlabBytes = kSlab * sizeof(orbit_activation);
    constexpr size_t kSlabsPerRegion = kRegionBytes / kSlabBytes;
    const size_t place = slabs_.size() % kSlabsPerRegion;
    if (place == 0) {
      void* region = std::aligned_alloc(kRegionBytes, kRegionBytes);
      if (region == nullptr) throw std::bad_alloc();
      if (!regions_.empty()) madvise(region, kRegionBytes, MADV_HUGEPAGE);
      regions_.push_back(region);
    }
    return reinterpret_cast<orbit_activation*>(static_cast<char*>(regions_.back()) + place * kSlabBytes);
  }

  static_assert(std::is_trivially_destructible_v<orbit_activation>);
  uint32_t worker_;
  size_t size_ = 0;
  size_t far_key_bytes_ = 0;
  orbit_activation* free_ = nullptr;
  std::vector<void*> regions_;
  std::vector<orbit_activation*> slabs_;
  std::vector<uint32_t> generations_;  // of the slots
  uint64_t erasures_mark_;  // how many were erased, above worker + 1
  SlotIndex by_mixed_;
};

}  // namespace orbit::kernel
