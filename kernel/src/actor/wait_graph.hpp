// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Who waits for whom, made from what all workers tell. Nodes are open turns, and actors that others wait for without a turn of
// their own; an edge leads from a turn to what must happen first.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "actor/waits.hpp"

namespace orbit::kernel {

struct WaitGraph {
  struct Node {
    TurnId id = nullptr;  // null: no turn
    std::string type;
    std::string key;
    int64_t worker = -1;  // unknown
    std::string method;   // empty: no turn
    uint64_t age_ms = 0;
    bool age_known = false;
    uint32_t mailbox = 0;
    const char* state = "waits";  // "loading", "scheduled" (its next turn is about to begin), "unknown" (on another worker or on the way)
    std::vector<std::pair<const char*, uint64_t>> storage;  // what for, how many ms
    bool calls = false;
    bool holds = false;
  };
  struct Edge {
    size_t from;
    size_t to;
    TurnId call;
    std::string method;
    bool queued;    // the call waits in the mailbox for the turn that the edge leads to
    bool deadlock;  // the edge lies on a circle
  };
  std::vector<Node> nodes;
  std::vector<Edge> edges;
  bool truncated = false;

  // told[worker] is null for one that said nothing.
  static WaitGraph make(const std::vector<const WaitsOfWorker*>& told);
  // Marks the edges that lie on circles; true if there are any.
  bool mark_circles();
  // What workers told at different moments may show a circle that never was at one. An edge that was there before and is there
  // again was there all the time between: whatever is in both was so at once.
  void keep_circles_that_are_in(const WaitGraph& later);
  // Groups of turns that wait for each other for ever.
  size_t deadlocks() const;
};

}  // namespace orbit::kernel
