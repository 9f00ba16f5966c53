// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What the runtime tells about turns that wait, dead letters and hot actors.
#include <doctest/doctest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <functional>

#include "actor/introspection_api.hpp"
#include "sim_node.hpp"
#include "state/record_format.hpp"

using namespace test;
namespace json = boost::json;

namespace {

using Question = std::function<void(orbit_node_done done, void* ctx)>;

json::value ask(SimNode& node, const Question& question, uint32_t worker = 0) {
  std::string text;
  node.on_worker(worker, [&] {
    question(
        [](void* ctx, orbit_code code, orbit_bytes answer) {
          CHECK(code == ORBIT_OK);
          *static_cast<std::string*>(ctx) = orbit::from_c(answer);
        },
        &text);
  });
  REQUIRE(node.run_until([&] { return !text.empty(); }));
  return json::parse(text);
}

json::value waits(SimNode& node, size_t limit = 1000) {
  return ask(node, [limit](auto done, void* ctx) { introspection_table()->waits(limit, done, ctx); });
}

std::string name(const json::value& graph, const json::value& id) {
  const json::value& node = graph.at("nodes").as_array().at(id.to_number<size_t>());
  return std::string(node.at("type").as_string()) + "/" + std::string(node.at("key").as_string());
}

// "a -> b" and, for a call in a mailbox, "a => b"; with "!" behind when it is part of a deadlock. Sorted.
std::vector<std::string> edges(const json::value& graph) {
  std::vector<std::string> out;
  for (const json::value& edge : graph.at("edges").as_array())
    out.push_back(name(graph, edge.at("from")) + (edge.at("queued").as_bool() ? " => " : " -> ") + name(graph, edge.at("to")) +
                  (edge.at("deadlock").as_bool() ? "!" : ""));
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<std::string> sorted(std::vector<std::string> lines) {
  std::sort(lines.begin(), lines.end());
  return lines;
}

uint64_t mixed(const std::string& key) {
  return ActivationTable::mix(Runtime::api()->type("async"), key_hash(key));
}

const json::value& turn_of(const json::value& activation) { return activation.at("turns").as_array().at(0); }

}  // namespace

TEST_CASE("waits are told along a chain, across workers, down to a mailbox") {
  for (const uint32_t workers : {1u, 2u, 5u}) {
    Disk disk;
    SimNode node(disk, 70 + workers, workers);
    CHECK(waits(node).at("nodes").as_array().empty());
    const auto sleeper = node.send(0, "async", "c", kSleep);
    asleep(node, "async", "c");
    const auto chain = node.relay("async/a async/b async/c", kAdd, 1);
    node.pass_ms(50);
    const json::value graph = waits(node);
    CHECK(edges(graph) == std::vector<std::string>{"async/a -> async/b", "async/b => async/c"});
    CHECK(graph.at("deadlocks").to_number<int>() == 0);
    CHECK_FALSE(graph.at("truncated").as_bool());
    CHECK(graph.at("silent_workers").as_array().empty());
    const json::value few = waits(node, 2);
    CHECK(few.at("truncated").as_bool());
    CHECK(few.at("nodes").as_array().size() == 2);

    const json::value b = ask(node, [&](auto done, void* ctx) {
      node.runtime.activation_json("async", "b", [done, ctx](orbit_code code, const std::string& text) {
        done(ctx, code, orbit::to_c(orbit::Bytes(text)));
      });
    });
    CHECK(turn_of(b).at("waits_for").as_array().at(0).at("key").as_string() == "c");
    CHECK(turn_of(b).at("called_by").as_array().at(0).at("key").as_string() == "a");
    CHECK(turn_of(b).at("age_ms").to_number<int>() >= 49);
    node.wake("async", "c");
    node.wait(chain);
    node.wait(sleeper);
    CHECK(waits(node).at("nodes").as_array().empty());
  }
}

TEST_CASE("a call whose answer waits for storage is told with its actor's key") {
  const std::string key = "longer-than-what-fits-into-a-string";
  size_t found = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    Disk disk;
    SimNode node(disk, seed);
    node.call("sync", key, kGet);
    const auto chain = node.relay("async/a sync/" + key, kAdd, 1);
    REQUIRE(node.run_until([&] { return node.cell("sync", key)->value == 1; }));
    const json::value a = ask(node, [&](auto done, void* ctx) {
      node.runtime.activation_json("async", "a", [done, ctx](orbit_code code, const std::string& text) {
        done(ctx, code, orbit::to_c(orbit::Bytes(text)));
      });
    });
    if (!a.at("turns").as_array().empty()) {  // else it was stored and answered before
      ++found;
      CHECK(turn_of(a).at("waits_for").as_array().at(0).at("key").as_string() == key);
    }
    CHECK(node.wait(chain).code == ORBIT_OK);
  }
  CHECK(found != 0);
}

TEST_CASE("two chains that wait for each other's actors are a deadlock, and stay one until one is cancelled") {
  for (const uint32_t workers : {2u, 3u}) {
    size_t found = 0;
    for (uint64_t seed = 1; seed <= 40; ++seed) {
      CAPTURE(seed);
      Disk disk;
      SimNode node(disk, seed, workers);
      const std::string one = "a";
      std::string other = "b";  // of another worker
      while (node.runtime.worker_of(mixed(other)) == node.runtime.worker_of(mixed(one))) other += "b";
      const auto first = node.relay("async/" + one + " async/" + other, kGet);
      const auto second = node.relay("async/" + other + " async/" + one, kGet);
      node.pass_ms(20);
      const json::value graph = waits(node);
      if (first->arrived || second->arrived) {  // the first was through before the second came
        CHECK(edges(graph).empty());
        continue;
      }
      ++found;
      CHECK(edges(graph) == sorted({"async/" + one + " => async/" + other + "!", "async/" + other + " => async/" + one + "!"}));
      CHECK(graph.at("deadlocks").to_number<int>() == 1);
      node.cancel(0, first);
      CHECK(node.wait(first).code == ORBIT_CANCELLED);
      CHECK(node.wait(second).code == ORBIT_OK);
      CHECK(waits(node).at("nodes").as_array().empty());
    }
    CHECK(found != 0);
  }
}

