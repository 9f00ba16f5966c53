// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Circles in what workers told at different moments.
#include <doctest/doctest.h>

#include "actor/types.hpp"
#include "actor/wait_graph.hpp"

using namespace orbit::kernel;

namespace {

orbit_type type{.name = "t"};
TurnId id(uintptr_t number) { return reinterpret_cast<TurnId>(number); }

// An actor whose one turn, `turn`, made a call that waits in the mailbox of the actor of another turn.
WaitingActor actor(const std::string& key, uintptr_t turn, uintptr_t call, uintptr_t queued) {
  WaitingActor out;
  out.type = &type;
  out.key = key;
  out.turns.push_back({id(turn), "M", 0, {{id(call), &type, "?", "N"}}, {}});
  if (queued != 0) out.queued.push_back({id(queued), {0}});
  return out;
}

WaitGraph graph(std::vector<WaitingActor> actors) {
  WaitsOfWorker told;
  told.actors = std::move(actors);
  return WaitGraph::make({&told, nullptr});
}

}  // namespace

TEST_CASE("a circle of three is one deadlock, and who waits for it is not part of it") {
  WaitGraph all = graph({actor("a", 1, 12, 31), actor("b", 2, 23, 12), actor("c", 3, 31, 23), actor("d", 4, 43, 0)});
  CHECK(all.edges.size() == 4);  // that of d leads to an actor that nobody told of
  CHECK(all.mark_circles());
  CHECK(all.deadlocks() == 1);
  for (const WaitGraph::Edge& edge : all.edges) CHECK(edge.deadlock == (all.nodes[edge.from].key != "d"));
}

TEST_CASE("two circles are two deadlocks; a chain is none") {
  WaitGraph two = graph({actor("a", 1, 12, 21), actor("b", 2, 21, 12), actor("c", 3, 34, 43), actor("d", 4, 43, 34)});
  CHECK(two.mark_circles());
  CHECK(two.deadlocks() == 2);
  WaitGraph chain = graph({actor("a", 1, 12, 0), actor("b", 2, 23, 12), actor("c", 3, 34, 23)});
  CHECK_FALSE(chain.mark_circles());
  CHECK(chain.deadlocks() == 0);
}

TEST_CASE("a circle that is there only when moments are mixed is no deadlock") {
  // a waited for b when its worker was asked; a moment later it does not, and only then b waits for a.
  WaitGraph mixed = graph({actor("a", 1, 12, 21), actor("b", 2, 21, 12)});
  REQUIRE(mixed.mark_circles());
  WaitGraph gone = mixed;
  gone.keep_circles_that_are_in(graph({actor("a", 1, 13, 21), actor("b", 2, 21, 0)}));
  CHECK(gone.deadlocks() == 0);
  WaitGraph stays = mixed;
  stays.keep_circles_that_are_in(graph({actor("b", 2, 21, 12), actor("a", 1, 12, 21), actor("e", 5, 51, 0)}));
  CHECK(stays.deadlocks() == 1);
}

TEST_CASE("a long chain is walked without recursion") {
  std::vector<WaitingActor> actors;
  constexpr uintptr_t kLength = 100'000;
  for (uintptr_t i = 1; i <= kLength; ++i) actors.push_back(actor("k", i, 1'000'000 + i, i > 1 ? 1'000'000 + i - 1 : 1'000'000 + kLength));
  WaitGraph circle = graph(std::move(actors));
  CHECK(circle.mark_circles());
  CHECK(circle.deadlocks() == 1);
}
