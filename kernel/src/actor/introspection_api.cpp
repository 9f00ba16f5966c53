// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The host's orbit.introspection/1.
#include "actor/introspection_api.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <tuple>

#include "actor/gather.hpp"
#include "actor/names.hpp"
#include "actor/runtime.hpp"
#include "actor/turn_watch.hpp"
#include "actor/wait_graph.hpp"

namespace orbit::kernel {
namespace {

namespace json = boost::json;

constexpr size_t kVisitsPerPart = 20'000;  // slots; other work of the worker runs between parts

struct Asked {
  orbit_node_done done;
  void* ctx;
  void answer(const json::object& out) const {
    const std::string text = json::serialize(out);
    done(ctx, ORBIT_OK, to_c(Bytes(text)));
  }
};

json::array numbers(const std::vector<uint32_t>& workers) { return json::array(workers.begin(), workers.end()); }

bool contains(const std::vector<uint32_t>& workers, uint32_t worker) {
  return std::find(workers.begin(), workers.end(), worker) != workers.end();
}

json::value text_or_null(const std::string& text) { return text.empty() ? json::value(nullptr) : json::value(text); }

// ---- dead letters --------------------------------------------------------------------------------------------------

void dead_letters(size_t limit, orbit_node_done done, void* ctx) {
  struct Letter {
    DeadLetter letter;
    uint32_t worker;
    size_t place;  // among those of the worker
  };
  Runtime& runtime = *this_runtime();
  auto letters = std::make_shared<std::vector<std::vector<Letter>>>(runtime.workers());
  Gather::start(
      runtime,
      [letters](Scheduler& scheduler) {
        for (const DeadLetter& letter : scheduler.dead_letters().kept())
          (*letters)[scheduler.worker()].push_back(
              {letter, scheduler.worker(), (*letters)[scheduler.worker()].size()});
        return true;
      },
      [&runtime, letters, limit, asked = Asked{done, ctx}](const std::vector<uint32_t>& silent) {
        std::vector<Letter> all;
        for (uint32_t worker = 0; worker < letters->size(); ++worker)
          if (!contains(silent, worker)) all.insert(all.end(), (*letters)[worker].begin(), (*letters)[worker].end());
        std::sort(all.begin(), all.end(), [](const Letter& a, const Letter& b) {
          return std::tie(a.letter.unix_ms, a.place) > std::tie(b.letter.unix_ms, b.place);
        });
        json::array shown;
        for (size_t i = 0; i < std::min(all.size(), limit); ++i) {
          const DeadLetter& letter = all[i].letter;
          json::object row;
          row["time"] = time_text(letter.unix_ms);
          row["worker"] = all[i].worker;
          row["type"] = letter.type != nullptr ? json::value(letter.type->name) : json::value(nullptr);
          row["key"] = letter.key;
          row["method"] = method_name(letter.type, letter.method);
          row["code"] = code_name(letter.code);
          row["reason"] = letter.reason;
          shown.push_back(std::move(row));
        }
        json::object counts;
        for (size_t code = 1; code < DeadLetters::kCodes; ++code) {
          uint64_t sum = 0;
          for (uint32_t worker = 0; worker < runtime.workers(); ++worker)
            sum += runtime.scheduler(worker).dead_letters().count(code).get();
          if (sum != 0) counts[code_name(static_cast<orbit_code>(code))] = sum;
        }
        asked.answer(json::object{
            {"dead_letters", std::move(shown)}, {"counts", std::move(counts)}, {"silent_workers", numbers(silent)}});
      });
}

// ---- waits ---------------------------------------------------------------------------------------------------------

using ToldByAll = std::shared_ptr<std::vector<WaitsOfWorker>>;

void gather_waits(Runtime& runtime, size_t turns_max, bool only_count,
                  std::function<void(ToldByAll, const std::vector<uint32_t>& silent)> then) {
  auto told = std::make_shared<std::vector<WaitsOfWorker>>(runtime.workers());
  for (WaitsOfWorker& each : *told) {
    each.turns_max = turns_max;
    each.only_count = only_count;
  }
  Gather::start(
      runtime, [told](Scheduler& scheduler) { return scheduler.look_at_waits((*told)[scheduler.worker()], kVisitsPerPart); },
      [told, then = std::move(then)](const std::vector<uint32_t>& silent) { then(told, silent); });
}

WaitGraph graph_of(const ToldByAll& told, const std::vector<uint32_t>& silent) {
  std::vector<const WaitsOfWorker*> all;
  for (uint32_t worker = 0; worker < told->size(); ++worker)
    all.push_back(contains(silent, worker) ? nullptr : &(*told)[worker]);
  return WaitGraph::make(all);
}

json::object shown(const WaitGraph::Node& node, size_t number) {
  json::object out;
  out["id"] = number;
  out["type"] = text_or_null(node.type);
  out["key"] = node.key;
  out["worker"] = node.worker >= 0 ? json::value(node.worker) : json::value(nullptr);
  out["method"] = text_or_null(node.method);
  out["age_ms"] = node.age_known ? json::value(node.age_ms) : json::value(nullptr);
  out["mailbox"] = node.mailbox;
  out["state"] = node.state;
  json::array waits;
  if (node.calls) waits.push_back(json::object{{"kind", "call"}});
  if (node.holds) waits.push_back(json::object{{"kind", "hold"}});
  for (const auto& [what, ms] : node.storage) waits.push_back(json::object{{"kind", what}, {"for_ms", ms}});
  if (waits.empty() && !node.method.empty()) waits.push_back(json::object{{"kind", "other"}});
  out["waits_for"] = std::move(waits);
  return out;
}

void answer_waits(const Asked& asked, const WaitGraph& graph, size_t limit, const std::vector<uint32_t>& silent) {
  json::array nodes;
  json::array edges;
  const size_t most = std::min(graph.nodes.size(), limit);
  for (size_t i = 0; i < most; ++i) nodes.push_back(shown(graph.nodes[i], i));
  for (const WaitGraph::Edge& edge : graph.edges) {
    if (edge.from >= most || edge.to >= most) continue;
    edges.push_back(json::object{{"from", edge.from}, {"to", edge.to}, {"method", edge.method},
                                 {"queued", edge.queued}, {"deadlock", edge.deadlock}});
  }
  asked.answer(json::object{{"nodes", std::move(nodes)},
                            {"edges", std::move(edges)},
                            {"deadlocks", graph.deadlocks()},
                            {"truncated", graph.truncated || most != graph.nodes.size()},
                            {"silent_workers", numbers(silent)}});
}

void waits(size_t limit, orbit_node_done done, void* ctx) {
  const Asked asked{done, ctx};
  const size_t most = std::min<size_t>(limit, ORBIT_WAITING_TURNS_MAX);
  Runtime& runtime = *this_runtime();
  gather_waits(runtime, most, false, [&runtime, asked, most](const ToldByAll& told, const std::vector<uint32_t>& silent) {
    auto graph = std::make_shared<WaitGraph>(graph_of(told, silent));
    if (!graph->mark_circles()) return answer_waits(asked, *graph, most, silent);
    gather_waits(runtime, most, false, [asked, most, graph, silent](const ToldByAll& later, const std::vector<uint32_t>& silent_later) {
      graph->keep_circles_that_are_in(graph_of(later, silent_later));
      answer_waits(asked, *graph, most, silent);
    });
  });
}

// ---- top -----------------------------------------------------------------------------------------------------------

struct Busy {
  HotActors::Report report;
  WaitsOfWorker waits;
};

double per_second(uint64_t amount, uint64_t window_ns) {
  return window_ns == 0 ? 0 : static_cast<double>(amount) * 1e9 / static_cast<double>(window_ns);
}
double percent(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) * 100 / static_cast<double>(whole);
}

json::value shown(const Running& running, uint64_t now_ns) {
  if (running.actor.type == nullptr) return nullptr;
  json::object out;
  out["type"] = running.actor.type->name;
  out["key"] = shown_key(running.actor.shown());
  out["method"] = running.in_turn ? json::value(method_name(running.actor.type, running.method)) : json::value(nullptr);
  out["age_ms"] =
      running.in_turn ? json::value((now_ns - std::min(now_ns, running.since_ns)) / 1'000'000) : json::value(nullptr);
  return out;
}

json::object shown(const HotActors::Hot& hot, uint32_t worker, uint64_t window_ns, bool by_time) {
  json::object out;
  out["type"] = hot.actor.type->name;
  out["key"] = shown_key(hot.actor.shown());
  out["key_cut"] = hot.actor.shown().size() < hot.actor.key_size;
  out["worker"] = worker;
  out["calls"] = hot.calls;
  out["calls_per_second"] = per_second(hot.calls, window_ns);
  out["time_ms"] = static_cast<double>(hot.time_ns) / 1e6;
  out["time_percent"] = percent(hot.time_ns, window_ns);
  const uint64_t measure = by_time ? hot.time_ns : hot.calls;
  out["lacks_percent"] = percent(hot.error, measure + hot.error);
  return out;
}

void answer_top(const Asked& asked, bool by_time, size_t limit, const std::vector<Busy>& told,
                const std::vector<uint32_t>& silent, const std::vector<Running>& running) {
  Runtime& runtime = *this_runtime();
  json::array workers;
  struct Row {
    const HotActors::Hot* hot;
    uint32_t worker;
    uint64_t window_ns;
  };
  std::vector<Row> rows;
  uint64_t window_ns = 0;
  for (uint32_t worker = 0; worker < told.size(); ++worker) {
    const SchedulerTallies& tallies = runtime.scheduler(worker).tallies();
    const auto at = std::find(silent.begin(), silent.end(), worker);
    const bool answers = at == silent.end();
    json::object row;
    row["worker"] = worker;
    row["answers"] = answers;
    row["activations"] = tallies.activations.get() - tallies.deactivations.get();
    row["turns_total"] = tallies.turns.get();
    row["messages_total"] = tallies.messages.get();
    const auto known = [answers](auto value) { return answers ? json::value(value) : json::value(nullptr); };
    const Busy& busy = told[worker];
    row["turns_per_second"] = answers ? json::value(per_second(busy.report.turns, busy.report.window_ns)) : nullptr;
    row["queued"] = known(busy.waits.queued);
    row["waiting_turns"] = known(busy.waits.turns);
    row["runs"] = answers ? json::value(nullptr) : shown(running[static_cast<size_t>(at - silent.begin())],
                                                         runtime.executor().monotonic_ns());
    workers.push_back(std::move(row));
    if (!answers) continue;
    window_ns = std::max(window_ns, busy.report.window_ns);
    for (const HotActors::Hot& hot : busy.report.hot) rows.push_back({&hot, worker, busy.report.window_ns});
  }
  std::sort(rows.begin(), rows.end(), [by_time](const Row& a, const Row& b) {
    return by_time ? a.hot->time_ns > b.hot->time_ns : a.hot->calls > b.hot->calls;
  });
  json::array hot;
  for (size_t i = 0; i < std::min(rows.size(), limit); ++i)
    hot.push_back(shown(*rows[i].hot, rows[i].worker, rows[i].window_ns, by_time));
  asked.answer(json::object{{"by", by_time ? "time" : "calls"},
                            {"window_ms", window_ns / 1'000'000},
                            {"workers", std::move(workers)},
                            {"hot", std::move(hot)}});
}

void top(uint32_t by, size_t limit, orbit_node_done done, void* ctx) {
  const bool by_time = by == ORBIT_HOT_BY_TIME;
  Runtime& runtime = *this_runtime();
  auto told = std::make_shared<std::vector<Busy>>(runtime.workers());
  for (Busy& busy : *told) busy.waits.only_count = true;
  Gather::start(
      runtime,
      [told, by_time](Scheduler& scheduler) {
        Busy& busy = (*told)[scheduler.worker()];
        if (busy.waits.slot == 0)
          busy.report = scheduler.hot().report(by_time, scheduler.tallies().turns.get(),
                                               scheduler.runtime().executor().monotonic_ns());
        return scheduler.look_at_waits(busy.waits, kVisitsPerPart);
      },
      [&runtime, told, by_time, limit, asked = Asked{done, ctx}](const std::vector<uint32_t>& silent) {
        look_inside(runtime, silent, [told, by_time, limit, asked, silent](const std::vector<Running>& running) {
          answer_top(asked, by_time, limit, *told, silent, running);
        });
      });
}

// ---- slow turns ----------------------------------------------------------------------------------------------------

void slow_turns(size_t limit, orbit_node_done done, void* ctx) {
  Runtime& runtime = *this_runtime();
  const TurnWatch& watch = runtime.turn_watch();
  json::array rows;
  for (const SlowTurn& slow : watch.slow_turns(limit)) {
    json::object row;
    row["time"] = time_text(slow.began_unix_ms);
    row["worker"] = slow.worker;
    row["type"] = slow.type;
    row["key"] = slow.key;
    row["method"] = text_or_null(slow.method);
    row["duration_ms"] = slow.duration_ms;
    row["running"] = slow.running;
    rows.push_back(std::move(row));
  }
  uint64_t total = 0;
  for (uint32_t worker = 0; worker < runtime.workers(); ++worker) total += watch.found(worker).get();
  Asked{done, ctx}.answer(
      json::object{{"slow_turn_ms", watch.slow_turn_ms()}, {"slow_turns", std::move(rows)}, {"total", total}});
}

constexpr orbit_introspection_v1 kIntrospection = {
    .struct_size = sizeof(orbit_introspection_v1),
    .reserved = 0,
    .dead_letters = &dead_letters,
    .waits = &waits,
    .top = &top,
    .slow_turns = &slow_turns,
};

}  // namespace

const orbit_introspection_v1* introspection_table() noexcept { return &kIntrospection; }

}  // namespace orbit::kernel
