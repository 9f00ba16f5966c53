// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Online migrations under load, disturbed and cut off.
#include <doctest/doctest.h>

#include <array>
#include <numeric>
#include <random>

#include "maintenance/online_migration.hpp"
#include "tests/seed.hpp"
#include "disks.hpp"
#include "state/record_format.hpp"

using namespace test;

namespace {

bool says_moved(Disk& disk) {
  const auto moved = read_moved_note(named("x", disk));
  REQUIRE(moved);
  return moved->has_value();
}

constexpr ChunkLimits kSmall{3, 1u << 20};

std::vector<uint64_t> seeds(size_t count) {
  std::vector<uint64_t> out(count);
  std::iota(out.begin(), out.end(), orbit::testing::seed_of_this_run());
  return out;
}

// A node on one storage, an empty second one, and what clients were promised.
struct Load {
  Disk first;
  Disk second;
  std::map<std::string, int64_t> promised;
  std::mt19937_64 random;

  explicit Load(uint64_t seed) : random(seed) {}

  void write(SimNode& node, int count) {
    for (int i = 0; i < count; ++i) {
      const std::string key = "k" + std::to_string(random() % 40);
      const Answer& answer = node.call("sync", key, kAdd, static_cast<int64_t>(random() % 100));
      REQUIRE(answer.code == ORBIT_OK);
      promised[key] = answer.value;
    }
  }
  void check(SimNode& node) {
    for (const auto& [key, value] : promised) {
      CAPTURE(key);
      CHECK(node.call("sync", key, kGet).value == value);
    }
  }
};

}  // namespace

TEST_CASE("a migration under load ends on the target with everything that was acknowledged") {
  for (const uint64_t seed : seeds(20)) {
    CAPTURE(seed);
    Load load(seed);
    SimNode node({named("first", load.first)}, {}, seed, 2);
    load.write(node, 60);
    Committer& committer = node.runtime.store(0).committer;
    OnlineMigration migration(node.executor, committer, named("second", load.second), kSmall);
    REQUIRE(migration.start());
    // Half of the seeds go on writing through the cut over; at that of the others both must be the same.
    const bool to_the_end = seed % 2 == 0;
    while (to_the_end ? migration.running() : migration.status().stage == OnlineMigration::Stage::copying) load.write(node, 1);
    REQUIRE(node.run_until([&] { return !migration.running(); }));
    CHECK(migration.status().stage == OnlineMigration::Stage::done);
    CHECK(migration.status().error == "");
    if (!to_the_end) CHECK(content(load.first) == content(load.second));
    CHECK(says_moved(load.first));
    CHECK(committer.engine().name == "second");
    const auto left_behind = load.first.data;
    load.write(node, 30);
    CHECK(load.first.data == left_behind);
    load.check(node);
    for (const auto& [key, value] : load.promised) {
      std::string main(1, kMainSpace);
      append_actor(main, "sync", key_hash(key), key);
      CHECK(load.second.data.contains(main));
    }
  }
}

TEST_CASE("a migration that is cut off anywhere loses nothing and can be begun again") {
  for (const uint64_t seed : seeds(30)) {
    CAPTURE(seed);
    Load load(seed);
    bool done = false;
    for (int attempt = 0; attempt < 40 && !done; ++attempt) {
      SimNode node({says_moved(load.first) ? named("second", load.second) : named("first", load.first)}, {}, seed + attempt, 2);
      load.check(node);
      load.write(node, 20);
      if (says_moved(load.first)) {
        done = true;
        break;
      }
      OnlineMigration migration(node.executor, node.runtime.store(0).committer, named("second", load.second), kSmall);
      REQUIRE(migration.start());
      const uint64_t patience = load.random() % 60;
      for (uint64_t i = 0; i < patience && migration.running(); ++i) load.write(node, 1);
      if (attempt > 20) {
        while (migration.running()) load.write(node, 1);
      }
      migration.ask_to_stop();
      REQUIRE(node.run_until([&] { return migration.at_rest(); }));
      migration.stop();
      load.write(node, 5);
    }
    CHECK(done);
  }
}

