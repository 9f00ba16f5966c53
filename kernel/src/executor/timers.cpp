// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "executor/timers.hpp"

#include <algorithm>

namespace orbit::kernel {

namespace {
constexpr size_t kArity = 4;
}

orbit_timer Timers::arm(uint64_t deadline_ns, orbit_function function, void* ctx) {
  uint32_t index = 0;
  if (free_slots_.empty()) {
    index = static_cast<uint32_t>(slots_.size());
    slots_.emplace_back();
    free_slots_.reserve(slots_.size());  // so that cancel never allocates
  } else {
    index = free_slots_.back();
    free_slots_.pop_back();
  }
  Slot& slot = slots_[index];
  slot.function = function;
  slot.ctx = ctx;
  heap_.emplace_back();
  sift_up(heap_.size() - 1, {deadline_ns, sequence_++, index});
  return (uint64_t{slot.generation} << 32) | (index + 1);
}

bool Timers::cancel(orbit_timer timer) noexcept {
  const auto index = static_cast<uint32_t>(timer) - 1;
  if (index >= slots_.size()) return false;
  const Slot& slot = slots_[index];
  if (slot.position == kFree || slot.generation != static_cast<uint32_t>(timer >> 32)) return false;
  remove(slot.position);
  return true;
}

size_t Timers::run_due(uint64_t now_ns) {
  const uint64_t armed_before = sequence_;
  size_t ran = 0;
  while (!heap_.empty() && heap_.front().deadline_ns <= now_ns && heap_.front().sequence < armed_before) {
    const Slot due = slots_[heap_.front().slot];
    remove(0);
    due.function(due.ctx);
    ++ran;
  }
  return ran;
}

void Timers::place(size_t position, const Entry& entry) noexcept {
  heap_[position] = entry;
  slots_[entry.slot].position = static_cast<uint32_t>(position);
}

void Timers::sift_up(size_t position, const Entry& entry) noexcept {
  while (position > 0) {
    const size_t parent = (position - 1) / kArity;
    if (!entry.before(heap_[parent])) break;
    place(position, heap_[parent]);
    position = parent;
  }
  place(position, entry);
}

void Timers::sift_down(size_t position, const Entry& entry) noexcept {
  for (;;) {
    const size_t first = position * kArity + 1;
    if (first >= heap_.size()) break;
    const size_t end = std::min(first + kArity, heap_.size());
    size_t least = first;
    for (size_t child = first + 1; child < end; ++child)
      if (heap_[child].before(heap_[least])) least = child;
    if (!heap_[least].before(entry)) break;
    place(position, heap_[least]);
    position = least;
  }
  place(position, entry);
}

void Timers::remove(size_t position) noexcept {
  const uint32_t index = heap_[position].slot;
  Slot& slot = slots_[index];
  slot.position = kFree;
  ++slot.generation;
  free_slots_.push_back(index);
  const Entry last = heap_.back();
  heap_.pop_back();
  if (position == heap_.size()) return;
  if (position > 0 && last.before(heap_[(position - 1) / kArity]))
    sift_up(position, last);
  else
    sift_down(position, last);
}

}  // namespace orbit::kernel
