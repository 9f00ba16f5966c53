// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What journaled actors read of their own past.
#pragma once

#include <cstdint>
#include <vector>

namespace orbit {

template <class Event>
struct JournalEntry {
  uint64_t number = 0;          // 1 for an actor's first event
  uint64_t recorded_at_ms = 0;  // Unix time; 0: the node has no clock for modules
  Event event;
};

// Events of completed turns, in order.
template <class Event>
struct JournalPage {
  std::vector<JournalEntry<Event>> events;
  uint64_t next = 0;  // where the following page begins; 0: there is none
};

}  // namespace orbit
