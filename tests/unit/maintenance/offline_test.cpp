// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Offline migrations, and checking, counting and dumping what a storage instance has.
#include <doctest/doctest.h>

#include <sstream>

#include "maintenance/dump.hpp"
#include "maintenance/offline_migration.hpp"
#include "maintenance/state_check.hpp"
#include "disks.hpp"
#include "state/instance_notes.hpp"
#include "state/record_format.hpp"
#include "state/transfer.hpp"

using namespace test;

namespace {

// What a node leaves: actors of three types with sub-records, due entries and counts.
void fill(Disk& disk) {
  SimNode node(disk, 1);
  const auto at = static_cast<int64_t>(node.executor.unix_ms() + 3'600'000);
  for (const char* type : {"sync", "async", "none"})
    for (int i = 0; i < 30; ++i) {
      const std::string key = "k" + std::to_string(i);
      CHECK(node.call(type, key, kAdd, i).code == ORBIT_OK);
      if (i % 3 == 0) CHECK(node.call(type, key, kSetSub, i + 1).code == ORBIT_OK);
      if (i % 5 == 0) CHECK(node.call(type, key, kExpireAt, at).code == ORBIT_OK);
    }
  bool flushed = false;
  node.on_worker(0, [&] {
    this_scheduler()->leave_all([](const orbit_activation&) { return true; }, ORBIT_DEACTIVATION_ASKED);
    this_scheduler()->flush(kAllStores, [&](orbit_code code, const std::string&) {
      CHECK(code == ORBIT_OK);
      flushed = true;
    });
  });
  REQUIRE(node.run_until([&] { return flushed; }));
}

}  // namespace

TEST_CASE("a whole instance is moved, verified and marked, and cannot be moved twice") {
  Disk first, second, third;
  fill(first);
  const auto moved = migrate_offline(named("first", first), named("second", second), kQuiet);
  REQUIRE(moved);
  CHECK(moved->entries == content(first).size());
  CHECK(content(first) == content(second));
  CHECK(second.syncs > 0);
  const auto note = read_moved_note(named("first", first));
  REQUIRE((note && *note));
  CHECK((*note)->to == "second");
  const auto copy = read_copy_note(named("second", second));
  REQUIRE((copy && *copy));
  CHECK((*copy)->stage == CopyStage::adopted);
  CHECK((*copy)->id == (*note)->id);
  const auto twice = migrate_offline(named("first", first), named("third", third), kQuiet);
  REQUIRE_FALSE(twice);
  CHECK(twice.error().message.find("migrated to 'second' already") != std::string::npos);
  const auto back = migrate_offline(named("second", second), named("first", first), kQuiet);
  REQUIRE_FALSE(back);
}

TEST_CASE("a target that does not keep what was written to it is found out when it is compared, and the source stays in use") {
  Disk first, second;
  fill(first);
  bool spoilt = false;
  // The copy is complete for the first time when the comparison begins.
  first.scanned = [&] {
    if (spoilt || content(first) != content(second)) return;
    spoilt = true;
    second.data[content(second).rbegin()->first] += "?";
  };
  const auto moved = migrate_offline(named("first", first), named("second", second), kQuiet);
  CHECK(spoilt);
  REQUIRE_FALSE(moved);
  CHECK_MESSAGE(moved.error().message.find("checksum in 'second'") != std::string::npos, moved.error().message);
  const auto note = read_moved_note(named("first", first));
  REQUIRE(note);
  CHECK_FALSE(*note);
  first.scanned = nullptr;
  REQUIRE(migrate_offline(named("first", first), named("second", second), kQuiet));
  CHECK(content(first) == content(second));
}

TEST_CASE("a migration that is cut off after any write of the target or the source goes on when it is begun again") {
  Disk whole;
  fill(whole);
  for (int writes = 0;; ++writes) {
    CAPTURE(writes);
    Disk first, second;
    first.data = whole.data;
    second.fail_after_writes = writes;
    const auto cut = migrate_offline(named("first", first), named("second", second), kQuiet);
    second.fail_after_writes = -1;
    if (!cut) CHECK(cut.error().message.find("'second': no space left") != std::string::npos);
    const auto again = migrate_offline(named("first", first), named("second", second), kQuiet);
    if (cut) {
      CHECK_FALSE(again);
      break;
    }
    REQUIRE(again);
    CHECK(content(second) == content(whole));
    REQUIRE(writes < 100);
  }
  // The last write of the source.
  Disk first, second;
  first.data = whole.data;
  first.fail_after_writes = 0;
  CHECK_FALSE(migrate_offline(named("first", first), named("second", second), kQuiet));
  first.fail_after_writes = -1;
  const auto again = migrate_offline(named("first", first), named("second", second), kQuiet);
  REQUIRE(again);
  CHECK(again->written_chunks == 0);
}

