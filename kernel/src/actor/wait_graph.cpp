// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "actor/wait_graph.hpp"

#include <algorithm>
#include <set>
#include <tuple>
#include <unordered_map>

#include "actor/types.hpp"

namespace orbit::kernel {

namespace {

// Strongly connected components (Tarjan, "Depth-First Search and Linear Graph Algorithms", 1972), without recursion.
std::vector<size_t> components(size_t nodes, const std::vector<std::vector<size_t>>& next) {
  constexpr size_t kNone = SIZE_MAX;
  std::vector<size_t> order(nodes, kNone), low(nodes), component(nodes, kNone), stack;
  std::vector<std::pair<size_t, size_t>> path;  // node, how many of its successors were visited
  size_t visited = 0, found = 0;
  for (size_t root = 0; root < nodes; ++root) {
    if (order[root] != kNone) continue;
    path.emplace_back(root, 0);
    while (!path.empty()) {
      auto& [node, at] = path.back();
      if (at == 0) {
        order[node] = low[node] = visited++;
        stack.push_back(node);
      }
      if (at < next[node].size()) {
        const size_t to = next[node][at++];
        if (order[to] == kNone)
          path.emplace_back(to, 0);
        else if (component[to] == kNone)
          low[node] = std::min(low[node], order[to]);
        continue;
      }
      if (low[node] == order[node]) {
        for (size_t member = kNone; member != node;) {
          member = stack.back();
          stack.pop_back();
          component[member] = found;
        }
        ++found;
      }
      const size_t done = node;
      path.pop_back();
      if (!path.empty()) low[path.back().first] = std::min(low[path.back().first], low[done]);
    }
  }
  return component;
}

uint64_t age_ms(uint64_t now_ns, uint64_t since_ns) { return now_ns > since_ns ? (now_ns - since_ns) / 1'000'000 : 0; }

using EdgeId = std::tuple<TurnId, TurnId, TurnId>;

}  // namespace

WaitGraph WaitGraph::make(const std::vector<const WaitsOfWorker*>& told) {
  WaitGraph graph;
  std::unordered_map<TurnId, std::vector<size_t>> nodes_of;  // several: activations that one hold has
  struct Place {
    const WaitingActor* actor;
    const WaitingActor::Queued* queued;
    size_t first;  // node of the actor's first turn, or of the actor
  };
  std::unordered_map<TurnId, Place> queued_at;
  struct Wait {
    size_t from;
    const WaitingTurn::Call* call;
  };
  std::vector<Wait> waits;

  for (size_t worker = 0; worker < told.size(); ++worker) {
    if (told[worker] == nullptr) continue;
    graph.truncated |= told[worker]->truncated;
    for (const WaitingActor& actor : told[worker]->actors) {
      const size_t first = graph.nodes.size();
      Node node;
      node.type = actor.type->name;
      node.key = actor.key;
      node.worker = static_cast<int64_t>(worker);
      node.mailbox = actor.mailbox;
      for (const WaitingTurn& turn : actor.turns) {
        Node of_turn = node;
        of_turn.id = turn.id;
        of_turn.method = turn.method;
        of_turn.age_known = turn.since_ns != 0;
        if (of_turn.age_known) of_turn.age_ms = age_ms(told[worker]->now_ns, turn.since_ns);
        of_turn.calls = !turn.calls.empty();
        for (const StorageWait& wait : turn.storage)
          of_turn.storage.emplace_back(wait.what, age_ms(told[worker]->now_ns, wait.since_ns));
        nodes_of[turn.id].push_back(graph.nodes.size());
        for (const WaitingTurn::Call& call : turn.calls) waits.push_back({graph.nodes.size(), &call});
        graph.nodes.push_back(std::move(of_turn));
      }
      if (actor.turns.empty()) {
        node.state = actor.loading ? "loading" : "scheduled";
        graph.nodes.push_back(std::move(node));
      }
      for (const WaitingActor::Queued& queued : actor.queued)
        queued_at.emplace(queued.id, Place{&actor, &queued, first});
    }
  }

  const auto behind = [&graph](size_t from, const Place& place, TurnId call, const std::string& method) {
    if (place.actor->turns.empty()) graph.edges.push_back({from, place.first, call, method, true, false});
    for (const size_t turn : place.queued->behind)
      graph.edges.push_back({from, place.first + turn, call, method, true, false});
  };
  for (const Wait& wait : waits) {
    const WaitingTurn::Call& call = *wait.call;
    if (const auto runs = nodes_of.find(call.id); runs != nodes_of.end()) {
      for (const size_t to : runs->second) graph.edges.push_back({wait.from, to, call.id, call.method, false, false});
    } else if (const auto place = queued_at.find(call.id); place != queued_at.end()) {
      behind(wait.from, place->second, call.id, call.method);
    } else {
      Node node;
      node.type = call.type->name;
      node.key = call.key;
      node.state = "unknown";
      graph.edges.push_back({wait.from, graph.nodes.size(), call.id, call.method, false, false});
      graph.nodes.push_back(std::move(node));
    }
  }
  // What a hold has stays closed until it has the rest.
  for (const auto& [id, place] : queued_at) {
    const auto held = nodes_of.find(id);
    if (held == nodes_of.end()) continue;
    for (const size_t from : held->second) {
      if (graph.nodes[from].method != "(hold)") continue;
      graph.nodes[from].holds = true;
      behind(from, place, id, "(hold)");
    }
  }
  return graph;
}

bool WaitGraph::mark_circles() {
  std::vector<std::vector<size_t>> next(nodes.size());
  for (const Edge& edge : edges) next[edge.from].push_back(edge.to);
  const std::vector<size_t> component = components(nodes.size(), next);
  bool any = false;
  for (Edge& edge : edges) any |= edge.deadlock = component[edge.from] == component[edge.to];
  return any;
}

void WaitGraph::keep_circles_that_are_in(const WaitGraph& later) {
  const auto id = [](const WaitGraph& graph, const Edge& edge) {
    return EdgeId{graph.nodes[edge.from].id, graph.nodes[edge.to].id, edge.call};
  };
  std::set<EdgeId> there;
  for (const Edge& edge : later.edges) there.insert(id(later, edge));
  std::vector<std::vector<size_t>> next(nodes.size());
  for (const Edge& edge : edges)
    if (there.contains(id(*this, edge))) next[edge.from].push_back(edge.to);
  const std::vector<size_t> component = components(nodes.size(), next);
  for (Edge& edge : edges)
    edge.deadlock = component[edge.from] == component[edge.to] && there.contains(id(*this, edge));
}

size_t WaitGraph::deadlocks() const {
  std::vector<std::vector<size_t>> next(nodes.size());
  for (const Edge& edge : edges)
    if (edge.deadlock) next[edge.from].push_back(edge.to);
  const std::vector<size_t> component = components(nodes.size(), next);
  std::set<size_t> groups;
  for (const Edge& edge : edges)
    if (edge.deadlock) groups.insert(component[edge.from]);
  return groups.size();
}

}  // namespace orbit::kernel
