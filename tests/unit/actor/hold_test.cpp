// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>

#include "actor/hold.hpp"
#include "effort.hpp"
#include "sim_node.hpp"
#include "state/record_format.hpp"

using namespace test;
using orbit::testing::with_effort;

namespace {

struct Transfer {
  SimNode* node;
  int64_t amount;
  bool finished = false;
  orbit_code code = ORBIT_OK;
  bool keep = false;  // its hold stays open until all cells of a type have been counted
  orbit_hold* hold = nullptr;
};

void release(Transfer* transfer) {
  const uint8_t dirty[] = {1, 1};
  Runtime::api()->release(transfer->hold, dirty,
                          [](void* ctx, orbit_code committed, const char*) {
                            auto* done = static_cast<Transfer*>(ctx);
                            CHECK_FALSE(done->finished);
                            done->code = committed;
                            done->finished = true;
                          },
                          transfer);
}

// Moves amount from one cell to the other as one turn.
void start_transfer(SimNode& node, uint32_t worker, const std::string& type_a, const std::string& a, const std::string& type_b,
                    const std::string& b, Transfer* transfer) {
  transfer->node = &node;
  node.runtime.post(worker, [=] {
    const orbit_actors_v1* api = Runtime::api();
    const orbit_actor_ref refs[] = {{api->type(type_a.c_str()), orbit::to_c(a)}, {api->type(type_b.c_str()), orbit::to_c(b)}};
    api->hold(refs, 2, 0,
              [](void* ctx, orbit_hold* hold, void* const* actors, size_t, orbit_code code, const char*) {
                auto* its = static_cast<Transfer*>(ctx);
                if (code != ORBIT_OK) {
                  its->code = code;
                  its->finished = true;
                  return;
                }
                its->hold = hold;
                if (its->keep) Runtime::api()->keep(hold);
                auto* from = static_cast<Cell*>(actors[0]);
                auto* to = static_cast<Cell*>(actors[1]);
                from->value -= its->amount;
                to->value += its->amount;
                from->exists = to->exists = true;
                if (!its->keep) return release(its);
                Runtime::api()->count(from->activation->type,
                                      [](void* inner, uint64_t, orbit_code, const char*) { release(static_cast<Transfer*>(inner)); },
                                      its);
              },
              transfer);
  });
}

int64_t stored_sum(const Disk& disk) {
  int64_t sum = 0;
  for (const auto& [key, value] : disk.data) {
    if (key[0] != 'a') continue;
    std::string_view in = value;
    REQUIRE(take_main_header(in));
    int64_t number = 0;
    std::memcpy(&number, in.data(), sizeof number);
    sum += number;
  }
  return sum;
}

// Steps until all have finished; at no moment is a part of one stored.
void finish_whole(SimNode& node, const Disk& disk, const std::vector<Transfer>& transfers) {
  const auto all_finished = [&] {
    return std::all_of(transfers.begin(), transfers.end(), [](const Transfer& t) { return t.finished; });
  };
  for (int step = 0; step < 100'000 && !all_finished(); ++step) {
    node.executor.step();
    REQUIRE(stored_sum(disk) == 0);
  }
  CHECK(all_finished());
}

}  // namespace

TEST_CASE("a hold over several actors commits as one, whatever crashes") {
  for (uint64_t seed = 1; seed <= with_effort(60); ++seed) {
    CAPTURE(seed);
    const uint32_t workers = 1 + seed % 3;
    const char* type = seed % 2 == 0 ? "sync" : "async";
    Disk disk;
    {
      SimNode node(disk, seed, workers);
      std::vector<Transfer> transfers(60);
      for (size_t i = 0; i < transfers.size(); ++i) {
        transfers[i].amount = static_cast<int64_t>(i) + 1;
        start_transfer(node, static_cast<uint32_t>(i) % workers, type, "k" + std::to_string(i % 7), type,
                       "k" + std::to_string((i * 3 + 1) % 7), &transfers[i]);
      }
      // Stop somewhere in the middle: what is stored then is what a crash leaves.
      const uint64_t steps = 50 + seed * 17;
      for (uint64_t i = 0; i < steps; ++i) {
        node.executor.step();
        REQUIRE(stored_sum(disk) == 0);
      }
      REQUIRE(node.run_until([&] {
        return std::all_of(transfers.begin(), transfers.end(), [](const Transfer& t) { return t.finished; });
      }));
      for (const Transfer& transfer : transfers) CHECK(transfer.code == ORBIT_OK);
      node.pass_ms(500);
    }
    CHECK(stored_sum(disk) == 0);
  }
}

