// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Turns and what they change: atomic, saved in the middle, in several states, with an expiry.
#include <doctest/doctest.h>

#include "shelf.hpp"
#include "typed_node.hpp"

using namespace shelf;

namespace test {
namespace {

struct ShelfNode : TypedNode {
  explicit ShelfNode(Disk& disk, uint64_t seed = 1) : TypedNode(disk, seed) {
    REQUIRE(publish<BookActor, NoteActor>("shelf"));
  }
  orbit::Result<Seen> put(const std::string& key, const Change& change) {
    return ask(Book(key), ORBIT_TEST_METHOD(put), change);
  }
  Seen look(const std::string& key) {
    auto seen = ask(Book(key), ORBIT_TEST_METHOD(look), Nothing());
    REQUIRE_MESSAGE(seen, seen.error().message);
    return *seen;
  }
};

Change change(int64_t copies, std::string title = {}, std::string page = {}) {
  Change out;
  out.set_copies(copies);
  out.set_title(std::move(title));
  out.set_page(std::move(page));
  return out;
}

// Every way in which a turn may fail, also after it has waited.
std::vector<Change> failing(const Change& what) {
  std::vector<Change> out;
  for (const bool wait : {false, true}) {
    Change one = what;
    one.set_wait(wait);
    one.set_then_throw(true);
    out.push_back(one);
    one.set_then_throw(false);
    one.set_then_error(true);
    out.push_back(one);
  }
  return out;
}

TEST_CASE("a turn that fails changes none of the actor's states, in memory or in storage") {
  Disk disk;
  ShelfNode node(disk);
  REQUIRE(node.put("a", change(1, "first", "p1")));
  const auto stored = disk.data;
  for (const Change& bad : failing(change(10, "second", "p2"))) {
    CHECK_FALSE(node.put("a", bad));
    const Seen seen = node.look("a");
    CHECK(seen.copies() == 1);
    CHECK(seen.title() == "first");
    CHECK(seen.pages() == 1);
    CHECK(disk.data == stored);
  }
  for (const Change& bad : failing(change(10, "second", "p2"))) {
    CHECK_FALSE(node.put("new", bad));
    CHECK_FALSE(node.look("new").exists());
  }
  CHECK(disk.data == stored);
}

TEST_CASE("several states come back after the actor left memory, each from a record of its own") {
  Disk disk;
  ShelfNode node(disk);
  REQUIRE(node.put("a", change(1, "title", "p1")));
  CHECK(count_keys(disk, 's', "wcover") == 1);
  CHECK(count_keys(disk, 's', "apages") == 1);
  node.deactivate_all();
  const Seen seen = node.look("a");
  CHECK(seen.copies() == 1);
  CHECK(seen.title() == "title");
  CHECK(seen.pages() == 1);
}

TEST_CASE("only the states that changed are written") {
  Disk disk;
  ShelfNode node(disk);
  REQUIRE(node.put("a", change(1, "title", "p1")));
  const auto before = disk.data;
  REQUIRE(node.put("a", change(1)));
  for (const auto& [key, value] : disk.data) {
    if (key[0] == 's') CHECK(before.at(key) == value);
    if (key[0] == 'a') CHECK(before.at(key) != value);
  }
}

TEST_CASE("a lazy state that was not loaded is refused, and is not lost by a change of the others") {
  Disk disk;
  ShelfNode node(disk);
  REQUIRE(node.put("a", change(1, "title", "p1")));
  node.deactivate_all();
  Change unloaded = change(1, "other");
  unloaded.set_unloaded(true);
  const auto refused = node.put("a", unloaded);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == orbit::Code::failed_precondition);
  CHECK(refused.error().message.find("co_await load_pages()") != std::string::npos);
  REQUIRE(node.put("a", change(1, "other")));
  node.deactivate_all();
  CHECK(node.look("a").pages() == 1);
  CHECK(node.look("a").title() == "other");
}

TEST_CASE("erasing one state leaves the others, erasing all leaves nothing") {
  Disk disk;
  ShelfNode node(disk);
  const Book book("a");
  REQUIRE(node.put("a", change(1, "title", "p1")));
  REQUIRE(node.ask(book, ORBIT_TEST_METHOD(drop_cover), Nothing()));
  CHECK(count_keys(disk, 's', "wcover") == 0);
  node.deactivate_all();
  CHECK_FALSE(node.look("a").has_cover());
  CHECK(node.look("a").pages() == 1);
  node.deactivate_all();
  REQUIRE(node.ask(book, ORBIT_TEST_METHOD(erase), Nothing()));
  CHECK(count_keys(disk, 's', "") == 0);
  CHECK(count_keys(disk, 'a', "shelf.Book") == 0);
  CHECK_FALSE(node.look("a").exists());
  CHECK(node.look("a").pages() == 0);
  REQUIRE(node.put("a", change(5)));
  node.deactivate_all();
  CHECK(node.look("a").copies() == 5);
  CHECK(node.look("a").pages() == 0);
}

TEST_CASE("what was saved in the middle of a turn stays when the rest of the turn fails") {
  Disk disk;
  ShelfNode node(disk);
  for (Change bad : failing(change(1, "saved", "p1"))) {
    disk.data.clear();
    node.deactivate_all();
    bad.set_save(true);
    REQUIRE_FALSE(node.put("a", bad));
    for (int round = 0; round < 2; ++round) {
      const Seen seen = node.look("a");
      CHECK(seen.copies() == 1);
      CHECK(seen.title() == "saved");
      node.deactivate_all();
    }
  }
}

TEST_CASE("a save that storage refuses fails the turn, and nothing of it stays") {
  Disk disk;
  ShelfNode node(disk);
  REQUIRE(node.put("a", change(1, "first")));
  disk.full = true;
  Change saving = change(10, "second");
  saving.set_save(true);
  const auto refused = node.put("a", saving);
  REQUIRE_FALSE(refused);
  disk.full = false;
  node.pass_ms(5000);
  const Seen seen = node.look("a");
  CHECK(seen.copies() == 1);
  CHECK(seen.title() == "first");
}

TEST_CASE("with durability none nothing is stored before save, and save is synced") {
  Disk disk;
  ShelfNode node(disk);
  const Note note("n");
  const auto key_count = [&] { return count_keys(disk, 'a', "shelf.Note"); };
  REQUIRE(node.ask(note, ORBIT_TEST_METHOD(put), change(1)));
  node.pass_ms(1000);
  CHECK(key_count() == 0);
  Change saving = change(1);
  saving.set_save(true);
  const uint64_t syncs = disk.syncs;
  REQUIRE(node.ask(note, ORBIT_TEST_METHOD(put), saving));
  CHECK(key_count() == 1);
  CHECK(disk.syncs == syncs + 1);
  CHECK(node.ask(note, ORBIT_TEST_METHOD(look), Nothing())->value() == 2);
}

TEST_CASE("a save during a closing cut keeps the turn's earlier neighbours consistent") {
  // Random turns, some of which save and then fail; after a crash every book has what was acknowledged or saved.
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    Disk disk;
    Prng random(seed);
    std::map<std::string, std::vector<std::optional<orbit::Result<Seen>>>> answers;
    std::map<std::string, int64_t> sent;
    std::map<std::string, std::string> left;
    {
      ShelfNode node(disk, seed);
      std::deque<std::optional<orbit::Result<Seen>>> outs;
      for (int i = 0; i < 400; ++i) {
        if (random.next() % 4 == 0) {
          const std::string key = "k" + std::to_string(random.next() % 5);
          Change one = change(1);
          one.set_save(random.next() % 2 == 0);
          one.set_then_error(one.save());
          sent[key] += 1;
          auto task = [](std::string to, Change what) -> orbit::Task<Seen> {
            const Book book(to);
            Seen seen = co_await book.put(what);
            co_return seen;
          };
          node.start(task(key, one), outs.emplace_back());
        }
        node.executor.step();
      }
      REQUIRE(node.run_until(
          [&] { return std::all_of(outs.begin(), outs.end(), [](const auto& out) { return out.has_value(); }); }));
      left = disk.data;
      for (const auto& [key, count] : sent) CHECK(node.look(key).copies() == count);
    }
    disk.data = left;
    ShelfNode node(disk, seed + 100);
    for (const auto& [key, count] : sent) CHECK(node.look(key).copies() == count);
  }
}

