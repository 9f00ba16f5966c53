// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Journaled actors, by the cart of the examples.
#include <doctest/doctest.h>

#include "cart.hpp"
#include "executor/prng.hpp"
#include "typed_node.hpp"

using namespace cart;

namespace test {
namespace {

struct CartNode : TypedNode {
  explicit CartNode(Disk& disk, uint64_t seed = 1) : TypedNode(disk, seed) { REQUIRE(publish<CartActor>("cart")); }
  orbit::Result<Contents> add(const std::string& key, std::string sku, uint32_t quantity = 1, int64_t cents = 10) {
    Item item;
    item.set_sku(std::move(sku));
    item.set_quantity(quantity);
    item.set_cents(cents);
    return ask(Cart(key), ORBIT_TEST_METHOD(add), item);
  }
  orbit::Result<Contents> remove(const std::string& key, const std::string& sku) {
    RemoveRequest request;
    request.set_sku(sku);
    return ask(Cart(key), ORBIT_TEST_METHOD(remove), request);
  }
  orbit::Result<Contents> check_out(const std::string& key) {
    return ask(Cart(key), ORBIT_TEST_METHOD(check_out), CheckOutRequest());
  }
  Contents get(const std::string& key) {
    auto contents = ask(Cart(key), ORBIT_TEST_METHOD(get), GetRequest());
    REQUIRE_MESSAGE(contents, contents.error().message);
    return *contents;
  }
  History history(const std::string& key, uint64_t from, uint32_t limit) {
    HistoryRequest request;
    request.set_from(from);
    request.set_limit(limit);
    auto history = ask(Cart(key), ORBIT_TEST_METHOD(get_history), request);
    REQUIRE_MESSAGE(history, history.error().message);
    return *history;
  }
};

size_t events_stored(const Disk& disk) {
  size_t count = 0;
  for (const auto& [key, value] : disk.data) count += key[0] == 's' && key.size() > 9 && key[key.size() - 9] == 'j';
  return count;
}

TEST_CASE("a cart is what its events made of it, also after it left memory") {
  Disk disk;
  CartNode node(disk);
  REQUIRE(node.add("a", "tea", 2, 450));
  REQUIRE(node.add("a", "cup", 1, 1000));
  REQUIRE(node.add("a", "tea", 1, 400));
  REQUIRE(node.remove("a", "cup"));
  for (int round = 0; round < 2; ++round) {
    const Contents contents = node.get("a");
    REQUIRE(contents.items_size() == 1);
    CHECK(contents.items(0).quantity() == 3);
    CHECK(contents.total_cents() == 1200);
    CHECK(contents.events() == 4);
    node.deactivate_all();
  }
  CHECK(events_stored(disk) == 4);
  REQUIRE(node.check_out("a"));
  CHECK_FALSE(node.add("a", "late"));
  node.deactivate_all();
  CHECK(node.get("a").checked_out());
}

TEST_CASE("a turn that is refused or not stored records nothing") {
  Disk disk;
  CartNode node(disk);
  REQUIRE(node.add("a", "tea"));
  const auto stored = disk.data;
  CHECK_FALSE(node.remove("a", "cup"));
  CHECK_FALSE(node.add("a", ""));
  CHECK(disk.data == stored);
  disk.full = true;
  CHECK_FALSE(node.add("a", "cup"));
  disk.full = false;
  node.pass_ms(5000);
  CHECK(node.get("a").items_size() == 1);
  CHECK(node.get("a").events() == 1);
  REQUIRE(node.add("a", "cup"));
  node.deactivate_all();
  CHECK(node.get("a").events() == 2);
  CHECK(node.history("a", 0, 10).entries_size() == 2);
}

TEST_CASE("snapshots bound what activation reads, and old events are trimmed to what is kept") {
  Disk disk;
  CartNode node(disk);
  for (int i = 0; i < 1100; ++i) REQUIRE(node.add("a", "sku" + std::to_string(i % 7)));
  CHECK(events_stored(disk) == 1000);
  for (int i = 0; i < 15; ++i) REQUIRE(node.add("a", "tea"));
  CHECK(events_stored(disk) == 1015);
  const Contents before = node.get("a");
  node.deactivate_all();
  const Contents after = node.get("a");
  CHECK(after.SerializeAsString() == before.SerializeAsString());
  CHECK(after.events() == 1115);
  // Without what lies behind the snapshot the actor is refused, without what lies before it is not.
  const auto lose = [&](uint64_t number) {
    for (const auto& [key, value] : disk.data) {
      if (key[0] != 's' || key.size() < 9 || key[key.size() - 9] != 'j') continue;
      if (orbit::detail::big_endian_of(std::string_view(key).substr(key.size() - 8)) == number) {
        disk.data.erase(key);
        return;
      }
    }
    FAIL("no such event");
  };
  node.deactivate_all();
  lose(1000);
  CHECK(node.get("a").events() == 1115);
  node.deactivate_all();
  lose(1105);
  const auto refused = node.ask(Cart("a"), ORBIT_TEST_METHOD(get), GetRequest());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == orbit::Code::data_loss);
  CHECK(refused.error().message.find("event 1105 of 1115") != std::string::npos);
}

TEST_CASE("the journal is read page by page, in order, with the times") {
  Disk disk;
  CartNode node(disk);
  for (int i = 0; i < 50; ++i) REQUIRE(node.add("a", "sku" + std::to_string(i)));
  std::vector<uint64_t> numbers;
  uint64_t from = 0;
  for (int pages = 0; pages < 20; ++pages) {
    const History page = node.history("a", from, 7);
    CHECK(page.entries_size() <= 7);
    for (const auto& entry : page.entries()) {
      numbers.push_back(entry.number());
      CHECK(entry.event().item_added().item().sku() == "sku" + std::to_string(entry.number() - 1));
      CHECK(entry.recorded_at_ms() != 0);
    }
    from = page.next();
    if (from == 0) break;
  }
  REQUIRE(numbers.size() == 50);
  CHECK(std::is_sorted(numbers.begin(), numbers.end()));
  CHECK(node.history("a", 51, 7).entries_size() == 0);
  CHECK(node.history("nobody", 0, 7).entries_size() == 0);
}

TEST_CASE("random carts over crashes equal a model that applies the same events") {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    CAPTURE(seed);
    Disk disk;
    Prng random(seed);
    std::map<std::string, std::map<std::string, uint64_t>> model;
    std::map<std::string, uint64_t> events;
    for (int life = 0; life < 4; ++life) {
      CartNode node(disk, seed * 10 + static_cast<uint64_t>(life));
      for (int i = 0; i < 40; ++i) {
        const std::string key = "k" + std::to_string(random.next() % 3);
        const std::string sku = "s" + std::to_string(random.next() % 4);
        if (random.next() % 5 == 0) node.deactivate_all();
        if (random.next() % 3 == 0) {
          if (node.remove(key, sku)) ++events[key], model[key].erase(sku);
        } else {
          const auto quantity = static_cast<uint32_t>(1 + random.next() % 5);
          REQUIRE(node.add(key, sku, quantity));
          ++events[key];
          model[key][sku] += quantity;
        }
      }
      for (const auto& [key, items] : model) {
        const Contents contents = node.get(key);
        CHECK(contents.events() == events[key]);
        std::map<std::string, uint64_t> have;
        for (const Item& item : contents.items()) have[item.sku()] = item.quantity();
        CHECK(have == items);
      }
    }
  }
}

}  // namespace
}  // namespace test