TEST_CASE("what looks at an actor of another worker does not follow a hold that is over") {
  constexpr size_t kActors = 300;  // a hold of so many is not kept for the next one
  struct Wide {
    SimNode* node;
    orbit_hold* hold = nullptr;
    WaitsOfWorker seen;
    std::vector<char> next;  // what gets the memory of the hold
    bool finished = false;
  };
  for (uint64_t seed = 1; seed <= with_effort(10); ++seed) {
    CAPTURE(seed);
    Disk disk;
    SimNode node(disk, seed, 2);
    Wide wide{&node};
    wide.seen.turns_max = kActors;
    node.on_worker(1, [&wide] {
      const orbit_actors_v1* api = Runtime::api();
      std::vector<std::string> keys;
      for (size_t i = 0; i < kActors; ++i) keys.push_back("k" + std::to_string(i));
      std::vector<orbit_actor_ref> refs;
      for (const std::string& key : keys) refs.push_back({api->type("async"), orbit::to_c(key)});
      api->hold(
          refs.data(), refs.size(), 0,
          [](void* ctx, orbit_hold* hold, void* const*, size_t, orbit_code code, const char*) {
            REQUIRE(code == ORBIT_OK);
            static_cast<Wide*>(ctx)->hold = hold;
          },
          &wide);
    });
    REQUIRE(node.run_until([&] { return wide.hold != nullptr; }));
    std::vector<std::shared_ptr<Answer>> answers;
    for (size_t i = 0; i < 40; ++i) {
      answers.push_back(node.relay("none/r" + std::to_string(i) + " async/k" + std::to_string(i), kGet));
      for (uint64_t step = 0; step < seed % 5; ++step) node.executor.step();
      if (i != 20) continue;
      node.runtime.post(1, [&wide] {
        // It comes to worker 0 before the news of the release.
        wide.node->runtime.post(0, [&wide] {
          while (!wide.node->runtime.scheduler(0).look_at_waits(wide.seen, kActors)) {
          }
        });
        const auto end = [](void* ctx, orbit_code, const char*) { static_cast<Wide*>(ctx)->finished = true; };
        Runtime::api()->release(wide.hold, nullptr, end, &wide);
        wide.next.assign(sizeof(orbit_hold), 1);
      });
    }
    REQUIRE(node.run_until([&] { return wide.finished; }));
    for (const auto& answer : answers) CHECK(node.wait(answer).code == ORBIT_OK);
    size_t held = 0;
    for (const WaitingActor& actor : wide.seen.actors)
      for (const WaitingTurn& turn : actor.turns) held += turn.method == "(hold)";
    CHECK(held > kActors / 4);
  }
}

TEST_CASE("a hold over types of different durability commits as the stricter one") {
  Disk disk;
  SimNode node(disk, 5, 2);
  Transfer transfer{&node, 10};
  start_transfer(node, 0, "sync", "a", "async", "b", &transfer);
  REQUIRE(node.run_until([&] { return transfer.finished; }));
  CHECK(transfer.code == ORBIT_OK);
  CHECK(stored_sum(disk) == 0);
  CHECK(std::count_if(disk.data.begin(), disk.data.end(), [](const auto& entry) { return entry.first[0] == 'a'; }) == 2);
}