TEST_CASE("an actor that expires is erased in memory and in storage, whether it is in memory or not") {
  for (const bool in_memory : {true, false}) {
    CAPTURE(in_memory);
    Disk disk;
    ShelfNode node(disk);
    const Book book("a");
    Number delay;
    delay.set_value(5000);
    REQUIRE(node.put("a", change(1, "title", "p1")));
    REQUIRE(node.ask(book, ORBIT_TEST_METHOD(expire_in), delay));
    CHECK(node.look("a").expires_at_ms() != 0);
    if (!in_memory) node.deactivate_all();
    node.pass_ms(4000);
    CHECK(count_keys(disk, 'a', "shelf.Book") == 1);
    CHECK(count_keys(disk, 's', "") == 2);
    node.pass_ms(2000);
    CHECK(count_keys(disk, 'a', "shelf.Book") == 0);
    CHECK(count_keys(disk, 's', "") == 0);
    CHECK_FALSE(node.look("a").exists());
    CHECK(node.look("a").title().empty());
  }
}

TEST_CASE("an actor that expired while the node was down is not seen any more") {
  Disk disk;
  uint64_t expires_at_ms = 0;
  {
    ShelfNode node(disk);
    Number delay;
    delay.set_value(5000);
    REQUIRE(node.put("a", change(1, "title")));
    REQUIRE(node.ask(Book("a"), ORBIT_TEST_METHOD(expire_in), delay));
    expires_at_ms = node.look("a").expires_at_ms();
  }
  ShelfNode node(disk, 2);
  const uint64_t now = node.executor.unix_ms();
  if (now < expires_at_ms) node.executor.advance((expires_at_ms - now + 1) * 1'000'000);
  CHECK_FALSE(node.look("a").exists());
  REQUIRE(node.put("a", change(7)));
  node.pass_ms(1000);
  CHECK(node.look("a").copies() == 7);
  CHECK(node.look("a").expires_at_ms() == 0);
}

}  // namespace
}  // namespace test
