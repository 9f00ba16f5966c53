// SPDX-License-Identifier: MIT OR BSD-3-Clause
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <orbit/testkit/doctest.hpp>
#include <orbit/testkit/node.hpp>

#include "shop/cart.orbit.hpp"

extern "C" const orbit_plugin_descriptor* orbit_plugin();

TEST_CASE("a cart linked into the test takes over another one, and what is a second old survives a power cut") {
  orbit::testkit::Node node({.seed = 7, .linked = {orbit_plugin()}});
  shop::Item item;
  item.set_count(3);
  CHECK(node.call(shop::Cart("a").put(item)).items_size() == 1);
  shop::Owner owner;
  owner.set_key("a");
  CHECK(node.call(shop::Cart("b").take_over(owner)).items_size() == 1);
  node.advance(std::chrono::seconds(1));
  node.crash();
  node.restart();
  CHECK(node.call(shop::Cart("a").show(shop::Empty())).items_size() == 0);
  CHECK(node.call(shop::Cart("b").show(shop::Empty())).items_size() == 1);
}