TEST_CASE("a hold whose commit fails changes nothing") {
  for (const uint32_t workers : {1u, 2u, 3u}) {
    Disk disk;
    SimNode node(disk, workers, workers);
    node.call("sync", "a", kAdd, 100);
    node.call("sync", "b", kAdd, 100);
    disk.full = true;
    Transfer transfer{&node, 10};
    start_transfer(node, 0, "sync", "a", "sync", "b", &transfer);
    REQUIRE(node.run_until([&] { return transfer.finished; }));
    CHECK(transfer.code != ORBIT_OK);
    CHECK(node.call("sync", "a", kGet).value == 100);
    CHECK(node.call("sync", "b", kGet).value == 100);
    disk.full = false;
    node.pass_ms(5000);
    CHECK(node.call("sync", "a", kAdd, 1).value == 101);
  }
}

TEST_CASE("a hold whose commit fails undoes its own change only, not an acknowledged one that waits for its flush") {
  for (const uint32_t workers : {1u, 2u, 3u}) {
    CAPTURE(workers);
    Disk disk;
    SimNode node(disk, workers, workers);
    node.call("sync", "a", kAdd, 100);
    node.call("async", "b", kAdd, 5);
    disk.full = true;
    Transfer transfer;
    transfer.amount = 10;
    start_transfer(node, 0, "sync", "a", "async", "b", &transfer);
    REQUIRE(node.run_until([&] { return transfer.finished; }));
    CHECK(transfer.code != ORBIT_OK);
    const auto meanwhile = node.send(0, "async", "b", kGet);
    node.pass_ms(500);
    disk.full = false;
    node.pass_ms(5000);
    CHECK(meanwhile->value == 5);
    CHECK(node.call("async", "b", kAdd, 1).value == 6);
    CHECK(node.call("sync", "a", kGet).value == 100);
    node.pass_ms(500);
    CHECK(stored_sum(disk) == 106);
  }
}

TEST_CASE("holds wait for a busy actor and for each other, never in a circle") {
  Disk disk;
  SimNode node(disk, 11, 3);
  const auto sleeper = node.send(0, "async", "k1", kSleep);
  REQUIRE(node.run_until([&] { return node.cell("async", "k1") != nullptr && node.cell("async", "k1")->sleeping != nullptr; }));
  std::vector<Transfer> transfers(20);
  for (size_t i = 0; i < transfers.size(); ++i) {
    transfers[i].amount = 1;
    start_transfer(node, static_cast<uint32_t>(i % 3), "async", i % 2 == 0 ? "k1" : "k2", "async", i % 2 == 0 ? "k2" : "k1", &transfers[i]);
  }
  node.pass_ms(200);
  for (const Transfer& transfer : transfers) CHECK_FALSE(transfer.finished);
  const uint32_t owner = node.cell("async", "k1")->activation->worker;
  node.on_worker(owner, [&] {
    Cell* cell = node.cell("async", "k1");
    Runtime::api()->finish(cell->activation, cell->sleeping);
  });
  REQUIRE(node.run_until([&] {
    return std::all_of(transfers.begin(), transfers.end(), [](const Transfer& t) { return t.finished && t.code == ORBIT_OK; });
  }));
  CHECK(sleeper->arrived);
}

TEST_CASE("the same actor named twice is held once") {
  Disk disk;
  SimNode node(disk, 12);
  Transfer transfer{&node, 10};
  start_transfer(node, 0, "async", "a", "async", "a", &transfer);
  REQUIRE(node.run_until([&] { return transfer.finished; }));
  CHECK(transfer.code == ORBIT_OK);
  CHECK(node.call("async", "a", kGet).value == 0);
}

