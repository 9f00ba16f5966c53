// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>

#include <algorithm>

#include "sim_node.hpp"

using namespace test;

TEST_CASE("a SYNC reply leaves only after the change is synced") {
  Disk disk;
  {
    SimNode node(disk, 1);
    CHECK(node.call("sync", "a", kAdd, 5).value == 5);
    CHECK(disk.syncs >= 1);
  }
  SimNode again(disk, 2);
  CHECK(again.call("sync", "a", kGet).value == 5);
}

TEST_CASE("many SYNC turns share one commit") {
  Disk disk;
  SimNode node(disk, 3);
  std::vector<std::shared_ptr<Answer>> answers;
  for (int i = 0; i < 500; ++i) answers.push_back(node.send(0, "sync", "k" + std::to_string(i % 50), kAdd, 1));
  for (const auto& answer : answers) CHECK(node.wait(answer).code == ORBIT_OK);
  CHECK(disk.syncs < 300);
}

TEST_CASE("a commit that many wait for lets in what just arrives, but not for long, and one for few begins at once") {
  struct Seen {
    uint64_t syncs;
    uint64_t took_ns;
  };
  // Callers that come in two groups, the second when the turns of the first have run.
  const auto syncs_of = [](bool arrivals, int group) {
    Disk disk;
    SimNode node(disk, 12);
    const auto key = [](int i) { return "k" + std::to_string(i); };
    for (int i = 0; i < 2 * group; ++i) node.call("sync", key(i), kAdd, 1);
    node.executor.set_arrivals(arrivals);
    const uint64_t syncs_before = disk.syncs;
    const uint64_t turns_before = metric(node, "orbit_turns_total");
    const uint64_t began_ns = node.executor.monotonic_ns();
    std::vector<std::shared_ptr<Answer>> answers;
    for (int i = 0; i < group; ++i) answers.push_back(node.send(0, "sync", key(i), kAdd, 1));
    REQUIRE(node.run_until(
        [&] { return metric(node, "orbit_turns_total") == turns_before + static_cast<uint64_t>(group); }));
    for (int i = group; i < 2 * group; ++i) answers.push_back(node.send(0, "sync", key(i), kAdd, 1));
    for (const auto& answer : answers) CHECK(node.wait(answer).value == 2);
    return Seen{disk.syncs - syncs_before, node.executor.monotonic_ns() - began_ns};
  };
  const Seen joined = syncs_of(true, 20);
  CHECK(joined.syncs == 1);
  CHECK(joined.took_ns >= 50'000);
  CHECK(joined.took_ns < 100'000);
  CHECK(syncs_of(false, 20).syncs == 2);
  CHECK(syncs_of(true, 5).syncs == 2);
}

TEST_CASE("an ASYNC change is synced within its delay") {
  Disk disk;
  SimNode node(disk, 4);
  node.call("async", "a", kAdd, 5);
  node.pass_ms(100);
  CHECK(disk.syncs >= 1);
  SimNode again(disk, 5);
}

TEST_CASE("a disk that is full fails SYNC turns, drops what they did, and works again when there is room") {
  Disk disk;
  SimNode node(disk, 6);
  CHECK(node.call("sync", "a", kAdd, 5).code == ORBIT_OK);
  disk.full = true;
  const Answer refused = node.call("sync", "a", kAdd, 5);
  CHECK(refused.code != ORBIT_OK);
  CHECK(refused.message.find("no space left") != std::string::npos);
  CHECK(node.call("sync", "a", kGet).value == 5);
  orbit_error error{sizeof error, 0, {}};
  CHECK(Runtime::api()->writable(&error) != ORBIT_OK);
  disk.full = false;
  node.pass_ms(5000);
  CHECK(Runtime::api()->writable(&error) == ORBIT_OK);
  CHECK(node.call("sync", "a", kAdd, 1).value == 6);
}

TEST_CASE("a caller that tries again at once when a failed commit ended its turn finds what is stored") {
  Disk disk;
  SimNode node(disk, 5);
  node.call("sync", "a", kAdd, 1);
  disk.fail_after_writes = 0;
  const auto failing = node.send(0, "sync", "a", kAdd, 5);
  struct Tries {
    orbit_code first = ORBIT_OK;
    bool again = false;
    int64_t value = 0;
  } tries;
  node.on_worker(0, [&] {
    const auto call = [](Method method, Tries* its, void (*on_reply)(void*, orbit_envelope*)) {
      const orbit_actors_v1* api = Runtime::api();
      orbit_envelope* const envelope = api->allocate();
      envelope->type = api->type("sync");
      envelope->key = {"a", 1};
      envelope->method = method;
      envelope->flags = ORBIT_ENVELOPE_INLINE;
      envelope->reply_ctx = its;
      envelope->on_reply = on_reply;
      api->send(envelope, nullptr);
    };
    static const auto send = call;
    call(kSleep, &tries, [](void* ctx, orbit_envelope* reply) {
      static_cast<Tries*>(ctx)->first = reply->code;
      Runtime::api()->free_envelope(reply);
      send(kGet, static_cast<Tries*>(ctx), [](void* its, orbit_envelope* second) {
        static_cast<Tries*>(its)->again = true;
        static_cast<Tries*>(its)->value = number_of(second).value_or(-1);
        Runtime::api()->free_envelope(second);
      });
    });
  });
  asleep(node, "sync", "a");
  CHECK(node.wait(failing).code != ORBIT_OK);
  disk.fail_after_writes = -1;
  node.wake("sync", "a");
  REQUIRE(node.run_until([&] { return tries.again; }));
  CHECK(tries.first == ORBIT_ABORTED);
  CHECK(tries.value == 1);
}

TEST_CASE("ASYNC changes that were acknowledged survive a disk that is full for a while") {
  Disk disk;
  {
    SimNode node(disk, 7);
    node.call("async", "a", kAdd, 5);
    disk.full = true;
    node.pass_ms(500);
    CHECK(disk.data.empty());
    CHECK(node.call("async", "a", kGet).value == 5);
    disk.full = false;
    node.pass_ms(5000);
  }
  SimNode again(disk, 8);
  CHECK(again.call("async", "a", kGet).value == 5);
}

TEST_CASE("erase_all leaves nothing, in memory or stored, and waiting calls see empty actors") {
  Disk disk;
  SimNode node(disk, 9, 2);
  for (int i = 0; i < 40; ++i) node.call("async", "k" + std::to_string(i), kAdd, 1);
  for (int i = 0; i < 5; ++i) node.call("sync", "s" + std::to_string(i), kAdd, 1);
  bool done = false;
  node.on_worker(0, [&] {
    const orbit_actors_v1* api = Runtime::api();
    api->erase_all(api->type("async"), [](void* ctx, orbit_code code, const char*) {
      CHECK(code == ORBIT_OK);
      *static_cast<bool*>(ctx) = true;
    }, &done);
  });
  const auto meanwhile = node.send(1, "async", "k1", kGet);
  REQUIRE(node.run_until([&] { return done; }));
  CHECK(node.wait(meanwhile).value == 0);
  for (int i = 0; i < 40; ++i) CHECK(node.call("async", "k" + std::to_string(i), kGet).value == 0);
  CHECK(node.call("sync", "s1", kGet).value == 1);
}

TEST_CASE("list pages through everything that is stored or in memory") {
  Disk disk;
  SimNode node(disk, 10, 2);
  for (int i = 0; i < 100; ++i) node.call("async", "k" + std::to_string(i), kAdd, 1);
  struct Listing {
    std::vector<std::string> keys;
    uint64_t next = 0;
    bool done = false;
  } listing;
  int pages = 0;
  do {
    listing.done = false;
    node.on_worker(1, [&] {
      const orbit_actors_v1* api = Runtime::api();
      api->list(api->type("async"), listing.next, 7,
                [](void* ctx, orbit_bytes key, uint64_t) -> int {
                  static_cast<Listing*>(ctx)->keys.emplace_back(key.data, key.size);
                  return 1;
                },
                [](void* ctx, uint64_t next, orbit_code code, const char*) {
                  CHECK(code == ORBIT_OK);
                  static_cast<Listing*>(ctx)->next = next;
                  static_cast<Listing*>(ctx)->done = true;
                },
                &listing);
    });
    REQUIRE(node.run_until([&] { return listing.done; }));
    ++pages;
  } while (listing.next != 0 && pages < 100);
  std::sort(listing.keys.begin(), listing.keys.end());
  CHECK(std::unique(listing.keys.begin(), listing.keys.end()) == listing.keys.end());
  CHECK(listing.keys.size() == 100);
  CHECK(pages >= 10);
}

TEST_CASE("the count of stored actors is exact through creation, erasure, erase_all, failures and restarts") {
  Disk disk;
  const auto count = [](SimNode& node) {
    struct Counting {
      uint64_t value = 0;
      bool done = false;
    } counting;
    node.on_worker(0, [&] {
      const orbit_actors_v1* api = Runtime::api();
      api->count(api->type("sync"), [](void* ctx, uint64_t value, orbit_code code, const char*) {
        CHECK(code == ORBIT_OK);
        static_cast<Counting*>(ctx)->value = value;
        static_cast<Counting*>(ctx)->done = true;
      }, &counting);
    });
    REQUIRE(node.run_until([&] { return counting.done; }));
    // Several types at once tell the same.
    struct Several {
      const orbit_type* types[2] = {nullptr, nullptr};
      uint64_t counts[2] = {99, 99};
      bool done = false;
    } several;
    node.on_worker(0, [&] {
      const orbit_actors_v1* api = Runtime::api();
      several.types[0] = api->type("never stored");
      several.types[1] = api->type("sync");
      api->counts(several.types, 2, several.counts, [](void* ctx, orbit_code code, const char*) {
        CHECK(code == ORBIT_OK);
        static_cast<Several*>(ctx)->done = true;
      }, &several);
    });
    REQUIRE(node.run_until([&] { return several.done; }));
    CHECK(several.counts[0] == 0);
    CHECK(several.counts[1] == counting.value);
    return counting.value;
  };
  {
    SimNode node(disk, 11, 2);
    CHECK(count(node) == 0);
    for (int i = 0; i < 30; ++i) node.call("sync", "k" + std::to_string(i), kAdd, 1);
    for (int i = 0; i < 30; ++i) node.call("sync", "k" + std::to_string(i), kAdd, 1);
    CHECK(count(node) == 30);
    for (int i = 0; i < 10; ++i) node.call("sync", "k" + std::to_string(i), kErase);
    node.call("sync", "k0", kErase);
    CHECK(count(node) == 20);
    disk.full = true;
    CHECK(node.call("sync", "new", kAdd, 1).code != ORBIT_OK);
    disk.full = false;
    node.pass_ms(5000);
    CHECK(count(node) == 20);
  }
  SimNode again(disk, 12);
  CHECK(count(again) == 20);
  again.call("sync", "k0", kAdd, 1);
  CHECK(count(again) == 21);
  bool done = false;
  again.on_worker(0, [&] {
    const orbit_actors_v1* api = Runtime::api();
    api->erase_all(api->type("sync"), [](void* ctx, orbit_code, const char*) { *static_cast<bool*>(ctx) = true; }, &done);
  });
  REQUIRE(again.run_until([&] { return done; }));
  CHECK(count(again) == 0);
}
