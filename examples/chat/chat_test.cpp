// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>

#include <orbit/testkit/doctest.hpp>
#include <orbit/testkit/node.hpp>

#include "chat.orbit.hpp"

using namespace chat;
using namespace std::chrono_literals;
using orbit::testkit::for_seeds;
using orbit::testkit::Node;
using orbit::testkit::NodeOptions;

namespace {

const NodeOptions kOptions{.modules = {ORBIT_TEST_MODULE}};

Post post(const std::string& text) {
  Post out;
  out.set_author("bob");
  out.set_text(text);
  return out;
}

Which which(const std::string& room, uint64_t from_position = 0) {
  Which out;
  out.set_room(room);
  out.set_from_position(from_position);
  return out;
}

std::vector<uint64_t> heard(Node& node, const std::string& member) {
  std::vector<uint64_t> numbers;
  const MemberState state = node.call(Member(member).inbox({}));
  for (const Heard& one : state.inbox()) numbers.push_back(one.message().number());
  return numbers;
}

}  // namespace

TEST_CASE("members hear what is said in their rooms, in order, from when they joined on") {
  for_seeds(10, [](uint64_t) {
    Node node(kOptions);
    node.call(Room("lobby").say(post("nobody hears this")));
    node.run_until_idle();
    node.call(Member("ann").join(which("lobby")));
    node.call(Member("cid").join(which("kitchen")));
    node.run_until_idle();
    for (const char* text : {"one", "two", "three"}) node.call(Room("lobby").say(post(text)));
    node.run_until_idle();
    CHECK(heard(node, "ann") == std::vector<uint64_t>{2, 3, 4});
    CHECK(heard(node, "cid").empty());
    node.call(Member("ann").leave(which("lobby")));
    node.call(Room("lobby").say(post("four")));
    node.run_until_idle();
    CHECK(heard(node, "ann").size() == 3);
  });
}

TEST_CASE("who joins late may have it repeated") {
  Node node(kOptions);
  for (const char* text : {"one", "two", "three"}) node.call(Room("lobby").say(post(text)));
  node.run_until_idle();
  node.call(Member("ann").join(which("lobby", 2)));
  node.run_until_idle();
  CHECK(heard(node, "ann") == std::vector<uint64_t>{2, 3});
}

TEST_CASE("a message that was said is heard once by every member, whatever is lost when") {
  for_seeds(25, [](uint64_t seed) {
    Node node(kOptions);
    node.call(Member("ann").join(which("lobby")));
    node.call(Member("cid").join(which("lobby")));
    node.advance(10s);
    uint64_t said = 0;
    for (uint64_t i = 0; i < 12; ++i) {
      auto saying = node.start(Room("lobby").say(post("hello")));
      for (uint64_t steps = (seed * 13 + i * 5) % 40; steps != 0 && node.step(); --steps) {
      }
      if (i % 4 == 3) {
        node.crash();
        node.restart();
        continue;  // the last one may have been said
      }
      said = saying.get().number();
    }
    node.advance(30s);
    const std::vector<uint64_t> ann = heard(node, "ann");
    CHECK(ann.size() >= said);
    for (size_t i = 0; i < ann.size(); ++i) CHECK(ann[i] == i + 1);
    CHECK(heard(node, "cid") == ann);
  });
}