// Adding 0 makes an actor dirty on its own and leaves the sum of all as it is.
TEST_CASE("a hold over actors that were changed alone just before commits as one, whatever crashes") {
  for (uint64_t seed = 1; seed <= with_effort(40); ++seed) {
    CAPTURE(seed);
    const uint32_t workers = 1 + seed % 3;
    const char* type = seed % 4 == 0 ? "sync" : "async";
    Disk disk;
    SimNode node(disk, seed, workers);
    std::vector<Transfer> transfers(60);
    for (size_t i = 0; i < transfers.size(); ++i) {
      transfers[i].amount = static_cast<int64_t>(i) + 1;
      transfers[i].keep = i % 3 == 0;
      const uint32_t from = static_cast<uint32_t>(i) % workers;
      // So many others that a cut is collected in several rounds.
      for (size_t other = 0; i % 20 == 0 && other < 800; ++other) node.send(from, type, "other" + std::to_string(other), kAdd, 0);
      for (size_t k = 0; k < 7; ++k) node.send(from, type, "k" + std::to_string(k), kAdd, 0);
      for (uint64_t step = 0; step < seed * 7 % 50; ++step) {
        node.executor.step();
        REQUIRE(stored_sum(disk) == 0);
      }
      start_transfer(node, from, type, "k" + std::to_string(i % 7), type, "k" + std::to_string((i * 3 + 1) % 7), &transfers[i]);
    }
    finish_whole(node, disk, transfers);
    node.pass_ms(500);
    CHECK(stored_sum(disk) == 0);
  }
}

