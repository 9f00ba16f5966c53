// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>

#include <orbit/testkit/doctest.hpp>
#include <orbit/testkit/node.hpp>

#include "cart.orbit.hpp"

using namespace cart;
using orbit::testkit::for_seeds;
using orbit::testkit::Node;
using orbit::testkit::NodeOptions;

namespace {

const NodeOptions kOptions{.modules = {ORBIT_TEST_MODULE}};

Item item(const std::string& sku, uint32_t quantity, int64_t cents = 100) {
  Item out;
  out.set_sku(sku);
  out.set_quantity(quantity);
  out.set_cents(cents);
  return out;
}

}  // namespace

TEST_CASE("a cart is what its events made of it, in memory and read again") {
  Node node(kOptions);
  const Cart alice("alice");
  node.call(alice.add(item("tea", 2, 450)));
  node.call(alice.add(item("tea", 1, 450)));
  node.call(alice.add(item("cup", 1, 900)));
  RemoveRequest remove;
  remove.set_sku("cup");
  const Contents before = node.call(alice.remove(remove));
  CHECK(before.total_cents() == 1350);
  CHECK(before.events() == 4);
  REQUIRE(node.deactivate(alice));
  const Contents after = node.call(alice.get({}));
  CHECK(after.SerializeAsString() == before.SerializeAsString());
}

TEST_CASE("a cart that was checked out changes no more") {
  Node node(kOptions);
  const Cart alice("alice");
  CHECK_FALSE(node.result(alice.check_out({})));
  node.call(alice.add(item("tea", 1)));
  CHECK(node.call(alice.check_out({})).checked_out());
  CHECK_FALSE(node.result(alice.add(item("tea", 1))));
  CHECK(node.call(alice.get({})).events() == 2);
}

TEST_CASE("history goes over snapshots, in pages, with the time of each event") {
  Node node(kOptions);
  const Cart alice("alice");
  const uint64_t start_ms = node.unix_ms();
  for (int i = 0; i < 50; ++i) {
    node.call(alice.add(item("sku" + std::to_string(i % 7), 1)));
    node.advance(std::chrono::seconds(1));
  }
  HistoryRequest request;
  request.set_limit(20);
  uint64_t next_number = 1;
  for (;;) {
    const History page = node.call(alice.get_history(request));
    for (const auto& entry : page.entries()) {
      CHECK(entry.number() == next_number);
      CHECK(entry.recorded_at_ms() == start_ms + (next_number - 1) * 1000);
      ++next_number;
    }
    if (page.next() == 0) break;
    request.set_from(page.next());
  }
  CHECK(next_number == 51);
}

TEST_CASE("events that were acknowledged are there after any crash, and none twice") {
  for_seeds(25, [](uint64_t seed) {
    Node node(kOptions);
    const Cart alice("alice");
    uint64_t acknowledged = 0;
    for (int i = 0; i < 25; ++i) {  // over a snapshot
      auto adding = node.start(alice.add(item("tea", 1)));
      for (uint64_t steps = (seed * 7 + static_cast<uint64_t>(i) * 3) % 20; steps != 0 && node.step(); --steps) {
      }
      if (i % 6 == 5) {
        const bool answered = adding.done();
        node.crash();
        node.restart();
        const uint64_t events = node.call(alice.get({})).events();
        CHECK(events >= acknowledged + (answered ? 1 : 0));
        CHECK(events <= acknowledged + 1);
        acknowledged = events;
      } else {
        adding.get();
        ++acknowledged;
      }
    }
    const Contents contents = node.call(alice.get({}));
    REQUIRE(contents.items_size() == 1);
    CHECK(contents.items(0).quantity() == acknowledged);
  });
}