TEST_CASE("what is committed while a chunk is copied or compared reaches the target") {
  // The hook runs after every scan of the source, which is in the middle of a chunk: the commit comes between reading it and
  // writing it.
  for (const uint64_t seed : seeds(20)) {
    CAPTURE(seed);
    Load load(seed);
    SimExecutor executor({.seed = seed, .workers = 1});
    Committer committer(executor, named("first", load.first));
    for (int i = 0; i < 50; ++i) load.first.data["a" + std::to_string(i * 7 % 50)] = "old";
    OnlineMigration migration(executor, committer, named("second", load.second), kSmall);
    REQUIRE(migration.start());
    uint64_t disturbances = 0;
    int in_a_row = 0;
    load.first.scanned = [&] {
      // After three in a row the migration keeps commits out.
      if (in_a_row == 3 || load.random() % 2 != 0) {
        in_a_row = 0;
        return;
      }
      ++in_a_row;
      ++disturbances;
      const std::string key = "a" + std::to_string(load.random() % 60);
      const std::string end = key + "5";
      const std::string value = std::to_string(load.random());
      const uint32_t kind = std::array{ORBIT_WRITE_PUT, ORBIT_WRITE_DELETE, ORBIT_WRITE_DELETE_RANGE}[load.random() % 3];
      const orbit_write_op op{kind, 0, orbit::to_c(key),
                              kind == ORBIT_WRITE_DELETE_RANGE ? orbit::to_c(end) : orbit::to_c(value)};
      auto hook = std::exchange(load.first.scanned, nullptr);
      REQUIRE(Disk::kTable.write(&load.first, &op, 1, 1, nullptr) == ORBIT_OK);
      if (migration.running()) migration.committed({op});
      load.first.scanned = std::move(hook);
    };
    executor.start();
    REQUIRE(executor.run_until([&] { return !migration.running(); }, 100'000));
    load.first.scanned = nullptr;
    CHECK(migration.status().error == "");
    CHECK(migration.status().stage == OnlineMigration::Stage::done);
    CHECK(disturbances > 0);
    CHECK(content(load.first) == content(load.second));
    executor.stop();
  }
}

TEST_CASE("a target that fails ends the migration, and the source goes on") {
  Load load(1);
  SimNode node({named("first", load.first)}, {}, 1, 1);
  load.write(node, 60);
  OnlineMigration migration(node.executor, node.runtime.store(0).committer, named("second", load.second), kSmall);
  REQUIRE(migration.start());
  load.second.fail_after_writes = 5;
  while (migration.running()) load.write(node, 1);
  CHECK(migration.status().stage == OnlineMigration::Stage::failed);
  CHECK(migration.status().error.find("'second': no space left") != std::string::npos);
  CHECK_FALSE(says_moved(load.first));
  load.write(node, 20);
  load.check(node);
  load.second.fail_after_writes = -1;
  OnlineMigration again(node.executor, node.runtime.store(0).committer, named("second", load.second), kSmall);
  REQUIRE(again.start());
  while (again.running()) load.write(node, 1);
  CHECK(again.status().stage == OnlineMigration::Stage::done);
  load.check(node);
}

TEST_CASE("a target that does not keep what was written to it is found out when it is compared, and the source goes on") {
  Load load(3);
  SimNode node({named("first", load.first)}, {}, 3, 1);
  load.write(node, 60);
  OnlineMigration migration(node.executor, node.runtime.store(0).committer, named("second", load.second), kSmall);
  REQUIRE(migration.start());
  REQUIRE(node.run_until([&] { return migration.status().stage == OnlineMigration::Stage::verifying; }));
  const auto kept = content(load.second);
  REQUIRE_FALSE(kept.empty());
  SUBCASE("a value is another") { load.second.data[kept.rbegin()->first] += "?"; }
  SUBCASE("an entry is gone") { load.second.data.erase(kept.rbegin()->first); }
  SUBCASE("an entry is there that nobody wrote") { load.second.data[kept.rbegin()->first + "?"] = "?"; }
  REQUIRE(node.run_until([&] { return !migration.running(); }));
  CHECK(migration.status().stage == OnlineMigration::Stage::failed);
  CHECK_MESSAGE(migration.status().error.find("'first' has another checksum in 'second'") != std::string::npos, migration.status().error);
  CHECK_FALSE(says_moved(load.first));
  load.write(node, 20);
  load.check(node);
  OnlineMigration again(node.executor, node.runtime.store(0).committer, named("second", load.second), kSmall);
  REQUIRE(again.start());
  while (again.running()) load.write(node, 1);
  CHECK_MESSAGE(again.status().stage == OnlineMigration::Stage::done, again.status().error);
  load.check(node);
}

TEST_CASE("when the source cannot say that it was moved it goes on, and its next batch takes back what it may have said") {
  Load load(2);
  SimNode node({named("first", load.first)}, {}, 2, 1);
  load.write(node, 30);
  OnlineMigration migration(node.executor, node.runtime.store(0).committer, named("second", load.second), kSmall);
  REQUIRE(migration.start());
  REQUIRE(node.run_until([&] { return migration.status().stage == OnlineMigration::Stage::verifying; }));
  load.first.full = true;  // nobody commits meanwhile: the next write is the note
  REQUIRE(node.run_until([&] { return !migration.running(); }));
  CHECK(migration.status().stage == OnlineMigration::Stage::failed);
  load.first.full = false;
  // It was refused, but say that it had been written all the same.
  REQUIRE(write_moved_note(named("first", load.first), {"0123456789abcdef", "second"}));
  load.write(node, 1);
  CHECK_FALSE(says_moved(load.first));
  load.check(node);
}

TEST_CASE("a target that holds something else is refused") {
  Load load(3);
  SimNode node({named("first", load.first)}, {}, 3, 1);
  Committer& committer = node.runtime.store(0).committer;
  load.second.data["a-key"] = "of somebody";
  const auto refused = [&] {
    OnlineMigration migration(node.executor, committer, named("second", load.second));
    const auto started = migration.start();
    REQUIRE_FALSE(started);
    CHECK(started.error().code == orbit::Code::failed_precondition);
    return started.error().message;
  };
  CHECK(refused().find("holds something that is not from a migration") != std::string::npos);
  load.second.data.clear();
  REQUIRE(write_copy_note(named("second", load.second), {"1", "third", {}, CopyStage::copying}));
  CHECK(refused().find("part of a copy of 'third'") != std::string::npos);
  REQUIRE(write_copy_note(named("second", load.second), {"1", "first", {}, CopyStage::adopted}));
  CHECK(refused().find("in use") != std::string::npos);
}