TEST_CASE("a hold that waits for one actor while changes of another are about to be stored commits as one") {
  for (uint64_t seed = 1; seed <= with_effort(60); ++seed) {
    CAPTURE(seed);
    Disk disk;
    SimNode node(disk, seed);
    std::vector<std::shared_ptr<Answer>> changed;
    // So many others that a cut is collected in several rounds.
    for (size_t other = 0; other < 800; ++other) changed.push_back(node.send(0, "async", "other" + std::to_string(other), kAdd, 0));
    std::vector<Transfer> transfers(10);
    for (size_t i = 0; i < transfers.size(); ++i) changed.push_back(node.send(0, "async", "k" + std::to_string(i), kAdd, 0));
    for (const auto& answer : changed) node.wait(answer);
    for (size_t i = 0; i < transfers.size(); ++i) {
      transfers[i].amount = static_cast<int64_t>(i) + 1;
      start_transfer(node, 0, "async", "k" + std::to_string(i), "async", "absent" + std::to_string(i), &transfers[i]);
    }
    for (uint64_t step = 0; step < seed % 20; ++step) node.executor.step();
    node.executor.advance(1'000'000'000);
    finish_whole(node, disk, transfers);
    for (int step = 0; step < 2'000; ++step) {
      node.executor.step();
      REQUIRE(stored_sum(disk) == 0);
    }
  }
}

TEST_CASE("while a hold is kept open other actors are stored, and of its own what they had before") {
  for (const uint32_t workers : {1u, 2u, 3u}) {
    for (const char* type : {"sync", "async"}) {
      CAPTURE(workers);
      CAPTURE(type);
      Disk disk;
      SimNode node(disk, workers, workers);
      for (const char* key : {"a", "b"}) node.call(type, key, kAdd, 100);
      struct Keeper {
        orbit_hold* hold = nullptr;
        bool committed = false;
      } keeper;
      node.on_worker(0, [&] {
        const orbit_actors_v1* api = Runtime::api();
        const orbit_actor_ref refs[] = {{api->type(type), orbit::to_c("a")}, {api->type(type), orbit::to_c("b")}};
        api->hold(refs, 2, 0,
                  [](void* ctx, orbit_hold* hold, void* const* actors, size_t, orbit_code code, const char*) {
                    REQUIRE(code == ORBIT_OK);
                    Runtime::api()->keep(hold);
                    for (size_t i = 0; i < 2; ++i) static_cast<Cell*>(actors[i])->value = 1'000'000;
                    static_cast<Keeper*>(ctx)->hold = hold;
                  },
                  &keeper);
      });
      REQUIRE(node.run_until([&] { return keeper.hold != nullptr; }));
      for (uint32_t worker = 0; worker < workers; ++worker) {
        const std::string key = "other" + std::to_string(worker);
        const auto answer = node.send(worker, "sync", key, kAdd, 1);
        REQUIRE(node.run_until([&] { return answer->arrived; }));
        CHECK(answer->code == ORBIT_OK);
      }
      const auto waits = node.send(0, type, "a", kGet);
      node.pass_ms(1000);
      CHECK_FALSE(waits->arrived);
      CHECK(stored_sum(disk) == 200 + workers);
      node.on_worker(0, [&] {
        const uint8_t dirty[] = {1, 1};
        Runtime::api()->release(
            keeper.hold, dirty, [](void* ctx, orbit_code, const char*) { static_cast<Keeper*>(ctx)->committed = true; },
            &keeper);
      });
      REQUIRE(node.run_until([&] { return keeper.committed && waits->arrived; }));
      CHECK(waits->value == 1'000'000);
      node.pass_ms(1000);
      CHECK(stored_sum(disk) == 2'000'000 + workers);
    }
  }
}

TEST_CASE("an actor changed by a hold of another worker does not leave memory before that is stored") {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    CAPTURE(seed);
    Disk disk;
    RuntimeOptions options;
    options.types.idle_timeout_ms = 100;
    SimNode node(disk, seed, 2, options);
    for (const char* key : {"k0", "k1", "k2", "k3"}) node.call("async", key, kAdd, 100);
    node.pass_ms(1000);
    REQUIRE(node.in_memory() == 0);
    disk.full = true;
    Transfer transfers[2];
    for (int i = 0; i < 2; ++i) {
      transfers[i].amount = 10;
      start_transfer(node, static_cast<uint32_t>(seed) % 2, "async", i == 0 ? "k0" : "k2", "async", i == 0 ? "k1" : "k3", &transfers[i]);
    }
    REQUIRE(node.run_until([&] { return transfers[0].finished && transfers[1].finished; }));
    node.pass_ms(5000);
    for (const char* key : {"k0", "k2"}) CHECK(node.call("async", key, kGet).value == 90);
    for (const char* key : {"k1", "k3"}) CHECK(node.call("async", key, kGet).value == 110);
    disk.full = false;
    node.pass_ms(10'000);
    CHECK(node.in_memory() == 0);
    for (const char* key : {"k0", "k2"}) CHECK(node.call("async", key, kGet).value == 90);
    for (const char* key : {"k1", "k3"}) CHECK(node.call("async", key, kGet).value == 110);
  }
}

TEST_CASE("erase_all and holds over several actors of the type do not wait for each other") {
  for (uint64_t seed = 1; seed <= with_effort(60); ++seed) {
    CAPTURE(seed);
    const uint32_t workers = 1 + seed % 3;
    const char* type = seed % 2 == 0 ? "sync" : "async";
    Disk disk;
    SimNode node(disk, seed, workers);
    std::vector<Transfer> transfers(40);
    int erased = 0;
    for (size_t i = 0; i < transfers.size(); ++i) {
      transfers[i].amount = 1;
      start_transfer(node, static_cast<uint32_t>(i) % workers, type, "k" + std::to_string(i % 5), type,
                     "k" + std::to_string((i * 3 + 1) % 5), &transfers[i]);
      for (uint64_t step = 0; step < seed % 11; ++step) node.executor.step();
      if (i % 10 != 9) continue;
      node.runtime.post(static_cast<uint32_t>(i) % workers, [type, &erased] {
        const orbit_actors_v1* api = Runtime::api();
        api->erase_all(api->type(type), [](void* ctx, orbit_code code, const char*) {
          CHECK(code == ORBIT_OK);
          ++*static_cast<int*>(ctx);
        }, &erased);
      });
    }
    REQUIRE(node.run_until([&] {
      return erased == 4 && std::all_of(transfers.begin(), transfers.end(), [](const Transfer& t) { return t.finished; });
    }));
    for (const Transfer& transfer : transfers) CHECK(transfer.code == ORBIT_OK);
    node.pass_ms(500);
    CHECK(stored_sum(disk) == 0);
  }
}