TEST_CASE("a hold and a chain that wait for each other are a deadlock too") {
  for (const uint32_t workers : {1u, 3u}) {
    Disk disk;
    SimNode node(disk, 72, workers);
    const orbit_actors_v1* api = Runtime::api();
    // Holds take their actors in this order.
    const auto place = [&](const std::string& key) { return std::make_pair(node.runtime.worker_of(mixed(key)), mixed(key)); };
    const std::string first = place("a") < place("b") ? "a" : "b";
    const std::string later = first == "a" ? "b" : "a";
    const auto sleeper = node.send(0, "async", "x", kSleep);
    asleep(node, "async", "x");
    const auto chain = node.relay("async/" + later + " async/x async/" + first, kGet);
    node.pass_ms(20);
    // The hold has `first` and waits for the turn of `later`, which waits for x, which will call `first`.
    struct Granted {
      bool is = false;
      orbit_hold* hold = nullptr;
    } granted;
    const orbit_actor_ref refs[] = {{api->type("async"), orbit::to_c(first)}, {api->type("async"), orbit::to_c(later)}};
    node.on_worker(0, [&] {
      api->hold(refs, 2, 0,
                [](void* ctx, orbit_hold* hold, void* const*, size_t, orbit_code code, const char*) {
                  CHECK(code == ORBIT_OK);
                  *static_cast<Granted*>(ctx) = {true, hold};
                },
                &granted);
    });
    node.pass_ms(20);
    CHECK(edges(waits(node)) == sorted({"async/" + first + " => async/" + later, "async/" + later + " => async/x"}));
    node.wake("async", "x");
    node.pass_ms(20);
    const json::value graph = waits(node);
    CHECK(edges(graph) == sorted({"async/" + first + " => async/" + later + "!", "async/" + later + " -> async/x!",
                                  "async/x => async/" + first + "!"}));
    CHECK(graph.at("deadlocks").to_number<int>() == 1);
    CHECK_FALSE(granted.is);
    node.cancel(0, chain);
    CHECK(node.wait(chain).code == ORBIT_CANCELLED);
    REQUIRE(node.run_until([&] { return granted.is; }));
    const json::value held = waits(node);
    REQUIRE(held.at("nodes").as_array().size() == 2);
    for (const json::value& each : held.at("nodes").as_array()) CHECK(each.at("method").as_string() == "(hold)");
    const uint8_t unchanged[2] = {};
    node.on_worker(0, [&] { api->release(granted.hold, unchanged, nullptr, nullptr); });
    node.pass_ms(20);
    CHECK(waits(node).at("nodes").as_array().empty());
  }
}

TEST_CASE("dead letters of all workers are told, newest first, and counted") {
  Disk disk;
  SimNode node(disk, 73, 3);
  for (int i = 0; i < 5; ++i) {
    node.post("none", "refused", kAdd, i);
    node.pass_ms(2000);  // it is tried again
  }
  const json::value all = ask(node, [](auto done, void* ctx) { introspection_table()->dead_letters(3, done, ctx); }, 2);
  CHECK(all.at("counts").at("INVALID_ARGUMENT").to_number<int>() == 5);
  const json::array& letters = all.at("dead_letters").as_array();
  REQUIRE(letters.size() == 3);
  CHECK(letters[0].at("type").as_string() == "none");
  CHECK(letters[0].at("key").as_string() == "refused");
  CHECK(letters[0].at("method").as_string() == "#1");
  CHECK(letters[0].at("reason").as_string().find("refused") != json::string::npos);
  CHECK(letters[0].at("time").as_string() > letters[1].at("time").as_string());
  CHECK(letters[0].at("time").as_string().starts_with("2023-11-14T22:13:"));
}

TEST_CASE("top tells the actors with the most turns, and what waits on each worker") {
  Disk disk;
  SimNode node(disk, 74, 2);
  for (int i = 0; i < 60; ++i) {
    node.call("none", i % 3 == 0 ? "some" : "many", kAdd, 1);
    node.pass_ms(2);  // a quiet node: every turn counts
  }
  const auto sleeper = node.send(0, "none", "sleeps", kSleep);
  asleep(node, "none", "sleeps");
  const auto waiting = node.send(0, "none", "sleeps", kGet);
  node.pass_ms(5);
  const json::value top = ask(node, [](auto done, void* ctx) { introspection_table()->top(ORBIT_HOT_BY_CALLS, 2, done, ctx); });
  CHECK(top.at("by").as_string() == "calls");
  REQUIRE(top.at("hot").as_array().size() == 2);
  CHECK(top.at("hot").as_array()[0].at("key").as_string() == "many");
  CHECK(top.at("hot").as_array()[0].at("calls").to_number<int>() == 40);
  CHECK(top.at("hot").as_array()[1].at("key").as_string() == "some");
  CHECK(top.at("hot").as_array()[1].at("calls").to_number<int>() == 20);
  uint64_t queued = 0, open = 0;
  for (const json::value& worker : top.at("workers").as_array()) {
    CHECK(worker.at("answers").as_bool());
    CHECK(worker.at("runs").is_null());
    queued += worker.at("queued").to_number<uint64_t>();
    open += worker.at("waiting_turns").to_number<uint64_t>();
  }
  CHECK(queued == 1);
  CHECK(open == 1);
  node.wake("none", "sleeps");
  node.wait(waiting);
}