TEST_CASE("a target that holds something else is refused") {
  Disk first, second;
  fill(first);
  second.data["a-key"] = "of somebody";
  const auto refused = migrate_offline(named("first", first), named("second", second), kQuiet);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == orbit::Code::failed_precondition);
  CHECK(second.data.size() == 1);
  CHECK_FALSE(migrate_offline(named("first", first), named("first", first), kQuiet));
}

TEST_CASE("one type is moved with all that belongs to it, after any interruption, and others stay") {
  Disk whole;
  fill(whole);
  std::map<std::string, std::string> of_type, others;
  for (const auto& [key, value] : content(whole)) {
    bool belongs = false;
    for (const Part& part : parts_of_type("sync"))
      belongs = belongs || (key >= part.from && (part.to.empty() || key < part.to) && (!part.has || part.has(key)));
    (belongs ? of_type : others).emplace(key, value);
  }
  CHECK(of_type.size() > 40);
  for (int writes = 0;; ++writes) {
    CAPTURE(writes);
    Disk first, second;
    first.data = whole.data;
    second.data["b"] = "of somebody else";
    (writes % 2 == 0 ? first : second).fail_after_writes = writes / 2;
    const auto cut = migrate_type_offline(named("first", first), named("second", second), "sync", kQuiet);
    first.fail_after_writes = second.fail_after_writes = -1;
    if (!cut) REQUIRE(migrate_type_offline(named("first", first), named("second", second), "sync", kQuiet));
    CHECK(content(first) == others);
    auto there = content(second);
    there.erase("b");
    CHECK(there == of_type);
    if (cut && writes > 20) break;
    REQUIRE(writes < 200);
  }
}

TEST_CASE("what a node has written has no damage, and every kind of damage is named") {
  Disk disk;
  fill(disk);
  const StateCheck good = check_state(named("disk", disk), kQuiet);
  CHECK(good.damaged == 0);
  CHECK(good.orphans == 0);
  CHECK(good.stats.types.at("sync")[static_cast<size_t>(KeyKind::main)].keys == 30);
  CHECK(good.stats.types.at("sync")[static_cast<size_t>(KeyKind::sub)].keys == 10);
  CHECK(good.stats.types.at("sync")[static_cast<size_t>(KeyKind::due)].keys == 6);

  std::string main(1, kMainSpace);
  append_actor(main, "sync", key_hash("k1"), "k1");
  std::string wrong_hash(1, kMainSpace);
  append_actor(wrong_hash, "sync", 5, "k1");
  const auto damage = [&](const std::string& key, const std::string& value) {
    Disk copy;
    copy.data = disk.data;
    copy.data[key] = value;
    const StateCheck checked = check_state(named("disk", copy), kQuiet);
    return checked.damages.empty() ? std::string("none") : checked.damages[0];
  };
  CHECK(damage(main, "\x09").find("main of sync/k1") != std::string::npos);
  CHECK(damage(wrong_hash, disk.data.at(main)).find("the hash in the key") != std::string::npos);
  CHECK(damage("q", "").find("no space of the state format") != std::string::npos);
  CHECK(damage("a", "").find("key a: ") != std::string::npos);
  CHECK(damage("x123", "").find("key x123: ") != std::string::npos);
  CHECK(damage(count_key("sync"), std::string(7, '\0') + '\x05').find("it says 5 actors, found 30") != std::string::npos);
  CHECK(damage(count_key("sync"), "5").find("a number of 8 bytes") != std::string::npos);
  // An orphan is told apart: nobody reads it.
  disk.data.erase(std::string(1, kMainSpace) + main.substr(1));
  std::string sub(1, kSubSpace);
  append_actor(sub, "sync", key_hash("k1"), "k1");
  disk.data[sub + "x"] = "left over";
  CHECK(check_state(named("disk", disk), kQuiet).orphans == 1);
}

TEST_CASE("a dump has a line for each entry, of one type when that is asked for") {
  Disk disk;
  fill(disk);
  REQUIRE(write_copy_note(named("disk", disk), {"1", "first", {}, CopyStage::adopted}));
  std::ostringstream all, one;
  REQUIRE(dump_state(named("disk", disk), {"", true}, all));
  REQUIRE(dump_state(named("disk", disk), {"sync", false}, one));
  const auto lines = [](const std::string& text) { return std::count(text.begin(), text.end(), '\n'); };
  CHECK(static_cast<size_t>(lines(all.str())) == disk.data.size());
  CHECK(lines(one.str()) == 30 + 10 + 6 + 1);
  CHECK(all.str().find(R"({"kind":"sub","type":"async","key":"k3","subkey":"sub4","value":"78787878"})") != std::string::npos);
  CHECK(all.str().find(R"({"kind":"instance_note","name":"copy")") != std::string::npos);
  CHECK(one.str().find("main type=sync key=k7 version=1 ") != std::string::npos);
  CHECK(one.str().find("count type=sync count=30") != std::string::npos);
}
