// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>

#include <map>
#include <orbit/testkit/doctest.hpp>
#include <orbit/testkit/node.hpp>
#include <set>

#include "matchmaking.orbit.hpp"

using namespace matchmaking;
using namespace std::chrono_literals;
using orbit::testkit::for_seeds;
using orbit::testkit::Node;
using orbit::testkit::NodeOptions;

namespace {

const NodeOptions kOptions{.modules = {ORBIT_TEST_MODULE}};

SearchRequest skill(uint32_t value) {
  SearchRequest request;
  request.set_skill(value);
  return request;
}

TicketState ticket(Node& node, const std::string& player) { return node.call(Ticket(player).get({})); }

// Everybody who is in a match is in one with three others who say the same. How many matches there are.
size_t check_matches(Node& node, const std::vector<std::string>& players) {
  std::map<std::string, std::set<std::string>> matches;
  for (const std::string& player : players) {
    const TicketState state = ticket(node, player);
    if (state.status() != STATUS_MATCHED) continue;
    CHECK(state.players_size() == 4);
    const std::set<std::string> together(state.players().begin(), state.players().end());
    CHECK(together.size() == 4);
    CHECK(together.contains(player));
    const auto [known, fresh] = matches.emplace(state.match(), together);
    if (!fresh) CHECK(known->second == together);
  }
  std::set<std::string> seen;
  for (const auto& [match, together] : matches)
    for (const std::string& player : together) {
      CHECK(seen.insert(player).second);  // in one match only
      CHECK(ticket(node, player).match() == match);
    }
  return matches.size();
}

}  // namespace

TEST_CASE("four players of like skill are matched, and each is told the same") {
  for_seeds(5, [](uint64_t) {
    Node node(kOptions);
    const std::vector<std::string> players = {"ann", "bob", "cid", "dee"};
    for (const std::string& player : players)
      CHECK(node.call(Ticket(player).search(skill(1550))).status() == STATUS_WAITING);
    node.run_until_idle();
    CHECK(check_matches(node, players) == 1);
    CHECK(ticket(node, "ann").status() == STATUS_MATCHED);
    CHECK(node.call(Bucket("0/15").get({})).waiting_size() == 0);
  });
}

TEST_CASE("players of other skill are not matched before they have waited for long") {
  Node node(kOptions);
  const std::vector<std::string> players = {"ann", "bob", "cid", "dee"};
  uint32_t points = 1210;  // 12, 13, 14, 15: one bucket of the level above
  for (const std::string& player : players) node.call(Ticket(player).search(skill(points))), points += 100;
  node.advance(9s);
  CHECK(check_matches(node, players) == 0);
  node.advance(2s);
  CHECK(check_matches(node, players) == 1);
  CHECK(ticket(node, "ann").match() == "1/3#1");
}

TEST_CASE("who finds nobody gives up after a minute, also when the node was down at that moment") {
  Node node(kOptions);
  node.call(Ticket("ann").search(skill(100)));
  node.advance(50s);
  CHECK(ticket(node, "ann").status() == STATUS_WAITING);
  CHECK_FALSE(node.result(Ticket("ann").search(skill(100))));
  node.crash();
  node.advance(20s);
  node.restart();
  node.advance(10s);
  CHECK(ticket(node, "ann").status() == STATUS_TIMED_OUT);
  CHECK(node.call(Bucket("2/0").get({})).waiting_size() == 0);
  // And may try again.
  CHECK(node.call(Ticket("ann").search(skill(100))).attempt() == 2);
  node.advance(61s);
  CHECK(ticket(node, "ann").status() == STATUS_TIMED_OUT);
}

TEST_CASE("a search that was cancelled is over, wherever the player had gone on to") {
  for (const std::chrono::milliseconds waited : {0ms, 15'000ms, 25'000ms}) {
    Node node(kOptions);
    node.call(Ticket("ann").search(skill(700)));
    node.advance(waited);
    node.call(Ticket("ann").cancel({}));
    node.run_until_idle();
    CHECK(ticket(node, "ann").status() == STATUS_CANCELLED);
    for (const char* player : {"bob", "cid", "dee"}) node.call(Ticket(player).search(skill(700)));
    node.advance(15s);
    CHECK(ticket(node, "bob").status() == STATUS_WAITING);
  }
}

TEST_CASE("whatever is lost when, every player ends in exactly one match") {
  for_seeds(25, [](uint64_t seed) {
    Node node(kOptions);
    std::vector<std::string> players;
    for (int i = 0; i < 8; ++i) players.push_back("p" + std::to_string(i));
    std::vector<orbit::testkit::Pending<TicketState>> searches;
    for (const std::string& player : players) searches.push_back(node.start(Ticket(player).search(skill(2050))));
    for (uint64_t steps = seed * 17 % 400; steps != 0 && node.step(); --steps) {
    }
    node.crash();
    node.restart();
    // Who got no answer looks, and searches again if that search is not known.
    for (const std::string& player : players)
      if (ticket(node, player).status() == STATUS_NONE) node.call(Ticket(player).search(skill(2050)));
    node.advance(30s);
    CHECK(check_matches(node, players) == 2);
  });
}

TEST_CASE("who cancels while a match is made is either in it or not, and everybody agrees") {
  std::set<int> outcomes;
  for_seeds(40, [&](uint64_t seed) {
    Node node(kOptions);
    const std::vector<std::string> players = {"ann", "bob", "cid", "dee"};
    for (const char* player : {"ann", "bob", "cid"}) node.call(Ticket(player).search(skill(300)));
    auto last = node.start(Ticket("dee").search(skill(300)));
    for (uint64_t steps = seed * 2; steps != 0 && node.step(); --steps) {
    }
    auto cancelled = node.start(Ticket("ann").cancel({}));
    node.run_until_idle();
    CHECK(cancelled.done());  // with an error when the match was first
    const Status status = ticket(node, "ann").status();
    outcomes.insert(status);
    CHECK(check_matches(node, players) == (status == STATUS_MATCHED ? 1 : 0));
  });
  if (!orbit::testkit::seed_is_given()) CHECK(outcomes == std::set<int>{STATUS_MATCHED, STATUS_CANCELLED});
}
